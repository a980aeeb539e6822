"""The ledger for people: which runs it has, and the one that somebody means."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from almajob.alma.status_codes import is_good
from almajob.errors import AlmajobError, Refused
from almajob.runs.evidence.unknown_outcome import in_doubt
from almajob.runs.run_key import key_in, normal_key
from almajob.store.ledger import Ledger, LedgerUnusable
from almajob.store.ledger_record import Record, alma_of
from almajob.store.ledger_rows import key_hash

LOG = logging.getLogger(__name__)

LAST = "@last"
"""Stands for what was started last from here."""
_REMEMBERED = 10
_ODD_KEYS = "run keys that are not normal"
# A run that is waited for was started within the last month.
_MEMORY = 31 * 86400.0
SHORT_WAIT = 1.0
"""Seconds for a ledger that another process has, where it only adorns: it must not hold a wait up."""


def list_runs(
    ledger: Ledger, *, environment: str = "", job: str = "", only_open: bool = False, limit: int = 0
) -> list[Record]:
    """List runs, those without an outcome on top, then the newest first.

    Args:
        ledger: of all environments.
        environment: of one only.
        job: of one job only, by its id or exact name.
        only_open: only those without an outcome.
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
    in_doubt = [record for record in reversed(found) if record.is_open]
    others = [record for record in reversed(found) if not record.is_open]
    return in_doubt + (others[: max(limit - len(in_doubt), 0)] if limit else others)


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of runs that are to be followed.

    Attributes:
        records: by Process ID.
        durations: how long runs of a job took, in seconds, by the job's id.
    """

    records: Mapping[str, Record]
    durations: Mapping[str, tuple[float, ...]]


def read_known(ledger: Ledger, instance_ids: Collection[str], *, environment: str, now: float) -> Known:
    """Return what the ledger knows of runs; nothing where it cannot be read, as only a wait wants it.

    Args:
        ledger: of all environments.
        instance_ids: their Process IDs.
        environment: the environment's name.
        now: seconds since the epoch.
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
    return Known(of_runs, durations(records))


def durations(records: Iterable[Record]) -> dict[str, tuple[float, ...]]:
    """Return how long the latest runs that ended well took, in seconds, by the job's id."""
    found: dict[str, tuple[float, ...]] = {}
    for record in records:
        if record.lasted is not None and is_good(record.end_status):
            found[record.job_id] = (*found.get(record.job_id, ()), record.lasted)[-_REMEMBERED:]
    return found


def is_of(record: Record, environment: str, identity: str) -> bool:
    """Whether a record is of an environment, or of the same Alma under another section's name.

    Args:
        record: of the ledger.
        environment: the section's name.
        identity: of the Alma that it leads to; empty where nobody knows.
    """
    if not identity or not record.identity:
        return record.environment == environment
    return alma_of(record.identity) == alma_of(identity) or record.environment == environment


def process_id(
    ledger: Ledger,
    text: str,
    *,
    environment: str,
    now: float,
    identity: str = "",
    refuse: Callable[[Record], None] = lambda _record: None,
) -> str:
    """Return the Process ID that a text stands for.

    Args:
        ledger: of all environments; it is read only where it is needed.
        text: a Process ID, ``@last`` for what was started last from here, a run key (which may be digits as
            well) or an id in the ledger.
        environment: the environment's name.
        now: seconds since the epoch.
        identity: of the Alma that it leads to; empty where nobody knows.
        refuse: raises where a start was made in another Alma.

    Raises:
        Refused: there is no such run, or it was not started.
        OutcomeUnknown: it cannot be told whether it was started.
        LedgerUnusable: the ledger cannot be read.
    """
    if text.isascii() and text.isdigit() and not _is_key(ledger, text, environment, identity):
        return text
    if text == LAST:
        records = [record for record in ledger.records() if is_of(record, environment, identity)]
        if not records:
            raise Refused(
                f"Nothing was started in {environment} from here yet.",
                hint=f"Name it by its Process ID; almajob --env {environment} history --job JOB lists runs.",
            )
        # What comes from the future was started before the clock was put right.
        record = sorted(records, key=lambda record: record.created_at <= now)[-1]
    else:
        record = find_record(ledger, text, environment=environment, identity=identity)
    if record.has_run:
        refuse(record)
        return record.instance_id
    if record.is_retry_safe:
        raise Refused(
            f"The run {record.run_key!r} was not started: {record.trail[-1].reason}.",
            hint=f"almajob runs show {record.id} tells more.",
        )
    raise in_doubt(record)


