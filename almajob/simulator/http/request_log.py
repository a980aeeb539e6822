"""Every call that the simulator got, for tests to assert on and for people to read; without keys."""

from __future__ import annotations

import fnmatch
import json
import threading
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from typing import Any

_KEPT = 100_000
_BYTES_KEPT = 2**28
_BODY_SHOWN = 10_000
_KEY_HEADER = "authorization"


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
        headers: of the request, names in lower case; without the key.
        raw: the body of the request, as it came.
        number: its place among all calls, from 1.
    """

    time: float
    method: str
    path: str
    query: dict[str, str]
    status: int
    key: str
    faults: tuple[str, ...] = ()
    unexpected: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = field(default=b"", repr=False)
    number: int = 0

    @property
    def body(self) -> str:
        """The body of the request as text."""
        return self.raw.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The body of the request, parsed as JSON.

        Raises:
            ValueError: it is no JSON.
        """
        return json.loads(self.raw)

    def as_json(self) -> dict[str, Any]:
        """Return the entry as an object of JSON, with the beginning of a long body."""
        found = asdict(self)
        del found["raw"]
        return {**found, "body": self.body[:_BODY_SHOWN]}


class RequestLog:
    """The last hundred thousand calls, fewer where their bodies are large, and the number of all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self.total = 0

    def add(self, entry: Entry) -> None:
        """Note a call; the key is taken out of its headers."""
        headers = {name: value for name, value in entry.headers.items() if name != _KEY_HEADER}
        with self._lock:
            self.total += 1
            self._entries.append(replace(entry, headers=headers, number=self.total))
            self._bytes += len(entry.raw)
            while len(self._entries) > _KEPT or self._bytes > _BYTES_KEPT:
                self._bytes -= len(self._entries.popleft().raw)

    def requests(self, pattern: str = "*") -> list[Entry]:
        """Return the calls whose method and path match, such as ``POST /conf/jobs/*``, oldest first."""
        with self._lock:
            return [
                entry
                for entry in self._entries
                if fnmatch.fnmatchcase(f"{entry.method} {entry.path}", pattern)
            ]

    def count(self, pattern: str = "*") -> int:
        """Count the calls whose method and path match."""
        return len(self.requests(pattern))

    def unexpected_calls(self) -> list[Entry]:
        """Return the calls that Alma does not have."""
        return [entry for entry in self.requests() if entry.unexpected]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0
            self.total = 0
