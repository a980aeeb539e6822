"""Signed samples of Alma's messages, and what a listener says to them: ``almajob webhook test``."""

from __future__ import annotations

import http.client
import json
import secrets as random_words
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from almajob.runs.wait.end_messages import SAMPLE
from almajob.text.redaction import Secret
from almajob.webhook.job_end import ACTION
from almajob.webhook.signature import sign

ALMAS_SECONDS = 5.0
"""After which Alma counts a message as failed."""
_LONGEST_RESPONSE = 2**16
_SUCCESS, _CLIENT_ERRORS, _SERVER_ERRORS = 200, 400, 500


class Check(NamedTuple):
    """One request to a listener, and what came back.

    Attributes:
        name: what was sent.
        is_passed: whether the response is what Alma needs.
        status: of HTTP; None where no response came.
        seconds: until it came.
        response: what it says, or why there is none.
        expected: what it should be, for people.
    """

    name: str
    is_passed: bool
    status: int | None
    seconds: float
    response: str
    expected: str


def refuse_url(url: str) -> str:
    """Return why a listener cannot have an address; empty where it can."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it is not a URL"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "it does not begin with https:// or http:// and a host"
    if parts.username is not None or not url.isascii() or not url.isprintable() or " " in url:
        return "it has a user, a blank or a special character"
    return ""


def make_sample(status: str, description: str) -> bytes:
    """Make a message of a run that does not exist, in Alma's form."""
    now = datetime.fromtimestamp(int(time.time()), UTC).isoformat().replace("+00:00", ".000Z")
    link = f"/almaws/v1/conf/jobs/M0/instances/{SAMPLE}"
    job = {"id": "M0", "name": "Sample of almajob", "type": {"value": "MANUAL", "desc": "Manual"}}
    instance = {
        "id": SAMPLE,
        "name": "Sample of almajob",
        "progress": 100,
        "status": {"value": status, "desc": description},
        "submitted_by": {"value": "almajob"},
        "submit_time": now,
        "start_time": now,
        "end_time": now,
        "status_date": f"{now[:10]}Z",
        "counter": [],
        "job_info": job,
        "link": link,
    }
    institution = {"value": "00SAMPLE_INST", "desc": "Sample of almajob"}
    envelope = {"id": SAMPLE, "action": ACTION, "institution": institution, "time": now}
    return json.dumps({**envelope, "job_instance": instance}).encode()


def check_listener(url: str, secrets: tuple[Secret, ...]) -> Iterator[Check]:
    """Send a challenge, samples of a good and a bad end with each secret, and one that is signed wrongly."""
    parts = urlsplit(url)
    word = random_words.token_hex(8)
    query = f"{parts.query}&challenge={word}" if parts.query else f"challenge={word}"
    yield _ask(
        *("challenge", parts._replace(query=query), "GET", b"", {}),
        expected="the word of the challenge",
        is_right=lambda status, body: status == _SUCCESS and _has_challenge(body, word),
    )
    good = make_sample("COMPLETED_SUCCESS", "Completed Successfully")
    bad = make_sample("FAILED", "Failed")
    for number, secret in enumerate(secrets):
        which = "" if number == 0 else ", old secret"
        for name, body in (("good end", good), ("bad end", bad)):
            yield _send(f"{name}{which}", parts, body, sign(secret, body), "200", _is_success)
    forged = Secret(random_words.token_hex(16))
    yield _send("wrong signature", parts, good, sign(forged, good), "a refusal, 401", _is_refusal)


def _is_success(status: int, _body: bytes) -> bool:
    return status == _SUCCESS


def _is_refusal(status: int, _body: bytes) -> bool:
    return _CLIENT_ERRORS <= status < _SERVER_ERRORS


def _has_challenge(body: bytes, word: str) -> bool:
    """Whether a response has the word of the challenge: in JSON, or bare, which Alma takes as well."""
    try:
        return bool(json.loads(body)["challenge"] == word)
    except (ValueError, TypeError, KeyError, RecursionError):
        return body.strip() == word.encode()


def _send(
    name: str,
    url: SplitResult,
    body: bytes,
    signature: str,
    expected: str,
    is_right: Callable[[int, bytes], bool],
) -> Check:
    headers = {"Content-Type": "application/json", "X-Exl-Signature": signature}
    return _ask(name, url, "POST", body, headers, expected=expected, is_right=is_right)


def _ask(
    name: str,
    url: SplitResult,
    method: str,
    body: bytes,
    headers: dict[str, str],
    *,
    expected: str,
    is_right: Callable[[int, bytes], bool],
) -> Check:
    """Make one request as Alma does: within five seconds, without a redirect."""
    begun = time.monotonic()
    host, port = url.hostname or "", url.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=ALMAS_SECONDS, context=ssl.create_default_context())
        if url.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=ALMAS_SECONDS)
    )
    target = url._replace(scheme="", netloc="", fragment="").geturl() or "/"
    status: int | None = None
    found = b""
    try:
        connection.request(method, target if target.startswith("/") else f"/{target}", body or None, headers)
        response = connection.getresponse()
        status, found = response.status, response.read(_LONGEST_RESPONSE)
        told = found.decode("utf-8", "replace")
    except (OSError, http.client.HTTPException, ValueError) as error:
        told = f"{getattr(error, 'strerror', None) or error or type(error).__name__}"
    finally:
        connection.close()
    took = time.monotonic() - begun
    is_passed = status is not None and took < ALMAS_SECONDS and is_right(status, found)
    return Check(name, is_passed, status, round(took, 3), told, expected)
