"""Every call that the simulator got, for tests to assert on and for people to read; without keys."""

from __future__ import annotations

import fnmatch
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

_KEPT = 100_000
_BODY_SHOWN = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One call and its answer.

    Attributes:
        time: of the simulator's clock, seconds since the epoch.
        path: behind ``/almaws/v1``.
        query: without the key.
        status: of the answer; 0 where the connection was reset.
        key: the name of the key, never the key.
        faults: the names of those that happened to it.
        unexpected: whether there is no such call.
    """

    number: int
    time: float
    method: str
    path: str
    query: dict[str, str]
    body: str
    status: int
    key: str
    faults: tuple[str, ...] = ()
    unexpected: bool = False


class RequestLog:
    """The last hundred thousand calls, and the number of all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self.total = 0

    def add(self, **fields: Any) -> None:
        """Note a call; the fields are those of Entry but its number."""
        with self._lock:
            self.total += 1
            body = fields.pop("body").decode("utf-8", "replace")[:_BODY_SHOWN]
            self._entries.append(Entry(number=self.total, body=body, **fields))

    def entries(self, pattern: str = "*") -> list[Entry]:
        """Return the calls whose method and path match, such as ``POST /conf/jobs/*``, oldest first."""
        with self._lock:
            return [
                entry
                for entry in self._entries
                if fnmatch.fnmatchcase(f"{entry.method} {entry.path}", pattern)
            ]

    def count(self, pattern: str = "*") -> int:
        """Count the calls whose method and path match."""
        return len(self.entries(pattern))

    def unexpected_calls(self) -> list[Entry]:
        """Return the calls that Alma does not have."""
        return [entry for entry in self.entries() if entry.unexpected]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._entries.clear()
            self.total = 0
