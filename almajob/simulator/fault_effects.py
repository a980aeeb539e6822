"""The faults as answers: what is sent instead of what the API would say, or what becomes of it on its way."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from almajob.simulator.errors import GatewayRefusal
from almajob.simulator.faults import Fault
from almajob.simulator.http.messages import JSON, Reply, refuse_at_gateway

HUGE = 50_000_000
DRIP_SECONDS = 0.2
_PAGE = b"<!doctype html><html><head><title>%s</title></head><body>%s</body></html>"
_HTML = (("Content-Type", "text/html;charset=UTF-8"),)


class Reset(ConnectionResetError):
    """The connection is to be reset; a caller without a socket sees the exception."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A reply on its way.

    Attributes:
        reply: what is sent.
        declared: the Content-Length that is sent with it; larger than the body where it breaks off.
        wait: seconds before the first byte.
        drips: whether it comes a byte at a time.
    """

    reply: Reply
    declared: int
    wait: float = 0.0
    drips: bool = False

    def body(self, sleep: Callable[[float], object]) -> Iterator[bytes]:
        """Return the body as it is sent."""
        if not self.drips:
            yield self.reply.body
            return
        for place in range(len(self.reply.body)):
            yield self.reply.body[place : place + 1]
            sleep(DRIP_SECONDS)


def instead(faults: dict[str, Fault]) -> Reply | None:
    """Return what is answered without the API having seen the call; None where it is to see it.

    Raises:
        Reset: the connection is to be reset.
    """
    if "reset-before" in faults:
        raise Reset
    answers: dict[str, Callable[[], Reply]] = {
        "per-second": lambda: _threshold("PER_SECOND_THRESHOLD"),
        "daily": lambda: _threshold("DAILY_THRESHOLD"),
        "503": lambda: _page(503, b"Service Unavailable"),
        "503-retry-after": lambda: _page(503, b"Service Unavailable", ("Retry-After", "1")),
        "html-200": lambda: _page(200, b"Please sign in"),
        "empty": lambda: Reply(200, b"", (("Content-Type", JSON),)),
        "html-401": lambda: _page(401, b"HTTP Status 401 - Unauthorized"),
        "text-key-error": lambda: Reply(
            400, b"Invalid API Key", (("Content-Type", "text/plain;charset=UTF-8"),)
        ),
        "redirect": lambda: Reply(302, b"", (("Location", "https://elsewhere.invalid/almaws/v1/conf/jobs"),)),
    }
    return next((make() for name, make in answers.items() if name in faults), None)


def afterwards(faults: dict[str, Fault], reply: Reply) -> Delivery:
    """Return what becomes of the API's reply.

    Raises:
        Reset: the connection is to be reset.
    """
    if "reset-after" in faults:
        raise Reset
    reply = _change_reply(faults, reply)
    declared = len(reply.body)
    if "accepted-truncated" in faults:
        reply = Reply(reply.status, reply.body[: declared // 2], reply.headers)
    slow = faults.get("accepted-slow")
    return Delivery(reply, declared, slow.seconds if slow else 0.0, "drip" in faults)


def _change_reply(faults: dict[str, Fault], reply: Reply) -> Reply:
    if "accepted-500" in faults:
        return refuse_at_gateway(GatewayRefusal("GENERAL_ERROR"))
    if "accepted-502" in faults:
        return _page(502, b"Bad Gateway")
    if reply.status == 204:
        return reply
    if "huge" in faults:
        return Reply(reply.status, reply.body[:-1] + b" " * HUGE + reply.body[-1:], reply.headers)
    if "gzip-bomb" in faults:
        bomb = gzip.compress(reply.body[:-1] + b" " * HUGE + reply.body[-1:], 9)
        return Reply(reply.status, bomb, (*reply.headers, ("Content-Encoding", "gzip")))
    return reply


def can_be_misshapen(reply: Reply) -> bool:
    """Whether it is an error body whose form varies: JSON's."""
    return reply.status >= 400 and ("Content-Type", JSON) in reply.headers


def misshapen(faults: dict[str, Fault], reply: Reply) -> Reply:
    """Write an error body in one of the other forms that have been seen."""
    document = json.loads(reply.body)
    if "error-object" in faults:
        document["errorList"]["error"] = document["errorList"]["error"][0]
    if "errors-exist-text" in faults:
        document["errorsExist"] = "true"
    return Reply(reply.status, json.dumps(document).encode(), reply.headers)


def _threshold(code: str) -> Reply:
    return refuse_at_gateway(GatewayRefusal(code))


def _page(status: int, text: bytes, *more: tuple[str, str]) -> Reply:
    return Reply(status, _PAGE % (text, text), (*_HTML, *more))
