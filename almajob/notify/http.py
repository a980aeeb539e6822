"""One request to a web address that is a secret: no redirect is followed, and no error shows the address."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from almajob import __version__
from almajob.errors import ConfigurationError, one_line
from almajob.notify.notifier import SendFailed
from almajob.text.host_names import is_loopback
from almajob.text.redaction import Secret, redact

JSON = "application/json"
_SECONDS = 30.0
_LONGEST_ANSWER = 2**16


class Request(NamedTuple):
    """What is sent.

    Attributes:
        url: its address.
        body: what it carries.
        method: of HTTP.
        content_type: of the body.
        headers: others.
        ca_file: with the certificates that are trusted; those of the machine where not given.
    """

    url: str
    body: bytes
    method: str = "POST"
    content_type: str = JSON
    headers: Mapping[str, str] = {}
    ca_file: Path | None = None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows none: whoever the other address belongs to would get what is sent."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def parse_url(url: Secret | None, name: str) -> str:
    """Return the address of a section [notify:NAME].

    Raises:
        ConfigurationError: there is none, or it is none to which a secret may be sent.
    """
    where = f"[notify:{name}]"
    if url is None:
        raise ConfigurationError(f"{where} has no url.", hint="Write there: url = https://...")
    text = url.reveal()
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    is_plain = text.isascii() and text.isprintable() and " " not in text
    if not host or parts.scheme not in ("http", "https") or not is_plain:
        raise ConfigurationError(f"The url of {where} is not a web address.", hint="Write: url = https://...")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            f"The url of {where} would be sent over the network in the clear.",
            reason="Whoever reads it there can write to you, too.",
            hint="Use https://; http:// is for a server on this machine.",
        )
    return text


def send_request(request: Request) -> None:
    """Send a request, once.

    Raises:
        SendFailed: it was not answered, or with another status than 2xx.
    """
    host = urlsplit(request.url).hostname or ""
    try:
        context = ssl.create_default_context(cafile=request.ca_file)
        opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=context))
        headers = {
            "Content-Type": request.content_type,
            "User-Agent": f"almajob/{__version__}",
            **request.headers,
        }
        made = urllib.request.Request(request.url, request.body, headers, method=request.method)  # noqa: S310
        with opener.open(made, timeout=_SECONDS) as answer:
            answer.read(_LONGEST_ANSWER)
    except urllib.error.HTTPError as error:
        raise SendFailed(f"{host}: HTTP {error.code}{_quote(error)}") from None
    except urllib.error.URLError as error:
        raise SendFailed(f"{host}: {_word_reason(error.reason)}", is_down=True) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SendFailed(f"{host}: {_word_reason(error)}", is_down=True) from None


def _quote(answer: IO[bytes]) -> str:
    """Quote the beginning of an answer: it says what is wrong."""
    try:
        text = answer.read(_LONGEST_ANSWER).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
    line = one_line(redact(text), 200)
    return f": {line}" if line and not line.startswith("<") else ""


def _word_reason(reason: object) -> str:
    """Word why there was no answer; never with the text of an error that may quote the address."""
    if isinstance(reason, TimeoutError):
        return "no answer"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {reason.verify_message}"
    if isinstance(reason, OSError) and reason.strerror:
        return one_line(reason.strerror)
    return type(reason).__name__
