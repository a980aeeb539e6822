"""What the ledger keeps of a change of a set's members: which change it is, and how far.

Only the last change of a set is kept. One that another change came after is made anew, as that one may have
undone a part of it.
"""

from __future__ import annotations

from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import alma_of, checksum
from almajob.text.frozen import Frozen

_LONGEST_BREAK = 7 * 86400.0


class Change(Frozen):
    """A change of the members of a set.

    Attributes:
        op: add, remove or replace.
        source: the digest of the ids.
        id_type: of the ids, as Alma names it; empty for the ids of Alma itself.
        next_chunk: the first thousand of its ids that is not known to have been sent; it may have been.
        is_done: all were sent, and the members were counted.
        at: when this was kept, in seconds since the epoch.
    """

    set_id: str
    op: str
    source: str
    id_type: str = ""
    next_chunk: int = 0
    is_done: bool = False
    at: float = 0.0

    def goes_on(self, wanted: Change) -> bool:
        """Whether a change that is wanted now is this one, which was broken off not long ago."""
        is_same = self.replace(next_chunk=0, at=0.0) == wanted.replace(next_chunk=0, at=0.0)
        return is_same and abs(wanted.at - self.at) < _LONGEST_BREAK


def find_change(ledger: Ledger, identity: str, set_id: str) -> Change | None:
    """Return the last change of a set; None where there was none.

    Raises:
        LedgerUnusable: the ledger cannot be read.
    """
    with ledger.read() as view:
        kept = view.fact(_name_fact(identity, set_id))
    return Change(**kept) if isinstance(kept, dict) else None


def keep_change(ledger: Ledger, identity: str, change: Change) -> None:
    """Keep how far a change is.

    Raises:
        LedgerUnusable: it cannot be kept.
    """
    kept = {name: getattr(change, name) for name in change._fields}
    ledger.keep_fact(_name_fact(identity, change.set_id), kept)


def _name_fact(identity: str, set_id: str) -> str:
    return f"set-change:{checksum([alma_of(identity), set_id])[:20]}"
