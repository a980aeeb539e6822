"""A job's next run, whoever starts it: its list is read until there is one."""

from __future__ import annotations

from datetime import timedelta

from almajob.alma.client import Alma
from almajob.alma.job_instances import Instance
from almajob.alma.pagination import Listing, read_instances
from almajob.errors import NotAlma
from almajob.runs.evidence.next_run import Beginning, find_next, note_beginning
from almajob.runs.wait.watched_run import age_of
from almajob.system.clock import Clock
from almajob.text import time_format

_HOUR = 3600.0


class NextRun:
    """Looks for the first run of a job that begins from now on.

    Args:
        job_id: of the job.
        clock: this machine's time, which may be wrong: what began before is decided by Alma's.
    """

    def __init__(self, job_id: str, clock: Clock) -> None:
        self._job_id = job_id
        self._clock = clock
        self._begun = clock.elapsed()
        self._beginning: Beginning | None = None
        self._off = 0.0

    def look(self, alma: Alma, patience: float) -> tuple[Instance | None, float | None]:
        """Read the list once; return the run and its age in seconds, where there is one by now.

        Raises:
            NotAlma: the list has gaps, or is an old one.
        """
        listing = self._read(alma, patience)
        if not listing.is_complete:
            raise NotAlma("Alma's list of the job's runs has gaps.")
        if self._beginning is None:
            self._beginning = note_beginning(listing, self._clock.elapsed() - self._begun)
        found = find_next(self._beginning, listing)
        return found, None if found is None else age_of(found, listing.clock)

    def _read(self, alma: Alma, patience: float) -> Listing:
        """Read the runs of the last days: in whose time zone Alma counts days is not documented."""
        now = self._clock.now() + self._off
        listing = self._read_around(alma, now, patience)
        if listing.clock is not None and abs(listing.clock - now) > _HOUR:
            self._off += listing.clock - now
            listing = self._read_around(alma, listing.clock, patience)
        return listing

    def _read_around(self, alma: Alma, now: float, patience: float) -> Listing:
        today, day = time_format.to_local(now).date(), timedelta(days=1)
        since, until = today - day, today + 2 * day
        # Whoever waits will look again.
        return read_instances(alma, self._job_id, since=since, until=until, patience=patience, attempts=1)
