"""A file that Alma sends: handed on piece by piece, and told from an error or a web page."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from almajob.alma import documents, refusals
from almajob.errors import AlmajobError, NotAlma

if TYPE_CHECKING:
    import requests

Write = Callable[[bytes], object]
"""Takes a piece of a file."""
_CHUNK = 2**16
_LARGEST_ERROR = 2**16


class NotWritten(Exception):
    """A piece of the file came, and could not be written."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def receive(response: requests.Response, host: str, write: Write) -> int:
    """Hand a file on.

    An answer with HTTP 200 may be an error document of Alma's or a proxy's sign-in page all the same; both
    are small, so the beginning is looked at before any of it is handed on.

    Args:
        response: whose body has not been read yet.
        host: for the messages.
        write: takes each piece.

    Returns:
        The number of bytes, decoded.

    Raises:
        AlmaError, Unreachable: the answer is no file.
        NotWritten: it is one, and cannot be written.
        requests.RequestException: the answer broke off; urllib3 counts what Content-Length promises.
    """
    pieces = response.iter_content(_CHUNK)
    start = bytearray()
    for piece in pieces:
        start += piece
        if len(start) > _LARGEST_ERROR:
            break
    error = _no_file(response.status_code, bytes(start), host)
    if error is not None:
        raise error
    received = 0
    for piece in itertools.chain([bytes(start)], pieces):
        try:
            write(piece)
        except OSError as cause:
            raise NotWritten(cause) from cause
        received += len(piece)
    return received


def _no_file(http_status: int, start: bytes, host: str) -> AlmajobError | None:
    if not 200 <= http_status < 300:
        return refusals.error_in(http_status, start, host) or NotAlma(
            f"{host} answered HTTP {http_status} and no file.", cure="Try again in a few minutes."
        )
    if not start:
        return NotAlma(f"{host} answered with an empty file.", cure="Try again in a few minutes.")
    try:
        document = documents.parse(start) if len(start) <= _LARGEST_ERROR else {}
    except documents.Unreadable as unreadable:
        # Records in MARC's binary form are neither JSON nor XML.
        return refusals.error_in(http_status, start, host) if "web page" in str(unreadable) else None
    return refusals.error_in(http_status, start, host) if refusals.refusal_in(document) else None
