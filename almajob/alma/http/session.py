"""One conversation with Alma over HTTP: the key, the time limits, retries of reads, answers or errors.

``requests`` is imported when the first call is made: most invocations are answered from the store.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from almajob.alma import call_log
from almajob.alma.api_key import Key
from almajob.alma.http import error_responses, file_download, transport_errors
from almajob.alma.http.file_download import Write
from almajob.alma.http.response import (
    CALLS_LEFT,
    Answer,
    DateCheck,
    Reading,
    came_from_cache,
    clock_of,
    read_response,
)
from almajob.alma.http.timeouts import TimeLimits
from almajob.alma.rate_limit.limiter import Limiter, Permit
from almajob.errors import AlmaError, AlmajobError, BrokenOff, ReadOnly
from almajob.system.deadline import DeadlinePassed, Task, nap, run_within
from almajob.text.host_names import is_loopback

if TYPE_CHECKING:
    import requests

    from almajob.alma.rate_limit.limiter import Limiter

LOG = logging.getLogger(__name__)

ATTEMPTS = 4
"""How often a read is tried, at most."""
_RETRY_AFTER_LIMIT = 60.0
Body = Mapping[str, Any] | bytes
"""What is sent: a document, which goes as JSON, or XML as it is."""


class Session:
    """One HTTP session with one Alma environment.

    Args:
        base_url: scheme and host, and a path prefix if any, without ``/almaws/v1``.
        key: sent in the Authorization header of every call to that host, and nowhere else.
        limits: time limits of every call.
        read_only: what forbids every POST, such as a line of the ini; empty where nothing does.
        limiter: of the rate of calls; None for as many as one likes.
        environment: its name, for the log.
    """

    def __init__(
        self,
        base_url: str,
        key: Key,
        limits: TimeLimits | None = None,
        *,
        read_only: str = "",
        limiter: Limiter | None = None,
        environment: str = "",
    ) -> None:
        self.url = base_url.rstrip("/").removesuffix("/almaws/v1") + "/almaws/v1"
        self._key = key
        self._limits = limits or TimeLimits()
        self._read_only = read_only
        self.limiter = limiter
        self._environment = environment
        self._dates = DateCheck()
        parts = urlsplit(base_url)
        self.host = parts.netloc
        self._is_local = is_loopback(parts.hostname or "")

    def get(
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
            patience: seconds for the whole call, where the usual time limit is more than it is worth.
            attempts: how often it is tried, where the caller comes back by itself.

        Raises:
            AlmaError: Alma answered with an error.
            Unreachable: no usable answer came within the time limit.
            CallsUsedUp: it was not sent, as no calls are left for the day.
        """
        deadline = time.monotonic() + min(patience or self._limits.total, self._limits.total)
        attempt = 1
        while True:
            with self.get_permit(deadline) as permit:
                answer, found = self._send("GET", path, params, None, deadline, permit, attempt)
            if isinstance(found, Reading):
                return found
            error = permit.explain(found)
            pause = retry_pause(attempt, error, answer) if attempt < attempts else None
            if pause is None or time.monotonic() + pause > deadline:
                raise error
            LOG.debug("GET %s: %s Trying again in %.1f s.", path, error.message, pause)
            nap(pause)
            attempt += 1

    def get_permit(self, deadline: float | None = None, *, is_start: bool = False) -> Permit:
        """Wait until a call may be sent, as long as the time limit allows.

        Args:
            deadline: of the call, by the monotonic clock; the usual time limit from now where it is None.
            is_start: it starts a job. Got before ``post`` is called, nothing is on its way meanwhile.

        Raises:
            CallsUsedUp: no calls are left for the day.
            NotSent: Alma is down, or other calls take all the room.
        """
        if self.limiter is None:
            return Permit()
        seconds = self._limits.total if deadline is None else deadline - time.monotonic()
        return self.limiter.admit(self.host, seconds, is_start=is_start)

    def post(
        self,
        path: str,
        params: Mapping[str, str | int],
        body: Body,
        *,
        permit: Permit | None = None,
        before_sending: Callable[[], None] | None = None,
    ) -> Reading:
        """Send something, exactly once: Alma starts a job for every POST that arrives.

        Args:
            path: below ``/almaws/v1``.
            permit: that ``get_permit`` returned; whoever has it reports what came of the call, as nothing may
                stand between the answer to a start and the ledger. None to get and report one.
            before_sending: called in this thread, directly before the first byte leaves. Where it was not
                called, or raised, none has left, and none will; an ``Exception`` becomes ``NotSent``.

        Raises:
            ReadOnly: this environment takes no POST; nothing was sent.
            NotSent: certainly nothing arrived.
            CallsUsedUp: it was not sent, as no calls are left for the day.
            AlmaError: Alma answered with an error.
            Unreachable: it cannot be told whether Alma accepted it.
        """
        if self._read_only:
            raise ReadOnly(self._read_only)
        deadline = time.monotonic() + self._limits.total
        if permit is None:
            with self.get_permit(deadline, is_start=True) as permit:
                return self.post(path, params, body, permit=permit, before_sending=before_sending)
        permit.use(deadline - time.monotonic())
        _, found = self._send("POST", path, params, body, deadline, permit, before_sending=before_sending)
        if isinstance(found, AlmajobError):
            raise found
        return found

    def download(self, path: str, params: Mapping[str, str | int], write: Write) -> int:
        """Read a file, once and as long as it takes: each piece is handed on as it comes.

        Returns:
            The number of bytes.

        Raises:
            AlmaError: Alma answered with an error.
            Unreachable: the file did not come, or not all of it.
            NotWritten: a piece cannot be written.
        """
        failed: AlmajobError
        with self.get_permit() as permit, call_log.log_call(self._environment, "GET", path) as call:
            try:
                with self._http.get(
                    self.url + path,
                    params=params,
                    headers={"Accept": "*/*", "Accept-Encoding": "identity"},
                    timeout=(self._limits.connect, self._limits.read),
                    allow_redirects=False,
                    stream=True,
                    proxies=self._proxies,
                ) as response:
                    call.status = response.status_code
                    call.size = file_download.receive(response, self.host, write)
                    permit.note(None, response.headers.get(CALLS_LEFT), response.status_code)
                    return call.size
            except AlmajobError as error:
                failed = error
            except (OSError, ValueError) as broken:
                failed = transport_errors.failure(broken, self.host)
            call.error = failed
            permit.note(failed)
        raise permit.explain(failed)

    def close(self) -> None:
        """Close the connections; only what was opened."""
        if "_http" in self.__dict__:
            self._http.close()

    @cached_property
    def _http(self) -> requests.Session:
        from almajob.alma.http.connection import connect

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
        permit: Permit,
        attempt: int = 1,
        before_sending: Callable[[], None] | None = None,
    ) -> tuple[Answer | None, Reading | AlmajobError]:
        """Send a request once; return what came, if anything did, and what was read, or how that failed."""

        def check() -> None:
            try:
                if before_sending is not None:
                    before_sending()
            except Exception as error:
                raise transport_errors.not_sent(self.host, error) from error

        answer: Answer | None = None
        found: dict[str, Any] | AlmajobError
        begun = time.monotonic()
        with call_log.log_call(self._environment, method, path, attempt) as call:
            try:
                exchange = partial(self._exchange, method, path, params, body)
                answer = run_within(deadline - begun, exchange, check)
            except AlmajobError as refused:
                found = refused
            except (DeadlinePassed, OSError, ValueError) as broken:
                # requests' own exceptions are OSErrors.
                found = transport_errors.failure(broken, self.host)
            else:
                found = error_responses.read_answer(answer.status, answer.body, self.host)
            failed = found if isinstance(found, AlmajobError) else None
            call.note(answer, failed)
            permit.note(failed, answer.calls_left if answer else None, answer.status if answer else 0)
        if isinstance(found, AlmajobError):
            return answer, found
        assert answer is not None
        now = time.monotonic()
        clock, clock_error = clock_of(answer.date, now - begun)
        is_late = self._dates.is_late(clock, now)
        return answer, Reading(found, clock, clock_error, came_from_cache(answer.age), is_late)

    def _exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        body: Body | None,
        task: Task[Answer],
    ) -> Answer:
        from almajob.alma.http.connection import AbortableConnection, connect

        is_xml = isinstance(body, bytes)
        # A start has a connection of its own: it is not lost in one that a firewall has forgotten while
        # somebody thought about it, and nothing left over from another answer is taken for its answer.
        with (
            AbortableConnection(task),
            nullcontext(self._http) if method == "GET" else connect(self._key) as http,
            http.request(
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
            ) as response,
        ):
            return read_response(response, self.host)


def retry_pause(attempt: int, error: AlmajobError, answer: Answer | None) -> float | None:
    """Decide whether a read is tried again, and after how many seconds.

    Broken connections, 502, 503, 504 and a per-second threshold pass; all else does not. The pause is
    random between 0 and a bound that doubles ("full jitter"), or what Retry-After says, up to a minute.

    Args:
        attempt: the number of the attempt that failed, from 1.

    Returns:
        Seconds, or None to give up.
    """
    passing = (
        isinstance(error, BrokenOff)
        if answer is None
        else answer.status in error_responses.RETRIED_STATUSES
        or (isinstance(error, AlmaError) and error.code == error_responses.PER_SECOND_THRESHOLD)
    )
    if not passing:
        return None
    if answer and answer.retry_after:
        import urllib3

        try:
            return min(urllib3.Retry().parse_retry_after(answer.retry_after), _RETRY_AFTER_LIMIT)
        except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
            LOG.debug("Retry-After cannot be read.")
    return random.uniform(0, 0.5 * 2**attempt)  # noqa: S311  # no secret
