"""An answer as it came over HTTP, and what its Date header says of the server's clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from almajob.alma import failures

if TYPE_CHECKING:
    import requests

CALLS_LEFT = "X-Exl-Api-Remaining"
"""The header that says how many calls the institution has left for the day."""
_CHUNK = 2**16


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it came: status, decoded body, and four of its headers if it had them."""

    status: int
    body: bytes
    retry_after: str | None = None
    date: str | None = None
    calls_left: str | None = None
    age: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, and what the answer's Date header says of the server's clock.

    Attributes:
        clock: the server's time when the answer came, seconds since the epoch; None where it told none.
        clock_error: seconds by which it may be off: the header has whole seconds, an answer takes a while.
        is_replayed: whether a cache on the way answered with what Alma said to an earlier request.
    """

    document: dict[str, Any]
    clock: float | None = None
    clock_error: float = 0.0
    is_replayed: bool = False


def clock_of(date: str | None, took: float) -> tuple[float | None, float]:
    """Read a Date header: the middle of its second, give or take half of it and what the answer took."""
    try:
        told = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return None, 0.0
    return told + 0.5, 0.5 + took


def came_from_cache(age: str | None) -> bool:
    """Whether an Age header says so (RFC 9111, 5.1); one of 0 comes with answers that were just made, too."""
    return age is not None and bool(re.search("[1-9]", age))


def body_of(response: requests.Response, host: str) -> bytes:
    """Read the body of an answer, up to a size that Alma never comes near.

    Args:
        response: whose body has not been read yet.
        host: for the messages.

    Raises:
        NotAlma: it is too large, or damaged.
        requests.RequestException: it broke off.
    """
    received = bytearray()
    try:
        for chunk in response.iter_content(_CHUNK):
            received += chunk
            if len(received) > failures.SIZE_LIMIT:
                raise failures.too_large(host)
    except ValueError as error:
        # http.client's, such as of a chunk of negative length; its text is of no use to anybody.
        raise failures.damaged(host) from error
    return bytes(received)


def answer_of(response: requests.Response, body: bytes) -> Answer:
    """Keep of a response what is of interest, with its body as it was read."""
    told = [response.headers.get(name) for name in ("Retry-After", "Date", CALLS_LEFT, "Age")]
    return Answer(response.status_code, body, *told)
