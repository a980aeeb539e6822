"""A ledger's place in memory, shared by the hosts of a model: they lose their connection, die and wait.

It does what a database does whose locks belong to a connection. Whoever plays with it hears of every step
before it is taken, and may let the connection break there, end the process or let another one go first.
"""

from __future__ import annotations

import contextlib
import enum
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from almajob.errors import JobBusy
from almajob.store.errors import Damaged, reason
from almajob.store.ledger.place import WHEN_ENDED, LedgerUnusable, Locks


class Step(enum.StrEnum):
    """What is asked of the place: what changes it, what its locks are asked, and what only looks."""

    READ = "read"
    CHANGE = "change"
    """Nobody else changes anything from here to the end of it."""
    GET = "get"
    LIST = "list"
    PUT = "put"
    DELETE = "delete"
    COMMIT = "commit"
    COMMITTED = "committed"
    """The answer to a commit, which has been done."""
    LOCK = "lock"
    UNLOCK = "unlock"
    LOOK = "look"
    """Whether somebody is busy with something."""


class ConnectionLost(Exception):
    """Raised at a step: the place is not reached, and what the connection held is no longer held."""


@dataclass
class Shared:
    """What all who use one place have in common.

    Attributes:
        rows: values as text, by their keys.
        holders: who holds which lock.
    """

    rows: dict[str, str] = field(default_factory=dict)
    holders: dict[str, MemoryPlace] = field(default_factory=dict)


def _go_on(_step: Step) -> None:
    """Let each step be taken."""


def _wait_in_vain(_name: str, _wait: float) -> None:
    """Nobody gives a lock back while one waits for it."""


@dataclass(eq=False)
class MemoryPlace:
    """One process's connection to it; see ``store.ledger.place.Place``, and ``Locks``, which it is, too.

    Args:
        shared: with whom.
        newest: see ``Place``.
        on_step: is called before each step; what it raises happens there.
        on_wait: is called with a lock's name and the seconds where another one holds it.
    """

    shared: Shared = field(default_factory=Shared)
    newest: Path = Path("/dev/null/newest")
    on_step: Callable[[Step], None] = _go_on
    on_wait: Callable[[str, float], None] = _wait_in_vain
    name: str = "memory"
    is_there: bool = True
    _held: set[str] = field(default_factory=set)
    _has_lost_locks: bool = False

    def __post_init__(self) -> None:
        self.locks: Locks = self

    def need(self) -> None:
        """It is there."""

    def initialize(self, role: str = "") -> str:
        """Make nothing, as nothing is needed."""
        return ""

    @contextlib.contextmanager
    def read(self, wait: float) -> Iterator[_Rows]:
        with self._usable():
            self._begin(Step.READ)
            yield _Rows(self, dict(self.shared.rows))

    @contextlib.contextmanager
    def change(self, wait: float, *, is_of_start: bool = False) -> Iterator[_Rows]:
        with self._usable():
            self._begin(Step.CHANGE)
            if is_of_start:
                self._refuse_lost_locks()
            rows = _Rows(self, dict(self.shared.rows))
            yield rows
            self.on_step(Step.COMMIT)
            self.shared.rows = rows.rows
            self.on_step(Step.COMMITTED)

    @contextlib.contextmanager
    def lock(self, name: str, wait: float, hint: str = WHEN_ENDED, *, remove: bool = False) -> Iterator[None]:
        with self._usable():
            self.on_step(Step.LOCK)
            if name in self.shared.holders:
                self.on_wait(name, wait)
            if name in self.shared.holders:
                raise JobBusy("Another almajob is busy with this job or run key.", hint=hint)
            self.shared.holders[name] = self
            self._held.add(name)
        try:
            yield
        finally:
            # With the last of them it may begin anew.
            self._has_lost_locks = self._has_lost_locks and len(self._held) > 1
            with contextlib.suppress(LedgerUnusable), self._usable():
                self.on_step(Step.UNLOCK)
            self._give_back(name)

    def check(self) -> str:
        return self.name

    def hold(self, name: str) -> None:
        with contextlib.suppress(LedgerUnusable), self._usable():
            self.on_step(Step.LOCK)
            if self.shared.holders.setdefault(f"busy {name}", self) is self:
                self._held.add(f"busy {name}")

    def is_held(self, name: str) -> bool:
        with contextlib.suppress(LedgerUnusable), self._usable():
            self.on_step(Step.LOOK)
            return f"busy {name}" in self.shared.holders
        return False

    def release(self) -> None:
        for name in [each for each in self._held if each.startswith("busy ")]:
            self._give_back(name)

    def close(self) -> None:
        """End the process, dead or alive: it holds nothing any more."""
        for name in list(self._held):
            self._give_back(name)

    def count_bytes(self) -> int:
        return sum(len(key) + len(value) for key, value in self.shared.rows.items())

    def lose(self) -> None:
        """Lose the connection, and what was held by it."""
        self._has_lost_locks = self._has_lost_locks or bool(self._held)
        for name in self._held:
            if self.shared.holders.get(name) is self:
                del self.shared.holders[name]

    def _begin(self, step: Step) -> None:
        # A connection that was lost before it is used again is made anew; what was locked on it is not.
        try:
            self.on_step(step)
        except ConnectionLost:
            self.lose()

    def _refuse_lost_locks(self) -> None:
        if self._has_lost_locks:
            raise self._unusable("its locks were lost")

    def _give_back(self, name: str) -> None:
        self._held.discard(name)
        if self.shared.holders.get(name) is self:
            del self.shared.holders[name]

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except ConnectionLost:
            self.lose()
            raise self._unusable("the connection was lost") from None
        except (Damaged, OSError) as error:
            raise self._unusable(reason(error)) from error

    def _unusable(self, why: str) -> LedgerUnusable:
        return LedgerUnusable("The ledger cannot be used.", reason=f"{why}.")


class _Rows:
    """The rows of one moment."""

    def __init__(self, place: MemoryPlace, rows: dict[str, str]) -> None:
        self._place = place
        self.rows = rows

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        self._place.on_step(Step.GET)
        return {key: json.loads(self.rows[key]) for key in keys if key in self.rows}

    def list(self, prefix: str, *, limit: int | None = None, after: str = "") -> list[str]:
        self._place.on_step(Step.LIST)
        return sorted(key for key in self.rows if key.startswith(prefix) and key > after)[:limit]

    def put(self, rows: Mapping[str, Any]) -> None:
        self._place.on_step(Step.PUT)
        self.rows |= {key: json.dumps(value) for key, value in rows.items()}

    def delete(self, keys: Iterable[str]) -> None:
        self._place.on_step(Step.DELETE)
        for key in keys:
            self.rows.pop(key, None)
