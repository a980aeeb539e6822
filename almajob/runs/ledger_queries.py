"""What the ledger knows of runs: those that it has, how long they took, what a run key stands for."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from almajob.alma.models import Job
from almajob.alma.status_codes import is_good
from almajob.errors import AlmajobError, Refused
from almajob.jobs.job_lookup import is_named
from almajob.runs.run_reference import SHORT_WAIT, is_of
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import OPEN, Record, State, alma_of
from almajob.store.ledger.run_key_forms import move_key
from almajob.store.ledger.view import View

LOG = logging.getLogger(__name__)

_REMEMBERED = 10
_FIRST_PAGE, _PAGE = 64, 1024
# A run that is waited for was started within the last month.
_MEMORY = 31 * 86400.0


class Wanted(NamedTuple):
    """Which runs are to be listed.

    Attributes:
        environment: of this one only; of all where it is empty.
        jobs: of these only, by their ids or exact names; of all where none is named.
        states: in one of these only; in any where none is named.
        since, until: made then, in seconds since the epoch.
    """

    environment: str = ""
    jobs: Collection[str] = ()
    states: frozenset[State] = frozenset()
    since: float = 0.0
    until: float = math.inf

    @property
    def is_all(self) -> bool:
        """Whether all runs are meant, but for the environment."""
        return self._replace(environment="") == Wanted()

    def has(self, record: Record) -> bool:
        """Whether a record is wanted."""
        return (
            self.environment in ("", record.environment)
            and (not self.states or record.state in self.states)
            and self.since <= record.created_at < self.until
            and (not self.jobs or _is_of_job(record, self.jobs))
        )


def _is_of_job(record: Record, jobs: Collection[str]) -> bool:
    job = Job(record.job_id, record.job_name)
    return any(is_named(job, text) for text in jobs)


ALL_RUNS = Wanted()


def list_runs(ledger: Ledger, wanted: Wanted = ALL_RUNS, *, limit: int = 0) -> Iterator[Record]:
    """List runs, those without an outcome on top, then the newest first, some at a time.

    Args:
        limit: how many, at most; 0 for all. Those without an outcome are never left out.

    Raises:
        LedgerUnusable: it cannot be read.
    """
    with ledger.read() as view:
        opened = [record for record in reversed(view.list_open()) if wanted.has(record)]
    yield from opened
    left = max(limit - len(opened), 0) if limit else math.inf
    last: tuple[int, str] | None = None
    size = _FIRST_PAGE
    if wanted.states and OPEN.issuperset(wanted.states):
        return
    while left:
        # What is read at once is not much longer than what is asked for; nobody waits while it is printed.
        with ledger.read() as view:
            page = view.read_page(last, size, since=wanted.since, environment=wanted.environment)
        if not page:
            return
        for _number, record in page:
            if left and not record.is_open and wanted.has(record):
                yield record
                left -= 1
        last, size = (page[-1][0], page[-1][1].id), _PAGE


def count_runs(ledger: Ledger, environment: str = "") -> int:
    """Count all runs, or those of an environment.

    Raises:
        LedgerUnusable: it cannot be read.
    """
    with ledger.read() as view:
        return view.count(environment)


def read_archived(ledger: Ledger, record: Record) -> Record:
    """Return all that is known of a record: of one in an archive the ledger has not all.

    Raises:
        LedgerUnusable: the ledger cannot be read.
    """
    with ledger.read() as view:
        path = view.find_archive(record.id)
    if not path:
        return record
    from almajob.store.upkeep.archive import find_in_archive

    try:
        found = find_in_archive(Path(path), record)
    except Refused as error:
        LOG.warning("%s Without it, the reasons of the first steps are missing.", error.message)
        return record
    if found is None:
        LOG.warning("The run is not in the archive %s any more.", path)
        return record
    LOG.info("The run is in the archive %s.", path)
    return found


def read_known(
    ledger: Ledger, instance_ids: Collection[str], job_ids: Collection[str], *, environment: str, now: float
) -> tuple[dict[str, Record], dict[str, tuple[float, ...]]]:
    """Return what the ledger knows of runs; nothing where it cannot be read, as only a wait wants it.

    Args:
        job_ids: of whose runs it is asked how long they took.

    Returns:
        Their records by Process ID, and how long runs of a job took, in seconds, by the job's id.
    """
    try:
        with ledger.read(wait=SHORT_WAIT) as view:
            found = [each for each in view.list_claims(instance_ids) if each.environment == environment]
            jobs = {*job_ids, *(record.job_id for record in found)}
            earlier = {job_id: _read_ended(view, job_id, environment, now - _MEMORY) for job_id in jobs}
    except LedgerUnusable as error:
        LOG.debug("The ledger cannot be read: %s", error.reason)
        return {}, {}
    return {record.instance_id: record for record in found}, {
        job_id: durations for job_id, records in earlier.items() if (durations := read_durations(records))
    }


def _read_ended(view: View, job_id: str, environment: str, since: float) -> list[Record]:
    """Read the latest runs of a job that ended well, the oldest first."""
    ended = (
        record
        for record in view.read_back(environment=environment, job_id=job_id)
        if record.lasted is not None and is_good(record.end_status)
    )
    latest = itertools.takewhile(lambda record: record.created_at > since, ended)
    return list(itertools.islice(latest, _REMEMBERED))[::-1]


def read_durations(records: Iterable[Record]) -> tuple[float, ...]:
    """Return how long runs that ended well took, in seconds."""
    return tuple(
        record.lasted for record in records if record.lasted is not None and is_good(record.end_status)
    )


def read_records_of_key(ledger: Ledger, run_key: str, environment: str, identity: str) -> list[Record]:
    """Return what the ledger has under just this run key, oldest first; nothing where it cannot be read."""
    try:
        with ledger.read(wait=SHORT_WAIT) as view:
            found = view.list_of_key(run_key)
    except LedgerUnusable:
        return []
    key = move_key(run_key, "")
    return [
        record
        for record in found
        if move_key(record.run_key, "") == key and is_of(record, environment, identity)
    ]


def recall(
    error: AlmajobError, run_key: str, environment: str, ledger: Ledger, identity: str = ""
) -> AlmajobError:
    """Return an error with what the ledger has of its run key: who gave up early must not deny a run.

    Args:
        run_key: that was given; without one there is nothing to recall.
        environment: where it was to be started; empty where nobody knows, then it is looked for in all.
    """
    is_denied = error.is_retry_safe if error.record is None else error.record.is_retry_safe
    if not run_key or not is_denied:
        return error
    try:
        with ledger.read(wait=SHORT_WAIT) as view:
            found = view.list_of_key(run_key)
    except LedgerUnusable:
        # Nobody can tell what there was.
        return error.replace(is_retry_safe=False)
    here = [record for record in found if not environment or is_of(record, environment, identity)]
    if not here or here[-1].is_retry_safe:
        return error
    if identity and here[-1].identity and alma_of(here[-1].identity) != alma_of(identity):
        # The section led to another Alma then, or had another key: it is neither this run nor none.
        return error.replace(record=None, is_retry_safe=False)
    return error.replace(record=here[-1])
