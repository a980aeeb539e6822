"""What the ledger knows of runs: those that it has, how long they took, what a run key stands for."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from almajob.alma.status_codes import is_good
from almajob.errors import AlmajobError
from almajob.runs.run_key import move_key
from almajob.runs.run_reference import SHORT_WAIT, is_of, list_key_forms
from almajob.store.ledger import Ledger, LedgerUnusable, key_hash
from almajob.store.ledger_record import Record, alma_of

LOG = logging.getLogger(__name__)

_REMEMBERED = 10
# A run that is waited for was started within the last month.
_MEMORY = 31 * 86400.0


def list_runs(
    ledger: Ledger, *, environment: str = "", job: str = "", only_open: bool = False, limit: int = 0
) -> list[Record]:
    """List runs, those without an outcome on top, then the newest first.

    Args:
        job: of one job only, by its id or exact name.
        limit: how many, at most; 0 for all. Those without an outcome are never left out.

    Raises:
        LedgerUnusable: it cannot be read.
    """
    found = [
        record
        for record in ledger.records(
            lambda row: environment in ("", row.environment) and (row.is_open or not only_open)
        )
        if job in ("", record.job_id, record.job_name)
    ]
    unknown = [record for record in reversed(found) if record.is_open]
    others = [record for record in reversed(found) if not record.is_open]
    return unknown + (others[: max(limit - len(unknown), 0)] if limit else others)


def read_known(
    ledger: Ledger, instance_ids: Collection[str], *, environment: str, now: float
) -> tuple[dict[str, Record], dict[str, tuple[float, ...]]]:
    """Return what the ledger knows of runs; nothing where it cannot be read, as only a wait wants it.

    Returns:
        Their records by Process ID, and how long runs of a job took, in seconds, by the job's id.
    """
    since = (now - _MEMORY) * 1000
    try:
        records = ledger.records(
            lambda row: row.environment == environment and row.created > since and not row.is_open,
            wait=SHORT_WAIT,
        )
    except LedgerUnusable as error:
        LOG.debug("The ledger cannot be read: %s", error.reason)
        records = []
    of_runs = {record.instance_id: record for record in records if record.instance_id in instance_ids}
    return of_runs, read_durations(records)


def read_durations(records: Iterable[Record]) -> dict[str, tuple[float, ...]]:
    """Return how long the latest runs that ended well took, in seconds, by the job's id."""
    found: dict[str, tuple[float, ...]] = {}
    for record in records:
        if record.lasted is not None and is_good(record.end_status):
            found[record.job_id] = (*found.get(record.job_id, ()), record.lasted)[-_REMEMBERED:]
    return found


def read_records_of_key(ledger: Ledger, run_key: str, environment: str, identity: str) -> list[Record]:
    """Return what the ledger has under just this run key, oldest first; nothing where it cannot be read."""
    try:
        found = ledger.records(
            lambda row: row.key_hash == key_hash(move_key(run_key, row.environment)), wait=SHORT_WAIT
        )
    except LedgerUnusable:
        return []
    return [record for record in found if is_of(record, environment, identity)]


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
        forms = list_key_forms(ledger, run_key, wait=SHORT_WAIT)
        found = ledger.records(
            lambda row: row.key_hash in {key_hash(move_key(form, row.environment)) for form in forms},
            wait=SHORT_WAIT,
        )
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
