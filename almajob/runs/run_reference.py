"""What names a run: its Process ID, its run key, its id in the ledger, ``@last``; and which is meant.

The environment is a section's name; the identity that of the Alma that it leads to, empty where nobody knows.
"""

from __future__ import annotations

import itertools

from almajob.errors import AmbiguousName, NotFound
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Record, alma_of
from almajob.store.ledger.run_key_forms import normalize_key
from almajob.store.ledger.view import View
from almajob.system import clock as clocks

LAST = "@last"
"""Stands for what was started last from here."""
SHORT_WAIT = 1.0
"""Seconds for a ledger that another process has, where it only adorns: it must not hold a wait up."""
# Clocks are put right, and those of two machines differ: what was added last need not be the latest.
_LATEST = 50


class NoSuchRun(NotFound):
    """A text names no run: none of the ledger, and it is no Process ID either."""


def is_of(record: Record, environment: str, identity: str) -> bool:
    """Whether a record is of an environment, or of the same Alma under another section's name."""
    if not identity or not record.identity:
        return record.environment == environment
    return alma_of(record.identity) == alma_of(identity) or record.environment == environment


def find_run(ledger: Ledger, text: str, *, environment: str, now: float, identity: str = "") -> Record | None:
    """Find the run that a text names; None where it is a Process ID, which needs no ledger.

    Args:
        ledger: of all environments; it is read only where it is needed.
        text: a Process ID, ``@last`` for what was started last from here, a run key (which may be digits as
            well) or an id in the ledger.

    Raises:
        NoSuchRun: there is none.
        Refused: there are several.
        LedgerUnusable: the ledger cannot be read.
    """
    if text.isascii() and text.isdigit() and not _is_key(ledger, text, environment, identity):
        return None
    return find_record(ledger, text, environment=environment, identity=identity, now=now)


def _is_key(ledger: Ledger, text: str, environment: str, identity: str) -> bool:
    """Whether something is a run key; a ledger that cannot be read keeps nobody from looking at a run."""
    try:
        with ledger.read(wait=SHORT_WAIT) as view:
            found = view.list_of_key(text)
    except LedgerUnusable:
        return False
    return any(record.run_key == text and is_of(record, environment, identity) for record in found)


def find_record(
    ledger: Ledger, text: str, *, environment: str = "", identity: str = "", now: float | None = None
) -> Record:
    """Find a run by its id in the ledger, its run key or its Process ID, or the last one.

    Args:
        text: one of these; of several attempts under one key, the newest is meant. The Process ID of a run
            that may be one of the ledger's finds that one.
        environment: look there only.
        now: seconds since the epoch; read from the clock where not given.

    Raises:
        NoSuchRun: there is none.
        Refused: there are several.
        LedgerUnusable: the ledger cannot be read.
    """
    with ledger.read() as view:
        if text == LAST:
            now = clocks.system().now() if now is None else now
            return _find_last(_read_latest(view, environment, identity), environment, now)

        def is_here(record: Record) -> bool:
            return not environment or is_of(record, environment, identity)

        named = view.find(text)
        of_key = [record for record in view.list_of_key(text) if is_here(record)]
        found = ([named] if named is not None and is_here(named) else []) or (
            _newest([record for record in of_key if record.run_key == text])
            or _newest([record for record in of_key if normalize_key(record.run_key) == normalize_key(text)])
            or [record for record in view.list_of_instance(text) if is_here(record)]
        )
    if len(found) == 1:
        return found[0]
    if not found:
        raise _no_such_run(text)
    shown = "; ".join(f"{record.id} ({record.environment}, {record.outcome})" for record in found[-10:])
    raise AmbiguousName(
        f"{len(found)} runs in the ledger are called {text!r}.",
        reason=f"They are: {shown}",
        hint="Choose one by the first of these.",
    )


def _read_latest(view: View, environment: str, identity: str) -> list[Record]:
    """Read some of the records that were added last, the oldest first."""
    # Those of a section that had another name then stand among all.
    found = [*itertools.islice(view.read_back(environment=environment), _LATEST)] if environment else []
    found += [
        record
        for record in itertools.islice(view.read_back(), _LATEST)
        if not environment or is_of(record, environment, identity)
    ]
    by_id = {record.id: record for record in found}
    return sorted(by_id.values(), key=lambda record: (record.created_at, record.id))


def _find_last(records: list[Record], environment: str, now: float) -> Record:
    """Find what was started last; what comes from the future was started before the clock was put right."""
    if records:
        return sorted(records, key=lambda record: record.created_at <= now)[-1]
    where = f" in {environment}" if environment else ""
    env = f" --env {environment}" if environment else ""
    raise NoSuchRun(
        f"Nothing was started{where} from here yet.",
        hint=f"Name it by its Process ID; almajob{env} history JOB lists runs.",
    )


def _no_such_run(text: str) -> NoSuchRun:
    if text.isascii() and text.isdigit():
        return NoSuchRun(
            f"The ledger has no run {text}.",
            reason="It has only what was started from here.",
            hint=f"almajob status {text} asks Alma for it; almajob runs list shows what the ledger has.",
        )
    return NoSuchRun(
        f"The ledger has no run {text!r}.",
        hint="almajob runs list shows what there is.\n"
        "What was started elsewhere is known to Alma only: name it by its Process ID.",
    )


def _newest(records: list[Record]) -> list[Record]:
    """Return the newest record of each environment."""
    return list({record.environment: record for record in records}.values())


def find_kept_key(ledger: Ledger, run_key: str, environment: str) -> str:
    """Return a run key in the form in which the ledger has it, else in its normal form.

    An almajob before this one kept run keys as they were typed; what was started under such a key must be
    found under it. Of several forms that are there, the one that was typed counts, then the normal one.

    Raises:
        LedgerUnusable: it cannot be read.
    """
    with ledger.read() as view:
        records = [record for record in view.list_of_key(run_key) if record.environment == environment]
    there = [record.run_key for record in reversed(records)]
    normal = normalize_key(run_key)
    return next((form for form in (run_key, normal, *there) if form in there), normal)
