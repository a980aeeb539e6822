"""What can go wrong, by name: on any call, once, so many times, or with a probability and a seed."""

from __future__ import annotations

import fnmatch
import random
import threading
from dataclasses import dataclass

NAMES: dict[str, str] = {
    "refused": "the connection is reset before anything is read",
    "reset-before": "the request is read, not accepted, and the connection reset",
    "reset-after": "the request is accepted, and the connection reset without an answer",
    "accepted-500": "accepted, and answered with HTTP 500",
    "accepted-502": "accepted, and answered with a gateway's page, HTTP 502",
    "accepted-slow": "accepted, and answered after some seconds (30, or as many as are given)",
    "accepted-truncated": "accepted, and the answer breaks off in the middle",
    "no-link": "a start is accepted, and its answer names no run",
    "relative-link": "the link in the answer to a start has no host",
    "foreign-link": "the link in the answer to a start leads to another host",
    "late-start": "a run cannot be seen (402218) during its first minute",
    "listing-lag": "a run is missing from the list of instances during its first minute",
    "pages-shift": "a job is added while the list is read: each further page begins one job early",
    "unknown-status": "an instance has a status that no code table has",
    "per-second": "PER_SECOND_THRESHOLD, HTTP 429, not accepted",
    "daily": "DAILY_THRESHOLD, HTTP 429, not accepted",
    "503": "HTTP 503 with a web page, not accepted",
    "503-retry-after": "HTTP 503 with Retry-After: 1, not accepted",
    "html-200": "a sign-in page with HTTP 200, not accepted",
    "html-401": "a web page with HTTP 401, as Alma's own host answers",
    "text-key-error": "Invalid API Key as plain text, HTTP 400",
    "error-object": "an error body whose list is a single object",
    "errors-exist-text": "an error body whose boolean is a text",
    "drip": "accepted, and the answer comes a byte at a time",
    "huge": "accepted, and the answer has 50 MB",
    "gzip-bomb": "accepted, and the answer unpacks to 50 MB",
    "redirect": "HTTP 302 to another host, not accepted",
    "clock-off": "the Date header is an hour late",
}
REFUSED = "refused"
_SEEN_BY_API = {
    *("no-link", "relative-link", "foreign-link", "late-start", "listing-lag", "pages-shift"),
    "unknown-status",
}


@dataclass(slots=True)
class Fault:
    """A fault that is planned.

    Attributes:
        on: a pattern of method and path, such as ``POST /conf/jobs/*``.
        times: how often it happens; None for always.
        probability: of happening on a call that matches.
        seconds: for accepted-slow.
        fired: how often it has happened.
    """

    name: str
    on: str = "*"
    times: int | None = 1
    probability: float = 1.0
    seconds: float = 30.0
    fired: int = 0

    @property
    def is_spent(self) -> bool:
        """Whether it has happened as often as it should."""
        return self.times is not None and self.fired >= self.times


class Faults:
    """The faults that are planned for a simulator.

    Args:
        seed: of their probabilities, so that a run of tests can be repeated.
    """

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311  # repeatable on purpose
        self._planned: list[Fault] = []

    def add(
        self,
        name: str,
        on: str = "*",
        *,
        times: int | None = 1,
        probability: float = 1.0,
        seconds: float = 30.0,
    ) -> Fault:
        """Plan a fault.

        Args:
            name: one of NAMES.
            on: a shell-style pattern of method and path, such as ``GET /conf/jobs*``; ``*`` for every call.
            times: how often; None for always.
            probability: from 0 to 1.
            seconds: how long accepted-slow waits.

        Raises:
            ValueError: there is no such fault, or a number is out of its range.
        """
        if name not in NAMES:
            raise ValueError(f"there is no fault {name!r}; there are: {', '.join(NAMES)}")
        if not 0 <= probability <= 1 or not 0 <= seconds <= 3600 or (times is not None and times < 1):
            raise ValueError("times is 1 or more, probability from 0 to 1, seconds from 0 to 3600")
        fault = Fault(name, on, times, probability, seconds)
        with self._lock:
            self._planned.append(fault)
        return fault

    def take(self, method: str, path: str) -> dict[str, Fault]:
        """Give the faults that happen to this call, and count them."""
        with self._lock:
            found: dict[str, Fault] = {}
            for fault in self._planned:
                matches = not fault.is_spent and fnmatch.fnmatchcase(f"{method} {path}", fault.on)
                if fault.name == REFUSED:
                    continue
                if matches and fault.name not in found and self._random.random() < fault.probability:
                    fault.fired += 1
                    found[fault.name] = fault
            return found

    def take_refused(self) -> bool:
        """Say whether a connection is to be reset before anything of it is read, and count it."""
        with self._lock:
            for fault in self._planned:
                if fault.name == REFUSED and not fault.is_spent and self._random.random() < fault.probability:
                    fault.fired += 1
                    return True
            return False

    def planned(self) -> list[Fault]:
        """Give all that were planned, spent ones too."""
        with self._lock:
            return list(self._planned)

    def unused(self) -> list[Fault]:
        """Give those that were to happen and never did."""
        return [fault for fault in self.planned() if not fault.fired]

    def clear(self) -> None:
        """Plan nothing any more."""
        with self._lock:
            self._planned.clear()


def seen_by_api(names: dict[str, Fault]) -> frozenset[str]:
    """Give the names of the faults that change what the API itself answers."""
    return frozenset(names) & _SEEN_BY_API