def _is_key(ledger: Ledger, text: str, environment: str, identity: str) -> bool:
    """Whether something is a run key; a ledger that cannot be read keeps nobody from looking at a run."""
    hashed = key_hash(text)
    try:
        found = ledger.records(lambda row: row.key_hash == hashed, wait=SHORT_WAIT)
    except LedgerUnusable:
        return False
    return any(is_of(record, environment, identity) for record in found)


def find_record(ledger: Ledger, text: str, *, environment: str = "", identity: str = "") -> Record:
    """Find a run by its id in the ledger, its run key or its Process ID.

    Args:
        ledger: of all environments.
        text: one of the three; of several attempts under one key, the newest is meant.
        environment: look there only.
        identity: of the Alma that it leads to; empty where nobody knows.

    Raises:
        Refused: there is none, or there are several.
        LedgerUnusable: the ledger cannot be read.
    """
    records = [
        record for record in ledger.records() if not environment or is_of(record, environment, identity)
    ]
    found = (
        [record for record in records if record.id == text]
        or _newest([record for record in records if record.run_key == text])
        or _newest([record for record in records if normal_key(record.run_key) == normal_key(text)])
        or [record for record in records if record.instance_id == text]
    )
    if len(found) == 1:
        return found[0]
    if not found:
        raise Refused(
            f"The ledger has no run {text!r}.",
            hint="almajob runs list shows what there is.\n"
            "What was started elsewhere is known to Alma only: name it by its Process ID (digits only).",
        )
    shown = "; ".join(f"{record.id} ({record.environment}, {record.state})" for record in found[-10:])
    raise Refused(
        f"{len(found)} runs in the ledger are called {text!r}.",
        reason=f"They are: {shown}",
        hint="Say which by the first of these.",
    )


def _newest(records: list[Record]) -> list[Record]:
    """Return the newest record of each environment."""
    return list({record.environment: record for record in records}.values())


def kept_key(ledger: Ledger, run_key: str, environment: str) -> str:
    """Return a run key in the form in which the ledger has it, else in its normal form.

    An almajob before this one kept run keys as they were typed; what was started under such a key must be
    found under it. Of several forms that are there, the one that was typed counts, then the normal one.

    Args:
        ledger: of all environments.
        run_key: as it was typed.
        environment: where the run is.

    Raises:
        LedgerUnusable: it cannot be read.
    """
    forms = _forms(ledger, run_key)
    if forms == [run_key]:
        return run_key
    hashed = {key_hash(form) for form in forms}
    records = ledger.records(lambda row: row.environment == environment and row.key_hash in hashed)
    there = {record.run_key for record in records}
    return next((form for form in forms if form in there), normal_key(run_key))


def _forms(ledger: Ledger, run_key: str, *, wait: float | None = None) -> list[str]:
    """List all forms in which the ledger may have a run key.

    Which keys it has that are not normal is found out once, as none is written any more.
    """
    odd = ledger.fact(_ODD_KEYS, wait=wait)
    if not isinstance(odd, list):
        records = ledger.records(wait=wait)
        odd = [record.run_key for record in reversed(records) if record.run_key != normal_key(record.run_key)]
        if records:
            ledger.keep_fact(_ODD_KEYS, odd, wait=wait)
    normal = normal_key(run_key)
    return list(dict.fromkeys([run_key, normal, *(form for form in odd if normal_key(form) == normal)]))


def recall(error: AlmajobError, run_key: str, environment: str, ledger: Ledger, identity: str = "") -> None:
    """Add to an error what the ledger has of its run key: who gave up early must not deny a run.

    Args:
        error: how a start ended.
        run_key: that was given; without one there is nothing to recall.
        environment: where it was to be started; empty where nobody knows, then it is looked for in all.
        ledger: that may have it.
        identity: of the Alma that was to be called; empty where nobody knows.
    """
    is_denied = error.is_retry_safe if error.record is None else error.record.is_retry_safe
    if not run_key or not is_denied:
        return
    try:
        forms = _forms(ledger, run_key, wait=SHORT_WAIT)
        found = ledger.records(
            lambda row: row.key_hash in {key_hash(key_in(form, row.environment)) for form in forms},
            wait=SHORT_WAIT,
        )
    except LedgerUnusable:
        # Nobody can tell what there was.
        error.is_retry_safe = False
        return
    here = [record for record in found if not environment or is_of(record, environment, identity)]
    if not here or here[-1].is_retry_safe:
        return
    if identity and here[-1].identity and alma_of(here[-1].identity) != alma_of(identity):
        # The section led to another Alma then, or had another key: it is neither this run nor none.
        error.record, error.is_retry_safe = None, False
    else:
        error.record = here[-1]
