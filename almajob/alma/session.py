"""One conversation with Alma over HTTP: the key, the time limits, retries of reads, answers or errors.

``requests`` is imported when the first call is made: most invocations are answered from the store.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from almajob.alma import documents, failures, files, refusals
from almajob.alma.answers import Answer, Reading, clock_of
from almajob.alma.connection import connect, is_loopback
from almajob.alma.files import Write
from almajob.alma.key import Key
from almajob.alma.retries import ATTEMPTS, retry_pause
from almajob.alma.timelimits import TimeLimits
from almajob.deadline import DeadlinePassed, nap, within
from almajob.errors import AlmajobError, BrokenOff, ReadOnly

if TYPE_CHECKING:
    import requests

LOG = logging.getLogger(__name__)

_CHUNK = 2**16

Body = Mapping[str, Any] | bytes
"""What is sent: a document, which goes as JSON, or XML as it is."""


class Session:
    """One HTTP session with one Alma environment.

    Args:
        base_url: scheme and host, and a path prefix if any, without ``/almaws/v1``.
        key: sent in the Authorization header of every call to that host, and nowhere else.
        limits: time limits of every call.
        read_only: what forbids every POST, such as a line of the ini; empty where nothing does.
    """

    def __init__(
        self, base_url: str, key: Key, limits: TimeLimits | None = None, *, read_only: str = ""
    ) -> None:
        self.url = base_url.rstrip("/").removesuffix("/almaws/v1") + "/almaws/v1"
        self._key = key
        self._limits = limits or TimeLimits()
        self._read_only = read_only
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
                    return Reading(documents.parse(answer.body), *clock_of(answer.date, took))
                error = found
            except BrokenOff as broken:
                error = broken
            pause = retry_pause(attempt, error, answer)
            if pause is None or attempt == attempts or time.monotonic() + pause > deadline:
                raise error
            LOG.debug("GET %s: %s Trying again in %.1f s.", path, error.what, pause)
            nap(pause)
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def post(self, path: str, params: Mapping[str, str | int], body: Body) -> dict[str, Any]:
        """Send something, exactly once: Alma starts a job for every POST that arrives.

        Raises:
            ReadOnly: this environment takes no POST; nothing was sent.
            NotSent: certainly nothing arrived.
            AlmaError: Alma answered with an error.
            Unreachable: it cannot be told whether Alma accepted it.
        """
        if self._read_only:
            raise ReadOnly(self._read_only)
        answer = self._send("POST", path, params, body, time.monotonic() + self._limits.total)
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
        body: Body | None,
        deadline: float,
    ) -> Answer:
        try:
            return within(
                deadline - time.monotonic(),
                lambda abandoned: self._exchange(method, path, params, body, abandoned),
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
        body: Body | None,
        abandoned: threading.Event,
    ) -> Answer:
        is_xml = isinstance(body, bytes)
        with self._http.request(
            method,
            self.url + path,
            params=params,
            # requests writes a mapping as JSON; it adds the Content-Type of that alone.
            json=None if is_xml else body,
            data=body if is_xml else None,
            headers={"Content-Type": "application/xml"} if is_xml else None,
            # A start that is given up early is one that somebody has to look for.
            timeout=(self._limits.connect, self._limits.read if method == "GET" else self._limits.total),
            allow_redirects=False,
            stream=True,
            proxies=self._proxies,
        ) as response:
            received = bytearray()
            for chunk in response.iter_content(_CHUNK):
                received += chunk
                if len(received) > failures.SIZE_LIMIT:
                    raise failures.too_large(self.host)
                if abandoned.is_set():
                    break
        LOG.debug("%s %s: HTTP %d, %d bytes", method, path, response.status_code, len(received))
        # A server that echoes what it was sent must not make us print or keep the key.
        harmless = self._key.hidden_in(bytes(received))
        headers = response.headers
        return Answer(response.status_code, harmless, headers.get("Retry-After"), headers.get("Date"))
