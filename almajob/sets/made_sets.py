"""What the ledger keeps of a set that almajob makes: how far it is, and by what it is known to be ours."""

from __future__ import annotations

import secrets

from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import alma_of, checksum
from almajob.text.frozen import Frozen

CREATING, FILLING, FILLED, DELETING, DELETED = "creating", "filling", "filled", "deleting", "deleted"


class MakingRecord(Frozen):
    """A set that is made, or was.

    Attributes:
        mark: a text in its description that no other set has.
        source: the digest of its ids.
        state: CREATING before it is asked for, FILLING once it is there, then FILLED, DELETING and DELETED.
        set_id: empty while it is CREATING.
        next_chunk: the first thousand of its ids that is not known to be in it; it may be.
    """

    name: str
    mark: str
    source: str
    state: str = CREATING
    set_id: str = ""
    next_chunk: int = 0


def new_record(name: str, source: str) -> MakingRecord:
    """Make the record of a set that is to be made."""
    return MakingRecord(name, f"[almajob:{secrets.token_hex(6)}]", source)


def find_record(ledger: Ledger, identity: str, name: str) -> MakingRecord | None:
    """Return what is known of the set of a name; None where almajob has not made it.

    Raises:
        LedgerUnusable: the ledger cannot be read.
    """
    with ledger.read() as view:
        kept = view.fact(_name_fact(identity, name))
    return MakingRecord(**kept) if isinstance(kept, dict) else None


def keep_record(ledger: Ledger, identity: str, record: MakingRecord) -> MakingRecord:
    """Keep how far a set is, and return it.

    Raises:
        LedgerUnusable: it cannot be kept.
    """
    kept = {name: getattr(record, name) for name in record._fields}
    ledger.keep_fact(_name_fact(identity, record.name), kept)
    return record


def _name_fact(identity: str, name: str) -> str:
    return f"made-set:{checksum([alma_of(identity), name])[:20]}"
