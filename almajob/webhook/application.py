"""The listener as a WSGI application: challenges, messages, its health, and metrics."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs

from almajob.alma.http.body_parser import Unreadable
from almajob.runs.wait.end_messages import EndMessages
from almajob.text.redaction import Sealed, Secret
from almajob.webhook.job_end import read_message
from almajob.webhook.signature import is_signed

LOG = logging.getLogger(__name__)

LARGEST_MESSAGE = 2**20
"""Bytes of a message that are taken at most; Alma's have a few thousand."""
_LONGEST_CHALLENGE = 1024
_LONGEST_SIGNATURE = 200
_WARN_EVERY = 60.0


class StartResponse(Protocol):
    """WSGI's own."""

    def __call__(self, status: str, headers: list[tuple[str, str]], /) -> object:
        """Begin the response."""


class Application(Sealed):
    """Answers Alma, and whoever watches the listener.

    Args:
        messages: where messages are kept.
        secrets: one of which must have signed a message.
        wake: called when a message was kept.
        is_healthy: whether the listener does all its work.
        write_metrics: returns the text of ``/metrics``.
    """

    def __init__(
        self,
        messages: EndMessages,
        secrets: Sequence[Secret],
        *,
        wake: Callable[[], None],
        is_healthy: Callable[[], bool],
        write_metrics: Callable[[], str],
    ) -> None:
        self._messages = messages
        self._secrets = secrets
        self._wake = wake
        self._is_healthy = is_healthy
        self._write_metrics = write_metrics
        self._heard_at = self._warned_at = float("-inf")

    def __call__(self, environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        status, content = self._respond(environ)
        kind = "application/json" if isinstance(content, dict) else "text/plain; version=0.0.4; charset=utf-8"
        body = json.dumps(content).encode() if isinstance(content, dict) else content.encode()
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
        ]
        start_response(f"{status.value} {status.phrase}", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _respond(self, environ: Mapping[str, Any]) -> tuple[HTTPStatus, dict[str, Any] | str]:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if method == "POST":
            return self._take_message(environ)
        if method not in ("GET", "HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED, {"error": "send a message with POST"}
        if path == "/healthz":
            is_healthy = self._is_healthy()
            status = HTTPStatus.OK if is_healthy else HTTPStatus.SERVICE_UNAVAILABLE
            return status, {"healthy": is_healthy, "messages_pending": self._messages.count_pending()}
        if path == "/metrics":
            return HTTPStatus.OK, self._write_metrics()
        return self._answer_challenge(str(environ.get("QUERY_STRING", "")))

    def _answer_challenge(self, query: str) -> tuple[HTTPStatus, dict[str, Any]]:
        """Return the word that Alma sends when an integration profile is activated; it is not signed."""
        try:
            (challenge,) = parse_qs(query[: 4 * _LONGEST_CHALLENGE], max_num_fields=8)["challenge"]
        except (KeyError, ValueError):
            return HTTPStatus.NOT_FOUND, {"error": "there is nothing here; Alma sends messages with POST"}
        if len(challenge) > _LONGEST_CHALLENGE:
            return HTTPStatus.BAD_REQUEST, {"error": "the challenge is too long"}
        self._messages.note_heard()
        LOG.info("Alma has sent a challenge, which was answered.")
        return HTTPStatus.OK, {"challenge": challenge}

    def _take_message(self, environ: Mapping[str, Any]) -> tuple[HTTPStatus, dict[str, Any]]:
        """Keep a message, if it is genuine and tells of an end; 200 is sent when it is on disk."""
        try:
            length = int(environ.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= LARGEST_MESSAGE:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": "the message is too large"}
        body = environ["wsgi.input"].read(length)
        signature = environ.get("HTTP_X_EXL_SIGNATURE", "")[:_LONGEST_SIGNATURE]
        if not is_signed(body, signature, self._secrets):
            self._warn("A message was refused: it is not signed with the webhook secret.")
            return HTTPStatus.UNAUTHORIZED, {"error": "the signature is missing or wrong"}
        now = time.time()
        try:
            message = read_message(body, now)
        except Unreadable as error:
            self._messages.note_gap()
            self._warn(f"A signed message was refused: it is {error}.")
            return HTTPStatus.BAD_REQUEST, {"error": "the message is neither JSON nor XML"}
        self._note_heard()
        if message is None:
            return HTTPStatus.OK, {"kept": False, "reason": "it does not tell of the end of a run"}
        try:
            is_new = self._messages.keep(message)
        except OSError as error:
            self._messages.note_gap()
            self._warn(f"A message cannot be kept: {error.strerror}. Alma will send it again.")
            return HTTPStatus.SERVICE_UNAVAILABLE, {"error": "it cannot be kept; send it again"}
        self._wake()
        return HTTPStatus.OK, {"kept": is_new}

    def _note_heard(self) -> None:
        now = time.monotonic()
        if now - self._heard_at > 1:
            self._heard_at = now
            self._messages.note_heard()

    def _warn(self, text: str) -> None:
        """Log a warning, now and then: whoever can reach the listener must not fill the log."""
        now = time.monotonic()
        level = logging.WARNING if now - self._warned_at > _WARN_EVERY else logging.DEBUG
        if level == logging.WARNING:
            self._warned_at = now
        LOG.log(level, "%s", text)
