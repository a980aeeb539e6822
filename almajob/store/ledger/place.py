"""What a place that keeps a ledger can do: a directory of this machine, or a database that several share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from almajob.errors import Refused

WHEN_ENDED = "Try again when it has ended."
SECOND = "~"
"""How the second copy of a key begins, after the format: a place may look it up in another way."""


class LedgerUnusable(Refused):
    """The ledger cannot be read or written; so nothing may be started, and what was is not known."""

    kind = "ledger_unusable"
    is_retry_safe = False


class Rows(Protocol):
    """The rows of a place: text keys, values in the form of JSON; what they mean is not its matter."""

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the values of those keys that are there."""

    def list(self, prefix: str, *, limit: int | None = None, after: str = "") -> list[str]:
        """Return the keys that begin so, in the order of their characters.

        Args:
            limit: how many, at most; all where not given.
            after: a key; only those that come after it.
        """

    def put(self, rows: Mapping[str, Any]) -> None:
        """Keep values, in place of those that are there."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete the rows of those keys that are there."""


class Locks(Protocol):
    """Who is busy with what, among all almajobs that use one ledger."""

    def lock(
        self, name: str, wait: float, hint: str = WHEN_ENDED, *, remove: bool = False
    ) -> AbstractContextManager[None]:
        """Hold a lock for the length of a block; it dies with this process, or its connection.

        Args:
            name: of a job, of a run key, or of whatever only one process at a time may be busy with.
            hint: what to do where another has it.
            remove: leave nothing of it behind, where there are names without number.

        Raises:
            JobBusy: another has it, with who it is.
            Refused: it cannot be had, or would keep nobody out.
        """

    def check(self) -> str:
        """Make sure that a lock keeps others out, and return where they are, for people.

        Raises:
            Refused: it does not, or none can be had.
        """

    def hold(self, name: str) -> None:
        """Note that this process is busy with something, until ``release``; no failure here matters."""

    def is_held(self, name: str) -> bool:
        """Whether a process that lives is busy with something; False where that cannot be told."""

    def release(self) -> None:
        """Note that this process is busy with nothing any more."""


class Place(Protocol):
    """Where a ledger is kept.

    Whatever fails in it is raised as LedgerUnusable, in words of the place; so is ``Damaged``, when it is
    raised within one of its blocks. In all of them ``wait`` is how many seconds others may have it first.

    Attributes:
        name: what people call it: its path or address, without a password.
        locks: of all who use it.
        newest: the file of this machine that names the record which was written last from here.
    """

    name: str
    newest: Path
    locks: Locks

    def need(self) -> None:
        """Make sure that there is a place at all, whether or not it can be used."""

    @property
    def is_there(self) -> bool:
        """Whether anything may be kept in it, as far as that can be told at once."""

    def count_bytes(self) -> int:
        """Count the bytes that the ledger takes where it is kept."""

    def read(self, wait: float) -> AbstractContextManager[Rows]:
        """Read rows of one moment, in a block."""

    def change(self, wait: float, *, is_of_start: bool = False) -> AbstractContextManager[Rows]:
        """Change rows, in a block: alone, all or nothing, and on disk when it ends.

        Args:
            is_of_start: something is to be sent when it is on disk. Where locks that this process has taken
                in the place are lost, it raises LedgerUnusable, and nothing is kept.
        """

    def initialize(self, role: str = "") -> str:
        """Make whatever it needs before its first use, or upgrade that, and return what was done, for people.

        Args:
            role: of a database, who else is to use it.
        """

    def close(self) -> None:
        """Close what is open; the next use opens it again."""
