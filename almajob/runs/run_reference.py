"""What names a run: its Process ID, its run key, its id in the ledger, ``@last``; and which is meant.

The environment is a section's name; the identity that of the Alma that it leads to, empty where nobody knows.
"""

from __future__ import annotations

from almajob.errors import Refused
from almajob.runs.run_key import normalize_key
from almajob.store.ledger import Ledger, LedgerUnusable, key_hash
from almajob.store.ledger_record import Record, alma_of

LAST = "@last"
"""Stands for what was started last from here."""
SHORT_WAIT = 1.0
"""Seconds for a ledger that another process has, where it only adorns: it must not hold a wait up."""
_ODD_KEYS = "run keys that are not normal"


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
        Refused: there is no such run.
        LedgerUnusable: the ledger cannot be read.
    """
    if text.isascii() and text.isdigit() and not _is_key(ledger, text, environment, identity):
        return None
    if text != LAST:
        return find_record(ledger, text, environment=environment, identity=identity)
    records = [record for record in ledger.records() if is_of(record, environment, identity)]
    if not records:
        raise Refused(
            f"Nothing was started in {environment} from here yet.",
            hint=f"Name it by its Process ID; almajob --env {environment} history --job JOB lists runs.",
        )
    # What comes from the future was started before the clock was put right.
    return sorted(records, key=lambda record: record.created_at <= now)[-1]


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
        text: one of the three; of several attempts under one key, the newest is meant.
        environment: look there only.

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
        or _newest([record for record in records if normalize_key(record.run_key) == normalize_key(text)])
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


def find_kept_key(ledger: Ledger, run_key: str, environment: str) -> str:
    """Return a run key in the form in which the ledger has it, else in its normal form.

    An almajob before this one kept run keys as they were typed; what was started under such a key must be
    found under it. Of several forms that are there, the one that was typed counts, then the normal one.

    Raises:
        LedgerUnusable: it cannot be read.
    """
    forms = list_key_forms(ledger, run_key)
    if forms == [run_key]:
        return run_key
    hashed = {key_hash(form) for form in forms}
    records = ledger.records(lambda row: row.environment == environment and row.key_hash in hashed)
    there = {record.run_key for record in records}
    return next((form for form in forms if form in there), normalize_key(run_key))


def list_key_forms(ledger: Ledger, run_key: str, *, wait: float | None = None) -> list[str]:
    """List all forms in which the ledger may have a run key.

    Which keys it has that are not normal is found out once, as none is written any more.

    Raises:
        LedgerUnusable: it cannot be read.
    """
    odd = ledger.fact(_ODD_KEYS, wait=wait)
    if not isinstance(odd, list):
        records = ledger.records(wait=wait)
        odd = [
            record.run_key for record in reversed(records) if record.run_key != normalize_key(record.run_key)
        ]
        if records:
            ledger.keep_fact(_ODD_KEYS, odd, wait=wait)
    normal = normalize_key(run_key)
    return list(dict.fromkeys([run_key, normal, *(form for form in odd if normalize_key(form) == normal)]))
