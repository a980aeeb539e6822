"""A ledger that is one text, which somebody else keeps: a program with a store of its own, for one work.

Nobody else's starts are in it, and nothing locks it against them. So a start that it keeps is found again by
Alma's answer or by its tag; that a run is this one is never concluded from its being the only one.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from almajob.errors import JobBusy
from almajob.store.errors import Damaged, reason
from almajob.store.ledger.place import WHEN_ENDED, LedgerUnusable, Locks


class LedgerText(Protocol):
    """Keeps the ledger of one piece of work, as a text, where all find it who go on with that work.

    Only one process at a time may use it. What it raises means that the ledger cannot be used, so that
    nothing is started.
    """

    def read(self) -> str:
        """Return the text that was written last; an empty one where there is none."""

    def write(self, text: str) -> None:
        """Keep a text in place of the one before; it is safe when this returns."""


class TextPlace:
    """The place of a ledger in a text; see ``store.ledger.place.Place``."""

    name = "a text that the calling program keeps"
    newest = Path(os.devnull, "newest")
    is_there = True

    def __init__(self, text: LedgerText) -> None:
        self._text = text
        self._turn = threading.RLock()
        self.locks: Locks = _ThreadLocks()

    def need(self) -> None:
        """Whoever keeps it says when it cannot be used."""

    def count_bytes(self) -> int:
        with self._usable():
            return len(self._text.read().encode())

    def initialize(self, role: str = "") -> str:
        return f"The ledger is {self.name}: nothing has to be made for it."

    def close(self) -> None:
        """Nothing is open."""

    @contextlib.contextmanager
    def read(self, wait: float) -> Iterator[_TextRows]:
        with self._usable():
            yield _TextRows(self._load())

    @contextlib.contextmanager
    def change(self, wait: float, *, is_of_start: bool = False) -> Iterator[_TextRows]:
        with self._usable():
            rows = _TextRows(self._load())
            yield rows
            if rows.has_changed:
                self._text.write(json.dumps(rows.values, separators=(",", ":"), sort_keys=True))

    def _load(self) -> dict[str, Any]:
        text = self._text.read()
        try:
            found = json.loads(text) if text else {}
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Damaged("it is not as almajob has written it")
        return found

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        with self._turn:
            try:
                yield
            except (LedgerUnusable, AssertionError):
                raise
            except Exception as error:
                # Whatever keeps the text may raise anything of its own.
                why = reason(error)
                raise LedgerUnusable(
                    f"The ledger, {self.name}, cannot be used.",
                    reason=f"{why[:1].upper()}{why[1:]}. "
                    "Without it a job could start twice, so nothing is started.",
                ) from error


class _TextRows:
    """The rows of one moment; see ``store.ledger.place.Rows``."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.has_changed = False

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        return {key: self.values[key] for key in keys if key in self.values}

    def list(self, prefix: str, *, limit: int | None = None, after: str = "") -> list[str]:
        return sorted(key for key in self.values if key.startswith(prefix) and key > after)[:limit]

    def put(self, rows: Mapping[str, Any]) -> None:
        self.has_changed |= bool(rows)
        self.values |= rows

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.has_changed |= self.values.pop(key, None) is not None


class _ThreadLocks:
    """Locks among the threads of this process, as nobody else has the text; see ``Locks``."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._making = threading.Lock()

    @contextlib.contextmanager
    def lock(self, name: str, wait: float, hint: str = WHEN_ENDED, *, remove: bool = False) -> Iterator[None]:
        with self._making:
            lock = self._locks.setdefault(name, threading.Lock())
        if not lock.acquire(timeout=max(wait, 0.0)):
            raise JobBusy("Another thread is busy with this job or run key.", hint=hint)
        try:
            yield
        finally:
            lock.release()

    def check(self) -> str:
        return "this process"

    def hold(self, name: str) -> None:
        """Nobody else asks."""

    def is_held(self, name: str) -> bool:
        return False

    def release(self) -> None:
        """Nothing is held."""
