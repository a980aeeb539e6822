"""An answer as it came over HTTP, and what its Date header says of the server's clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from almajob.alma.http import transport_errors

if TYPE_CHECKING:
    import requests

CALLS_LEFT = "X-Exl-Api-Remaining"
"""The header that says how many calls the institution has left for the day."""
CALLS_A_DAY = "X-Exl-Api-Quota"
"""The header that says how many it has in all; few gateways send it."""
_CHUNK = 2**16


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it came: status, decoded body, and five of its headers if it had them."""

    status: int
    body: bytes
    retry_after: str | None = None
    date: str | None = None
    calls_left: str | None = None
    age: str | None = None
    calls_a_day: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, and what the answer's Date header says of the server's clock.

    Attributes:
        clock: the server's time when the answer came, seconds since the epoch; None where it told none.
        clock_error: seconds by which it may be off: the header has whole seconds, an answer takes a while.
        is_cached: whether a cache on the way says that it answered instead of the server.
        is_late: whether it is older, by its own Date, than an answer that came before it.
    """

    document: dict[str, Any]
    clock: float | None = None
    clock_error: float = 0.0
    is_cached: bool = False
    is_late: bool = False

    @property
    def is_replayed(self) -> bool:
        """Whether it may be what the server said to an earlier request."""
        return self.is_cached or self.is_late


def clock_of(date: str | None, took: float) -> tuple[float | None, float]:
    """Read a Date header: the middle of its second, give or take half of it and what the answer took."""
    try:
        told = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return None, 0.0
    return told + 0.5, 0.5 + took


class DateCheck:
    """Finds answers that are older, by their Date headers, than those before them.

    The hosts of one service may differ by a minute. One that is further ahead must not make all others look
    old for good: what two answers say, one after the other, counts for more than what one said before.
    """

    _DIFFER = 60.0
    _REMEMBERED = 600.0

    def __init__(self) -> None:
        self._latest: tuple[float, float] | None = None
        self._late: tuple[float, float] | None = None

    def is_late(self, clock: float | None, now: float) -> bool:
        """Whether an answer is older than one before it.

        Args:
            clock: its Date, seconds since the epoch; None where it has none.
            now: when it came, by a clock that never jumps, in seconds.
        """
        if clock is None:
            return False
        latest, late = self._latest, self._late
        if latest is None or now - latest[1] > self._REMEMBERED or clock >= latest[0] - self._DIFFER:
            self._latest, self._late = (clock, now), None
            return False
        self._late = (clock, now) if late is None else late
        if late is None or now - late[1] < 2.0 or clock - late[0] < now - late[1] - 2.0:
            return True
        # It goes on as time does: it is the other one that was wrong.
        self._latest, self._late = (clock, now), None
        return False


def came_from_cache(age: str | None) -> bool:
    """Whether an Age header says so (RFC 9111, 5.1); one of 0 comes with answers that were just made, too."""
    return age is not None and bool(re.search("[1-9]", age))


def read_response(response: requests.Response, host: str) -> Answer:
    """Read the body of a response, up to a size that Alma never comes near, and keep what is of interest.

    Raises:
        NotAlma: it is too large, or damaged.
        requests.RequestException: it broke off.
    """
    received = bytearray()
    try:
        for chunk in response.iter_content(_CHUNK):
            received += chunk
            if len(received) > transport_errors.SIZE_LIMIT:
                raise transport_errors.too_large(host)
    except ValueError as error:
        # http.client's, such as of a chunk of negative length; its text is of no use to anybody.
        raise transport_errors.damaged_answer(host) from error
    told = [response.headers.get(name) for name in ("Retry-After", "Date", CALLS_LEFT, "Age", CALLS_A_DAY)]
    return Answer(response.status_code, bytes(received), *told)
