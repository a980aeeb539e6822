"""What the ledger keeps of a set that almajob makes: how far it is, and by what it is known to be ours."""

from __future__ import annotations

import secrets
from typing import Any

from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import alma_of, checksum
from almajob.text.frozen import Frozen

CREATING, FILLING, FILLED, DELETING, DELETED = "creating", "filling", "filled", "deleting", "deleted"


class MakingRecord(Frozen):
    """A set that is made, or was.

    Attributes:
        mark: a text in its description that no other set has.
        source: the digest of its ids, or of what else it is made from.
        state: CREATING before it is asked for, FILLING once it is there, then FILLED, DELETING and DELETED.
        set_id: empty while it is CREATING.
        next_chunk: the first thousand of its ids that is not known to be in it; it may be.
        members: how many it had when it was FILLED, as Alma counts; None before.
        made_at: when its making began, in seconds since the epoch.
        run_key: of the run that it was made for; empty where it was made to stay.
        refused: the ids that are known to have been refused.
        sifting_calls: how many calls were made to find them.
    """

    name: str
    mark: str
    source: str
    state: str = CREATING
    set_id: str = ""
    next_chunk: int = 0
    members: int | None = None
    made_at: float = 0.0
    run_key: str = ""
    refused: tuple[str, ...] = ()
    sifting_calls: int = 0


def new_record(name: str, source: str, now: float, run_key: str = "") -> MakingRecord:
    """Make the record of a set that is to be made.

    Args:
        now: seconds since the epoch.
        run_key: of the run that it is made for; empty where it is made to stay.
    """
    return MakingRecord(name, f"[almajob:{secrets.token_hex(6)}]", source, made_at=now, run_key=run_key)


def find_record(ledger: Ledger, identity: str, name: str) -> MakingRecord | None:
    """Return what is known of the set of a name; None where almajob has not made it.

    Raises:
        LedgerUnusable: the ledger cannot be read.
    """
    with ledger.read() as view:
        kept = view.fact(_name_fact(identity, name))
    return _read(kept) if isinstance(kept, dict) else None


def list_made_sets(ledger: Ledger, identity: str) -> list[MakingRecord]:
    """Return all sets that almajob has made in an Alma, deleted ones too, the oldest first.

    Raises:
        LedgerUnusable: the ledger cannot be read.
    """
    with ledger.read() as view:
        kept = view.list_facts(_name_facts(identity))
    records = [_read(each) for each in kept.values() if isinstance(each, dict)]
    return sorted(records, key=lambda record: (record.made_at, record.name))


def keep_record(ledger: Ledger, identity: str, record: MakingRecord) -> MakingRecord:
    """Keep how far a set is, and return it.

    Raises:
        LedgerUnusable: it cannot be kept.
    """
    kept = {name: getattr(record, name) for name in record._fields}
    ledger.keep_fact(_name_fact(identity, record.name), kept)
    return record


def _read(kept: dict[str, Any]) -> MakingRecord:
    record = MakingRecord(**kept)
    return record.replace(refused=tuple(record.refused))


def _name_fact(identity: str, name: str) -> str:
    return f"{_name_facts(identity)}{checksum(name)[:20]}"


def _name_facts(identity: str) -> str:
    """Return how the facts of all sets in an Alma begin."""
    return f"made-set:{checksum(alma_of(identity))[:20]}:"
