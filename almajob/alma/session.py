"""One conversation with Alma over HTTP: the key, the time limits, retries of reads, answers or errors.

``requests`` is imported when the first call is made: most invocations are answered from the store.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from almajob.alma import documents, failures, files, refusals
from almajob.alma.connection import connect
from almajob.alma.files import Write
from almajob.alma.key import Key
from almajob.deadline import DeadlinePassed, nap, within
from almajob.errors import AlmaError, AlmajobError, BrokenOff

if TYPE_CHECKING:
    import requests

LOG = logging.getLogger(__name__)

ATTEMPTS = 4
_RETRY_AFTER_LIMIT = 60.0
_RETRIED_STATUSES = frozenset({502, 503, 504})
_CHUNK = 2**16


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long a call may take, in seconds.

    Attributes:
        connect: until the connection stands.
        read: between two packets of the answer.
        total: for the whole call, its retries included.
    """

    connect: float = 10.0
    read: float = 60.0
    total: float = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it came: status, decoded body, and two of its headers if it had them."""

    status: int
    body: bytes
    retry_after: str | None = None
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, and what the answer's Date header says of the server's clock.

    Attributes:
        clock: the server's time when the answer came, seconds since the epoch; None where it told none.
        clock_error: seconds by which it may be off: the header has whole seconds, an answer takes a while.
    """

    document: dict[str, Any]
    clock: float | None = None
    clock_error: float = 0.0


