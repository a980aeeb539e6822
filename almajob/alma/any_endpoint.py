"""A call of any endpoint of Alma's: what may be sent, and what is certain once a write was."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from almajob.alma.changes import Change, Changes
from almajob.alma.http import error_responses, transport_errors
from almajob.alma.http.path import Params, fill_path
from almajob.alma.http.session import Body, Session
from almajob.errors import (
    KEY_PAGE,
    AlmaError,
    AlmajobError,
    CallsUsedUp,
    KeyRefused,
    NotSent,
    OutcomeUnknown,
    ReadOnly,
    Refused,
)

LOG = logging.getLogger(__name__)

_METHODS = ("GET", "POST", "PUT", "DELETE")
_STARTS_JOB = re.compile(r"/+conf/+(jobs|md-import-profiles)/+[^/]+/*", re.IGNORECASE)
# The errors with which Alma says that it failed on the way, whatever their status.
_FAILURES = frozenset({"402119", "402219", "402224", "402225", "402226", "60333", "GENERAL_ERROR"})
_FAILED = re.compile(r"(?i)((general|internal( server)?|unexpected|system) error|error has occurred)")


class Request(NamedTuple):
    """What is sent, checked."""

    method: str
    path: str
    query: dict[str, str]
    body: Body | None

    @property
    def name(self) -> str:
        """How people are told of it."""
        return f"{self.method} {self.path}"


def make_request(method: str, path: str, params: Params | None = None, body: Body | None = None) -> Request:
    """Check what is to be sent, and return it; the arguments are those of ``Alma.call``.

    Raises:
        Refused: it cannot be sent, or it would start a job.
        TypeError, ValueError: the body is no document.
    """
    if method not in _METHODS:
        raise Refused(f"{method!r} is not a method of Alma's API.", hint=f"Use one of {', '.join(_METHODS)}.")
    if method == "GET" and body is not None:
        raise Refused("A GET has no body.", hint="Pass it in params.")
    # A copy that can be sent, whatever mapping it is.
    document = dict(body) if isinstance(body, Mapping) else body
    request = Request(method, *fill_path(path, params or {}), document)
    if method == "POST" and _STARTS_JOB.fullmatch(_read_as_server(request.path)):
        raise Refused(
            f"{request.name} would start a job; nothing was sent.",
            reason="A job started this way is not in the ledger, so it could be started twice.",
            hint="Start it with context.runs.start.",
        )
    if not isinstance(body, bytes | Mapping | None):
        raise TypeError(f"a body is a mapping, or XML in bytes, and not a {type(body).__name__}")
    if not isinstance(body, bytes):
        # In the thread of the call it would look like a bug of almajob's.
        json.dumps(document, allow_nan=False)
    return request


def _read_as_server(path: str) -> str:
    """Return a path as the most generous server might read it: unescaped, without ``;`` and blanks."""
    while (once := unquote(path)) != path:
        path = once
    return re.sub(r";[^/]*|\s", "", path.replace("\\", "/"))


def read(session: Session, path: str, query: Mapping[str, str | int]) -> dict[str, Any]:
    """Read a document, as ``Session.get``."""
    try:
        return session.get(path, query).document
    except AlmaError as error:
        raise _advise(error, path) from error.__cause__


def write(session: Session, request: Request, changes: Changes) -> dict[str, Any]:
    """Send a request that changes something, exactly once.

    Args:
        changes: keeps it, if it was accepted or may have been.

    Returns:
        The document of the answer; an empty one where there is none.

    Raises:
        OutcomeUnknown: it is unknown whether Alma accepted it.
        AlmajobError: Alma certainly did not.
    """
    with changes.watch(f"{request.name} in {session.environment}") as change:
        document = _send(session, request, change)
        change.is_accepted = True
    return document


def _send(session: Session, request: Request, change: Change) -> dict[str, Any]:
    method, path, query, body = request
    try:
        reading = session.write(method, path, query, body, before_sending=change.note_sent)
    except AlmajobError as error:
        if change.sent_at is None:
            raise transport_errors.certify_not_sent(error) from error.__cause__
        if proves_refusal(error):
            change.is_accepted = False
            raise _advise(error, path) from error.__cause__
        raise _unknown(request, f"{error.message} {error.reason}", error.alma) from error
    except Exception as error:
        if change.sent_at is None:
            raise
        raise _unknown(request, f"almajob failed on the answer: {type(error).__name__}.") from error
    except BaseException:
        # Ctrl-C or SIGTERM.
        if change.sent_at is not None:
            LOG.warning("%s", _unknown(request, "almajob was interrupted before the answer came."))
        raise
    if reading.is_replayed:
        raise _unknown(request, "The answer is an older one, such as a proxy keeps.")
    return reading.document


def proves_refusal(error: AlmajobError) -> bool:
    """Whether an error proves that Alma did not do what a request asked for.

    The gateway's words do, and a number of Alma's with a status from 400 to 499 that does not stand for a
    failure on the way. What has no code of Alma's may come from anybody.
    """
    if not isinstance(error, AlmaError):
        return isinstance(error, (NotSent, ReadOnly, CallsUsedUp))
    if error_responses.GATEWAY_REFUSALS.issuperset(error.codes):
        return True
    return (
        400 <= error.http_status < 500
        and all(error.codes)
        and _FAILURES.isdisjoint(error.codes)
        and not _FAILED.search(error.alma)
    )


def _unknown(request: Request, reason: str, alma: str = "") -> OutcomeUnknown:
    return OutcomeUnknown(
        f"It is unknown whether Alma accepted {request.name}.",
        reason=reason.strip(),
        hint="Check in Alma whether it was done before you send it again.",
        alma=alma,
    )


def _advise(error: AlmajobError, path: str) -> AlmajobError:
    """Replace advice that is about jobs: codes of the configuration area mean something else elsewhere."""
    if isinstance(error, KeyRefused):
        return error.replace(
            hint=f"Check the key at {KEY_PAGE}: the area that {path} belongs to, the right environment, "
            "Read/write to change something, and this machine's address if the key is restricted to some."
        )
    if isinstance(error, AlmaError) and error.code.isdigit() and not path.startswith("/conf/"):
        return error.replace(hint="")
    return error
