"""What can go wrong, by name: on any call, once, so many times, or with a probability and a seed.

A fault replaces the API's answer, or decides what becomes of it on its way.
"""

from __future__ import annotations

import fnmatch
import gzip
import json
import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from almajob.simulator.errors import GatewayRefusal
from almajob.simulator.http.messages import HTML, JSON, Reply, refuse_at_gateway

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
    "set-stays-empty": "a set that is made from others, or from an import, never gets its members",
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
    "set-stays-empty": r"POST /conf/sets",
    "unknown-status": r"GET /conf/jobs/[^/]+/instances(/[^/]+)?",
}
# What is answered instead of, or made of, the API's reply: one of them a call, the others wait for the next.
_ANSWERS = NAMES.keys() - SHAPES - _WHERE.keys() - {REFUSED, "clock-off"}
HUGE = 50_000_000
_PAGE = b"<!doctype html><html><head><title>%s</title></head><body>%s</body></html>"


class Reset(ConnectionResetError):
    """The connection is to be reset; a caller without a socket sees the exception."""


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
            path: behind ``/almaws/v1``.
            further_page: whether it asks for a page after the first.
        """
        call = f"{method} {path}"
        found: dict[str, Fault] = {}
        with self._lock:
            for fault in self._planned:
                where = _WHERE.get(fault.name, ".*")
                asked = f"{call}?further" if further_page and "further" in where else call
                waits = fault.name in _ANSWERS and bool(_ANSWERS & found.keys())
                if fault.name in {REFUSED, *SHAPES, *found} or waits or not re.fullmatch(where, asked):
                    continue
                if self._happens(fault, call):
                    found[fault.name] = fault
        return found

    def take_shapes(self, method: str, path: str) -> dict[str, Fault]:
        """Return the faults that happen to this error body, and count them."""
        found: dict[str, Fault] = {}
        with self._lock:
            for fault in self._planned:
                if fault.name in SHAPES - found.keys() and self._happens(fault, f"{method} {path}"):
                    found[fault.name] = fault
        return found

    def take_refused(self) -> bool:
        """Return whether a connection is to be reset before anything of it is read, and count it."""
        with self._lock:
            return any(fault.name == REFUSED and self._happens(fault, "") for fault in self._planned)

    def _happens(self, fault: Fault, call: str) -> bool:
        matches = not fault.is_spent and fnmatch.fnmatchcase(call, fault.on)
        happens = matches and self._random.random() < fault.probability
        fault.fired += happens
        return happens

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


def select_api_faults(names: dict[str, Fault]) -> frozenset[str]:
    """Return the names of the faults that change what the API itself answers."""
    return frozenset(names) & _WHERE.keys()


def replace_answer(faults: dict[str, Fault]) -> Reply | None:
    """Return what is answered without the API having seen the call; None where it is to see it.

    Raises:
        Reset: the connection is to be reset.
    """
    if "reset-before" in faults:
        raise Reset
    answers: dict[str, Callable[[], Reply]] = {
        "per-second": lambda: refuse_at_gateway(GatewayRefusal("PER_SECOND_THRESHOLD")),
        "daily": lambda: refuse_at_gateway(GatewayRefusal("DAILY_THRESHOLD")),
        "503": lambda: _page(503, b"Service Unavailable"),
        "503-retry-after": lambda: _page(503, b"Service Unavailable", ("Retry-After", "1")),
        "html-200": lambda: _page(200, b"Please sign in"),
        "empty": lambda: Reply(200, b"", JSON),
        "html-401": lambda: _page(401, b"HTTP Status 401 - Unauthorized"),
        "text-key-error": lambda: Reply(400, b"Invalid API Key", "text/plain;charset=UTF-8"),
        "redirect": lambda: Reply(
            302, headers=(("Location", "https://elsewhere.invalid/almaws/v1/conf/jobs"),)
        ),
    }
    return next((make() for name, make in answers.items() if name in faults), None)


def disturb_answer(faults: dict[str, Fault], reply: Reply) -> Reply:
    """Return what becomes of the API's reply.

    Raises:
        Reset: the connection is to be reset.
    """
    if "reset-after" in faults:
        raise Reset
    reply = _change_reply(faults, reply)
    if "accepted-truncated" in faults:
        whole = len(reply.body)
        reply = replace(reply, body=reply.body[: whole // 2], length=whole)
    slow = faults.get("accepted-slow")
    return replace(reply, wait=slow.seconds if slow else 0.0, drips="drip" in faults)


def _change_reply(faults: dict[str, Fault], reply: Reply) -> Reply:
    if "accepted-500" in faults:
        return refuse_at_gateway(GatewayRefusal("GENERAL_ERROR"))
    if "accepted-502" in faults:
        return _page(502, b"Bad Gateway")
    if reply.status == 204 or not faults.keys() & {"huge", "gzip-bomb"}:
        return reply
    huge = reply.body[:-1] + b" " * HUGE + reply.body[-1:]
    if "huge" in faults:
        return replace(reply, body=huge)
    encoding = ("Content-Encoding", "gzip")
    return replace(reply, body=gzip.compress(huge, 9), headers=(*reply.headers, encoding))


def is_json_error(reply: Reply) -> bool:
    """Whether it is an error body whose form varies: JSON's."""
    return reply.status >= 400 and reply.content_type == JSON


def reshape_error(faults: dict[str, Fault], reply: Reply) -> Reply:
    """Write an error body in one of the other forms that have been seen."""
    document = json.loads(reply.body)
    if "error-object" in faults:
        document["errorList"]["error"] = document["errorList"]["error"][0]
    if "errors-exist-text" in faults:
        document["errorsExist"] = "true"
    return Reply(reply.status, json.dumps(document).encode(), JSON)


def _page(status: int, text: bytes, *headers: tuple[str, str]) -> Reply:
    return Reply(status, _PAGE % (text, text), HTML, headers)