class Session:
    """One HTTP session with one Alma environment.

    Args:
        base_url: scheme and host, and a path prefix if any, without ``/almaws/v1``.
        key: sent in the Authorization header of every call to that host, and nowhere else.
        limits: time limits of every call.
    """

    def __init__(self, base_url: str, key: Key, limits: TimeLimits | None = None) -> None:
        self.url = base_url.rstrip("/").removesuffix("/almaws/v1") + "/almaws/v1"
        self._key = key
        self._limits = limits or TimeLimits()
        parts = urlsplit(base_url)
        self.host = parts.netloc
        self._is_local = is_loopback(parts.hostname or "")

    def get(
        self, path: str, params: Mapping[str, str | int] | None = None, *, patience: float | None = None
    ) -> dict[str, Any]:
        """Read something, as ``read`` does, where the server's clock is of no interest."""
        return self.read(path, params, patience=patience).document

    def read(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        patience: float | None = None,
        attempts: int = ATTEMPTS,
    ) -> Reading:
        """Read something; tried up to four times, because reading twice does no harm.

        Args:
            path: below ``/almaws/v1``.
            params: of the query.
            patience: seconds for the whole call, where the usual time limit is more than it is worth.
            attempts: how often it is tried, where the caller comes back by itself.

        Raises:
            AlmaError: Alma answered with an error.
            Unreachable: no usable answer came within the time limit.
        """
        deadline = time.monotonic() + min(patience or self._limits.total, self._limits.total)
        for attempt in range(1, attempts + 1):
            error: AlmajobError
            answer = None
            begun = time.monotonic()
            try:
                answer = self._send("GET", path, params, None, deadline)
                found = refusals.error_in(answer.status, answer.body, self.host)
                if found is None:
                    took = time.monotonic() - begun
                    return Reading(documents.parse(answer.body), *_clock(answer.date, took))
                error = found
            except BrokenOff as broken:
                error = broken
            pause = retry_pause(attempt, error, answer)
            if pause is None or attempt == attempts or time.monotonic() + pause > deadline:
                raise error
            LOG.debug("GET %s: %s Trying again in %.1f s.", path, error.what, pause)
            nap(pause)
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def post(self, path: str, params: Mapping[str, str | int], document: Mapping[str, Any]) -> dict[str, Any]:
        """Send something, exactly once: Alma starts a job for every POST that arrives.

        Raises:
            NotSent: certainly nothing arrived.
            AlmaError: Alma answered with an error.
            Unreachable: it cannot be told whether Alma accepted it.
        """
        answer = self._send("POST", path, params, document, time.monotonic() + self._limits.total)
        error = refusals.error_in(answer.status, answer.body, self.host)
        if error is not None:
            raise error
        return documents.parse(answer.body)

    def download(self, path: str, params: Mapping[str, str | int], write: Write) -> int:
        """Read a file, once and as long as it takes: each piece is handed on as it comes.

        Args:
            path: below ``/almaws/v1``.
            params: of the query.
            write: takes each piece.

        Returns:
            The number of bytes.

        Raises:
            AlmaError: Alma answered with an error.
            Unreachable: the file did not come, or not all of it.
            NotWritten: a piece cannot be written.
        """
        limits = (self._limits.connect, self._limits.read)
        try:
            with self._http.get(
                self.url + path,
                params=params,
                headers={"Accept": "*/*", "Accept-Encoding": "identity"},
                timeout=limits,
                allow_redirects=False,
                stream=True,
                proxies=self._proxies,
            ) as response:
                received = files.receive(response, self.host, write)
                LOG.debug("GET %s: HTTP %d, %d bytes", path, response.status_code, received)
                return received
        except (OSError, ValueError) as broken:
            raise failures.failure(broken, self.host) from None

    def close(self) -> None:
        """Close the connections; only what was opened."""
        if "_http" in self.__dict__:
            self._http.close()

    @cached_property
    def _http(self) -> requests.Session:
        return connect(self._key)

    @property
    def _proxies(self) -> Any:
        # A proxy of the environment must not be asked for a server on this machine.
        return dict.fromkeys(("http", "https", "all")) if self._is_local else None

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        document: Mapping[str, Any] | None,
        deadline: float,
    ) -> Answer:
        try:
            return within(
                deadline - time.monotonic(),
                lambda abandoned: self._exchange(method, path, params, document, abandoned),
            )
        except DeadlinePassed:
            raise failures.too_late(self.host) from None
        except (OSError, ValueError) as broken:
            # requests' own exceptions are OSErrors.
            raise failures.failure(broken, self.host) from None

    def _exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        document: Mapping[str, Any] | None,
        abandoned: threading.Event,
    ) -> Answer:
        with self._http.request(
            method,
            self.url + path,
            params=params,
            json=document,
            # A start that is given up early is one that somebody has to look for.
            timeout=(self._limits.connect, self._limits.read if method == "GET" else self._limits.total),
            allow_redirects=False,
            stream=True,
            proxies=self._proxies,
        ) as response:
            body = bytearray()
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > failures.SIZE_LIMIT:
                    raise failures.too_large(self.host)
                if abandoned.is_set():
                    break
        LOG.debug("%s %s: HTTP %d, %d bytes", method, path, response.status_code, len(body))
        # A server that echoes what it was sent must not make us print or keep the key.
        harmless = self._key.hidden_in(bytes(body))
        headers = response.headers
        return Answer(response.status_code, harmless, headers.get("Retry-After"), headers.get("Date"))


def _clock(date: str | None, took: float) -> tuple[float | None, float]:
    """Read a Date header: the middle of its second, give or take half of it and what the answer took."""
    try:
        told = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return None, 0.0
    return told + 0.5, 0.5 + took


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def retry_pause(attempt: int, error: AlmajobError, answer: Answer | None) -> float | None:
    """Decide whether a read is tried again, and after how many seconds.

    Broken connections, 502, 503, 504 and a per-second threshold pass; all else does not. The pause is
    random between 0 and a bound that doubles ("full jitter"), or what Retry-After says, up to a minute.

    Args:
        attempt: the number of the attempt that failed, from 1.
        error: how it failed.
        answer: what came, or None.

    Returns:
        Seconds, or None to give up.
    """
    passing = (
        isinstance(error, BrokenOff)
        if answer is None
        else answer.status in _RETRIED_STATUSES
        or (isinstance(error, AlmaError) and error.code == refusals.PER_SECOND_THRESHOLD)
    )
    if not passing or attempt >= ATTEMPTS:
        return None
    if answer and answer.retry_after:
        import urllib3

        try:
            return min(urllib3.Retry().parse_retry_after(answer.retry_after), _RETRY_AFTER_LIMIT)
        except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
            LOG.debug("Retry-After cannot be read.")
    return random.uniform(0, 0.5 * 2**attempt)  # noqa: S311  # no secret
