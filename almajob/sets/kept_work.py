"""What the ledger keeps of a run on a set of its own: which ids, which set, and what becomes of it.

It is kept before the start, by the run key: so whoever sees the end of the run knows what it owes the set.
"""

from __future__ import annotations

from typing import Any

from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import alma_of, checksum
from almajob.store.ledger.run_key_forms import shared_form
from almajob.text.frozen import Frozen

NEVER, GOOD, ALWAYS = "never", "good", "always"


class Work(Frozen):
    """A run on a set of its own, as the ledger keeps it.

    Attributes:
        digest: of the ids.
        set_name: of the set, chosen before it is made.
        members: how many members the set has; how many ids there are, as long as it is not made.
        set_id: empty as long as it is not known to be made.
        delete: when it is deleted: never, once the run has ended well (good), or once it has ended (always).
        is_settled: the set was deleted, or is kept for good.
        at: when this was kept, in seconds since the epoch.
    """

    run_key: str
    digest: str
    set_name: str
    members: int
    set_id: str = ""
    delete: str = NEVER
    is_settled: bool = False
    at: float = 0.0

    @property
    def is_owed(self) -> bool:
        """Whether the set may have to be deleted yet."""
        return self.delete != NEVER and not self.is_settled and bool(self.set_id)


def find_work(ledger: Ledger, identity: str, run_key: str, *, wait: float | None = None) -> Work | None:
    """Return the work of a run key; None where it is a run like any other.

    Args:
        identity: of the Alma that it is done in.
        wait: seconds that others may have the ledger first.

    Raises:
        LedgerUnusable: the ledger cannot be read.
    """
    with ledger.read(wait=wait) as view:
        kept = view.fact(_name_work(identity, run_key))
    return _read(kept)


def keep_work(ledger: Ledger, identity: str, work: Work) -> None:
    """Keep the work of a run key as it is now.

    Raises:
        LedgerUnusable: it cannot be kept.
    """
    kept = {name: getattr(work, name) for name in work._fields}
    ledger.keep_fact(_name_work(identity, work.run_key), kept)


def find_key(ledger: Ledger, identity: str, meant: str) -> str:
    """Return the run key that was chosen for a command without one last; empty where there is none.

    Args:
        meant: what the command means, as a digest.
    """
    with ledger.read() as view:
        kept = view.fact(_name_meant(identity, meant))
    return kept if isinstance(kept, str) else ""


def keep_key(ledger: Ledger, identity: str, meant: str, run_key: str) -> None:
    """Keep the run key that was chosen for a command without one."""
    ledger.keep_fact(_name_meant(identity, meant), run_key)


def _read(kept: Any) -> Work | None:
    if not isinstance(kept, dict) or not {"run_key", "digest", "set_name", "members"} <= kept.keys():
        return None
    return Work(**{name: value for name, value in kept.items() if name in Work._fields})


def _name_work(identity: str, run_key: str) -> str:
    return f"own-set:{checksum([alma_of(identity), shared_form(run_key)])[:20]}"


def _name_meant(identity: str, meant: str) -> str:
    return f"own-set-of:{checksum([alma_of(identity), meant])[:20]}"
