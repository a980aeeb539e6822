"""What observers are to be called with: kept with the change of the record that it tells of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from almajob.store.ledger.record import Record


class Announcement(NamedTuple):
    """Something about one record with which one observer is still to be called.

    Attributes:
        event: its name, which nothing else that ever happens has.
        observer: which.
        message: all that a call needs, in the form of JSON.
        calls: how often a call was begun.
        number: in the order in which they were kept; the ledger gives it.
    """

    event: str
    observer: str
    message: Any
    calls: int = 0
    number: int = 0


class Announcer(Protocol):
    """Decides what is to be announced, and sees to it."""

    def list_news(self, before: Record | None, after: Record, details: Any) -> Iterable[Announcement]:
        """Return what a change of a record means to observers.

        Args:
            before: the record as it was kept; None where it was not.
            details: what whoever changed it knows besides.
        """

    def list_other_news(self, details: Any) -> Iterable[Announcement]:
        """Return what something means to observers that is of no record.

        Args:
            details: what whoever knows of it knows.
        """

    def wake(self) -> None:
        """Begin to deliver what is on disk now; it takes no time, and never fails."""
