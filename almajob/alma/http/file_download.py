"""A file that Alma sends: handed on piece by piece, and told from an error or a web page."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.parsers import expat

from almajob.alma.http import body_parser, error_responses
from almajob.errors import BrokenOff, NotAlma
from almajob.text.redaction import redact

if TYPE_CHECKING:
    import requests

LOG = logging.getLogger(__name__)

Write = Callable[[bytes], object]
"""Takes a piece of a file."""
_CHUNK = 2**16
_LARGEST_ERROR = 2**16
_SIGNS = 1024


class NotWritten(Exception):
    """A piece of the file came, and could not be written."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def receive(response: requests.Response, host: str, write: Write) -> int:
    """Hand a file on.

    An answer with HTTP 200 may be an error document of Alma's or a proxy's sign-in page all the same, so the
    beginning is looked at before any of it is handed on.

    Args:
        response: whose body has not been read yet; asked for as it is, not packed.

    Returns:
        The number of bytes.

    Raises:
        AlmaError, Unreachable: the answer is no file, or not all of it.
        NotWritten: it is one, and cannot be written.
        requests.RequestException: the answer broke off; urllib3 counts what Content-Length promises.
    """
    pieces = response.iter_content(_CHUNK)
    start = bytearray()
    for piece in pieces:
        start += piece
        if len(start) > _LARGEST_ERROR:
            break
    _refuse_no_file(response, bytes(start), host)
    received = 0
    xml = _Xml(bytes(start))
    for piece in itertools.chain([bytes(start)], pieces):
        try:
            write(piece)
        except OSError as cause:
            raise NotWritten(cause) from cause
        received += len(piece)
        xml.feed(piece)
    if xml.breaks_off():
        # Whoever says how long it is may have got half of it, too.
        raise BrokenOff(f"{host} did not answer completely.", reason="The XML breaks off.", hint="Try again.")
    if not _is_counted(response):
        LOG.warning("%s did not say how long the file is: it may be incomplete.", host)
    return received


class _Xml:
    """Notices where XML breaks off; of what is no XML, or none that can be read, it says nothing."""

    def __init__(self, start: bytes) -> None:
        self._parser: expat.XMLParserType | None = None
        if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            self._parser = expat.ParserCreate()
            # One that defines entities is not followed into them.
            self._parser.StartDoctypeDeclHandler = self._give_up

    def feed(self, piece: bytes) -> None:
        """Read on."""
        if self._parser is not None:
            try:
                self._parser.Parse(piece, False)
            except (expat.ExpatError, ValueError, LookupError):
                # Also an encoding that expat cannot read, such as Big5.
                self._parser = None

    def breaks_off(self) -> bool:
        """Whether the end is missing, now that all has come."""
        if self._parser is None:
            return False
        try:
            self._parser.Parse(b"", True)
        except expat.ExpatError:
            return True
        except (ValueError, LookupError):
            return False
        return False

    def _give_up(self, *_: object) -> None:
        raise ValueError("it has a DOCTYPE")


def _refuse_no_file(response: requests.Response, start: bytes, host: str) -> None:
    status, again = response.status_code, "Try again in a few minutes."
    if status != 200:
        error = error_responses.error_in(status, start, host)
        raise error or NotAlma(f"{host} answered HTTP {status} and no file.", hint=again)
    if not start:
        raise NotAlma(f"{host} answered with an empty file.", hint=again)
    packed = response.headers.get("Content-Encoding", "identity")
    if packed != "identity":
        # Where it is cut, nothing of what unpacks it would tell.
        raise NotAlma(f"{host} answered with a file that is packed ({redact(packed)[:20]}).", hint=again)
    is_error = any(sign in start[:_SIGNS] for sign in (b"web_service_result", b'"errorList"'))
    if is_error or body_parser.is_web_page(start):
        error = error_responses.error_in(status, start, host)
        raise error or NotAlma(f"{host} answered with an error and no file.", hint=again)


def _is_counted(response: requests.Response) -> bool:
    """Whether the answer says where it ends, so that urllib3 notices where it breaks off."""
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return chunked or response.headers.get("Content-Length", "").isdecimal()
