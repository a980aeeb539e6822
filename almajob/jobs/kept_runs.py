"""Runs that have ended, kept in the cache: they do not change, so the next question asks for what is new.

Of each job a range of submission times is kept, with all runs in it, each of which has ended for good. What
is kept of one Alma is never used for another, and may vanish at any time.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

from almajob.alma.job_instances import Instance
from almajob.alma.models import Job
from almajob.alma.status_codes import Meaning, meaning
from almajob.store.cache import RUNS
from almajob.text.redaction import redact_all

if TYPE_CHECKING:
    from almajob.store.cache import Cache

LOG = logging.getLogger(__name__)

MOST_RUNS = 2000
"""Runs of a job that are kept at most: the newest."""
_MOST_BYTES = 4 * 2**20
_LONGEST = 400 * 86400.0
_ROWS = 500
"""Runs in a part of a list."""
_SETTLED_AFTER = 15 * 60.0
"""Seconds after its end that the report of a run may still change."""
_WITHOUT_END = 86400.0
"""After a day, a run that was aborted and has no end time has ended long ago as well."""
_ALWAYS = float("-inf")


class Row(NamedTuple):
    """A run that is kept: when it was submitted, in seconds since the epoch, and Alma's form of it."""

    submitted: float
    raw: dict[str, Any]

    @property
    def id(self) -> str:
        """Its Process ID."""
        return str(self.raw["id"])


class JobRuns(NamedTuple):
    """What is kept of a job's runs. Times are seconds since the epoch.

    Attributes:
        since: all runs that were submitted then or later, and before ``until``, are there; minus infinity for
            all that Alma lists.
        until: whatever was submitted before it has ended for good.
        asked_at: when Alma was asked last, by this machine's clock.
        newest: when the last run was submitted, whether or not it had ended; 0 where there was none.
        rows: the newest first. Those that were submitted after ``until`` had ended, and are read again.
    """

    since: float
    until: float
    asked_at: float
    newest: float = 0.0
    rows: tuple[Row, ...] = ()

    def count_settled(self) -> int:
        """Count the runs that need not be read again: the last ones."""
        return sum(row.submitted < self.until for row in self.rows)

    def list_settled(self, job: Job, since: float = _ALWAYS, *, least: int = 0) -> Iterator[Instance]:
        """Make the runs that need not be read again, the newest first.

        Args:
            since: those that were submitted then or later.
            least: and so many in any case.
        """
        settled = self.rows[len(self.rows) - self.count_settled() :]
        for place, row in enumerate(settled):
            if place >= least and row.submitted < since:
                return
            yield make_run(row, job)

    def list_unsettled(self, job: Job) -> Iterator[Instance]:
        """Make the others, which had ended when Alma was asked."""
        return (make_run(row, job) for row in self.rows[: len(self.rows) - self.count_settled()])


def make_run(row: Row, job: Job) -> Instance:
    """Make a run of what is kept of it."""
    return Instance.from_json({**row.raw, "job_info": job.to_json()})


def make_row(run: Instance, submitted: float) -> Row:
    """Return what is kept of a run: the members that say something, without its job, which all rows share."""
    document = redact_all(run.to_json())
    del document["job_info"]
    return Row(submitted, {name: value for name, value in document.items() if value not in (None, "", [])})


def submitted_at(run: Instance) -> float | None:
    """Return when a run was submitted, in seconds since the epoch; None where that cannot be read."""
    return run.submit_time.timestamp() if isinstance(run.submit_time, datetime) else None


def is_settled(run: Instance, submitted: float, now: float) -> bool:
    """Whether a run has ended for good, by its status and for some minutes, so that nothing of it changes.

    One that waits for a person goes on one day, and of a status that nobody knows nothing is known.
    """
    if not run.has_ended or meaning(run.status.value) in (Meaning.NEEDS_A_PERSON, Meaning.UNKNOWN):
        return False
    end = run.end_time
    ended = end.timestamp() if isinstance(end, datetime) else submitted + _WITHOUT_END
    return ended + _SETTLED_AFTER <= now


class KeptRuns:
    """The runs of one environment that are kept.

    Args:
        cache: where they are.
        environment: its name, for the name of the directory.
        identity: tells one Alma from another (address and key) in the keys of the cache.
        refresh: pass over what is kept, and renew it.
    """

    def __init__(self, cache: Cache, *, environment: str, identity: str, refresh: bool = False) -> None:
        self._cache = cache
        self._directory = f"{RUNS}{environment}"
        self._identity = identity
        self._refresh = refresh

    def find(self, job_id: str) -> JobRuns | None:
        """Find what is kept of a job's runs; None where there is nothing that can be used."""
        if self._refresh:
            return None
        entry = self._cache.get_list(self._directory, self._key(job_id))
        try:
            return _read_parts(entry.value) if entry else None
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            # Somebody else wrote it.
            LOG.debug("What is kept of the runs of %s cannot be used: %s", job_id, error)
            return None

    def keep(self, job_id: str, found: JobRuns) -> None:
        """Keep a job's runs, as many as there is room for; where that fails, they are read again next time.

        Of two processes that do so at the same time the last one counts: what either keeps is true.
        """
        bounded = _bound(found)
        since = None if bounded.since == _ALWAYS else bounded.since
        head = {**bounded._asdict(), "since": since}
        del head["rows"]
        parts = [[list(row) for row in rows] for rows in _split(bounded.rows)]
        self._cache.put_list(self._directory, self._key(job_id), [head, *parts])

    def _key(self, job_id: str) -> str:
        return f"runs:{self._identity}:{job_id}"


def _split(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[begin : begin + _ROWS] for begin in range(0, len(rows), _ROWS))


def _bound(found: JobRuns) -> JobRuns:
    """Leave out the oldest runs where there are too many, and say that they are not there."""
    room = _MOST_BYTES
    kept: list[Row] = []
    for row in found.rows[:MOST_RUNS]:
        room -= len(json.dumps(row.raw))
        if room < 0 or row.submitted < found.until - _LONGEST:
            break
        kept.append(row)
    if len(kept) == len(found.rows):
        return found
    # Another run may have been submitted at the same moment as the first that is left out.
    since = math.nextafter(found.rows[len(kept)].submitted, math.inf)
    rows = tuple(takewhile(lambda row: row.submitted >= since, kept))
    return found._replace(since=since, until=max(found.until, since), rows=rows)


def _read_parts(parts: Iterable[bytes]) -> JobRuns:
    """Read what ``keep`` has written.

    Raises:
        ValueError, TypeError, LookupError, AttributeError, RecursionError: it is something else.
    """
    head, *others = map(json.loads, parts)
    rows = tuple(Row(_read_time(submitted), raw) for part in others for submitted, raw in part)
    if not all(isinstance(row.raw["id"], str) and row.raw.get("status") for row in rows):
        raise ValueError("one of them is not a run")
    if any(one.submitted < other.submitted for one, other in pairwise(rows)):
        raise ValueError("they are not in their order")
    since = _ALWAYS if head["since"] is None else _read_time(head["since"])
    until, asked_at, newest = (_read_time(head[name]) for name in ("until", "asked_at", "newest"))
    if rows and rows[-1].submitted < since:
        raise ValueError("one of them is too old")
    return JobRuns(since, until, asked_at, newest, rows)


def _read_time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError("it is not a time")
    return float(value)
