"""What can go wrong, by name: on any call, once, so many times, or with a probability and a seed."""

from __future__ import annotations

import fnmatch
import random
import re
import threading
from dataclasses import dataclass

NAMES: dict[str, str] = {
    "refused": "the next connection is reset before anything is read",
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
    "empty": "HTTP 200 and nothing else, not accepted",
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
# What is answered instead of, or made of, the API's reply: one of them a call, the others wait for the next.
ANSWERS = {
    *("reset-before", "per-second", "daily", "503", "503-retry-after", "html-200", "empty", "html-401"),
    *("text-key-error", "redirect", "reset-after", "accepted-500", "accepted-502", "accepted-slow"),
    *("accepted-truncated", "drip", "huge", "gzip-bomb"),
}
# These change the form of an error, and are counted where there is one.
SHAPES = {"error-object", "errors-exist-text"}
# On which calls the others can happen at all.
_WHERE = {
    "no-link": r"POST /conf/jobs/[^/]+",
    "relative-link": r"POST /conf/jobs/[^/]+",
    "foreign-link": r"POST /conf/jobs/[^/]+",
    "late-start": r"GET /conf/jobs/[^/]+/instances/[^/]+",
    "listing-lag": r"GET /conf/jobs/[^/]+/instances",
    "pages-shift": r"GET /conf/jobs\?further",
    "unknown-status": r"GET /conf/jobs/[^/]+/instances(/[^/]+)?",
}
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
        if name == REFUSED and on != "*":
            raise ValueError("refused happens to a connection, before it is known what is asked for")
        if not 0 <= probability <= 1 or not 0 <= seconds <= 3600 or (times is not None and times < 1):
            raise ValueError("times is 1 or more, probability from 0 to 1, seconds from 0 to 3600")
        fault = Fault(name, on, times, probability, seconds)
        with self._lock:
            self._planned.append(fault)
        return fault

    def take(self, method: str, path: str, *, further_page: bool = False) -> dict[str, Fault]:
        """Return and count the faults that happen to this call: only those that can have an effect on it.

        Args:
            method: of the call.
            path: of the call, behind ``/almaws/v1``.
            further_page: whether it asks for a page after the first.
        """
        call = f"{method} {path}"
        found: dict[str, Fault] = {}
        with self._lock:
            for fault in self._planned:
                where = _WHERE.get(fault.name, ".*")
                asked = f"{call}?further" if further_page and "further" in where else call
                waits = fault.name in ANSWERS and bool(ANSWERS & set(found))
                if fault.name in {REFUSED, *SHAPES, *found} or waits or not re.fullmatch(where, asked):
                    continue
                self._happen(fault, call, found)
        return found

    def take_shapes(self, method: str, path: str) -> dict[str, Fault]:
        """Return the faults that happen to this error body, and count them."""
        found: dict[str, Fault] = {}
        with self._lock:
            for fault in self._planned:
                if fault.name in SHAPES - set(found):
                    self._happen(fault, f"{method} {path}", found)
        return found

    def _happen(self, fault: Fault, call: str, found: dict[str, Fault]) -> None:
        matches = not fault.is_spent and fnmatch.fnmatchcase(call, fault.on)
        if matches and self._random.random() < fault.probability:
            fault.fired += 1
            found[fault.name] = fault

    def take_refused(self) -> bool:
        """Return whether a connection is to be reset before anything of it is read, and count it."""
        with self._lock:
            for fault in self._planned:
                if fault.name == REFUSED and not fault.is_spent and self._random.random() < fault.probability:
                    fault.fired += 1
                    return True
            return False

    def list_planned(self) -> list[Fault]:
        """Return all that were planned, spent ones too."""
        with self._lock:
            return list(self._planned)

    def list_unused(self) -> list[Fault]:
        """Return those that were to happen and never did."""
        return [fault for fault in self.list_planned() if not fault.fired]

    def clear(self) -> None:
        """Plan nothing any more."""
        with self._lock:
            self._planned.clear()


def seen_by_api(names: dict[str, Fault]) -> frozenset[str]:
    """Return the names of the faults that change what the API itself answers."""
    return frozenset(names) & _SEEN_BY_API
