"""What this process has asked Alma to change: of each such call, whether Alma accepted it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from almajob.system.sharing.forks import forget_in_children

_MOST_KEPT = 1000


class Change:
    """A call that changes something, once it is on its way.

    Args:
        name: how people are told of it, such as ``POST /conf/sets in sandbox``.

    Attributes:
        sent_at: by the monotonic clock; None until it leaves.
        is_accepted: None as long as that is unknown.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent_at: float | None = None
        self.is_accepted: bool | None = None

    def note_sent(self) -> None:
        """Note that its first byte leaves now."""
        self.sent_at = time.monotonic()


class Changes:
    """The changes that were sent; those that Alma refused are not kept."""

    def __init__(self) -> None:
        self._kept: dict[Change, None] = {}
        forget_in_children(self)

    def forget_parent(self) -> None:
        """Leave what a parent process has changed to the parent, in a child that was forked."""
        self._kept = {}

    @contextmanager
    def watch(self, name: str) -> Iterator[Change]:
        """Keep a change while it is on its way, and afterwards unless Alma has refused it.

        However the block ends: what was sent, and not found to be accepted or refused, is unknown.
        """
        change = Change(name)
        kept = self._kept
        kept[change] = None
        try:
            yield change
        finally:
            if change.sent_at is None or change.is_accepted is False:
                del kept[change]
            elif len(kept) > _MOST_KEPT:
                self._forget_one()

    def _forget_one(self) -> None:
        """Forget an old one whose outcome is known: whoever changes so much needs no list of it."""
        for change in list(self._kept)[:-_MOST_KEPT]:
            if change.is_accepted:
                self._kept.pop(change, None)

    def list_since(self, begun: float) -> list[Change]:
        """Return those that have left since a time of the monotonic clock, the oldest first."""
        return [each for each in list(self._kept) if each.sent_at is not None and each.sent_at >= begun]
