"""One conversation with Alma over HTTP: the key, the time limits, retries of reads, answers or errors.

``requests`` is imported when the first call is made: most invocations are answered from the store.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from almajob.alma import call_log
from almajob.alma.api_key import Key
from almajob.alma.http import error_responses, file_download, transport_errors
from almajob.alma.http.file_download import Write
from almajob.alma.http.response import (
    CALLS_A_DAY,
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
from almajob.system.sharing.forks import forget_in_children
from almajob.system.sharing.made_once import Making, made_once
from almajob.text.busy import Busy, show_nothing
from almajob.text.host_names import is_loopback
from almajob.text.redaction import Sealed

if TYPE_CHECKING:
    import requests

    from almajob.alma.rate_limit.limiter import Limiter

LOG = logging.getLogger(__name__)

ATTEMPTS = 4
"""How often a read is tried, at most."""
_RETRY_AFTER_LIMIT = 60.0
Body = Mapping[str, Any] | bytes
"""What is sent: a document, which goes as JSON, or XML as it is."""


class Session(Sealed):
    """One HTTP session with one Alma environment.

    Args:
        base_url: scheme and host, and a path prefix if any, without ``/almaws/v1``.
        key: sent in the Authorization header of every call to that host, and nowhere else.
        limits: time limits of every call.
        read_only: what forbids everything but reads, such as a line of the ini; empty where nothing does.
        limiter: of the rate of calls; None for as many as one likes.
        environment: its name, for the log and for messages.
        busy: shows people that an answer is waited for.
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
        busy: Busy = show_nothing,
    ) -> None:
        self.url = base_url.rstrip("/").removesuffix("/almaws/v1") + "/almaws/v1"
        self._key = key
        self._limits = limits or TimeLimits()
        self._read_only = read_only
        self.limiter = limiter
        self.environment = environment
        self.busy = busy
        self._dates = DateCheck()
        self._making = Making()
        forget_in_children(self)
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
        with self.busy(lambda: f"Waiting for {self.host}", is_minor=True):
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
            is_start: it starts a job. Got before ``write`` is called, nothing is on its way meanwhile.

        Raises:
            CallsUsedUp: no calls are left for the day.
            NotSent: Alma is down, or other calls take all the room.
        """
        if self.limiter is None:
            return Permit()
        seconds = self._limits.total if deadline is None else deadline - time.monotonic()
        return self.limiter.admit(self.host, seconds, is_start=is_start)

    def refuse_read_only(self) -> None:
        """Refuse to send anything but reads where only they may be sent.

        Raises:
            ReadOnly: only they may.
        """
        if self._read_only:
            raise ReadOnly(self._read_only)

    def write(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int],
        body: Body | None,
        *,
        is_start: bool = False,
        permit: Permit | None = None,
        before_sending: Callable[[], None] | None = None,
    ) -> Reading:
        """Send something that is no read, exactly once: Alma does what each request asks that arrives.

        Args:
            method: POST, PUT or DELETE.
            path: below ``/almaws/v1``.
            body: None to send none.
            is_start: it starts a job: it may use the room that is kept for starts, and an answer without
                content is none.
            permit: that ``get_permit`` returned; whoever has it reports what came of the call, as nothing may
                stand between the answer to a start and the ledger. None to get and report one.
            before_sending: called in this thread, directly before the first byte leaves. Where it was not
                called, or raised, none has left, and none will; an ``Exception`` becomes ``NotSent``.

        Raises:
            ReadOnly: this environment is only read; nothing was sent.
            NotSent: certainly nothing arrived.
            CallsUsedUp: it was not sent, as no calls are left for the day.
            AlmaError: Alma answered with an error.
            Unreachable: it is unknown whether Alma accepted it.
        """
        self.refuse_read_only()
        deadline = time.monotonic() + self._limits.total
        if permit is None:
            with self.get_permit(deadline, is_start=is_start) as permit:
                return self.write(
                    *(method, path, params, body),
                    is_start=is_start,
                    permit=permit,
                    before_sending=before_sending,
                )
        permit.use(deadline - time.monotonic())
        _, found = self._send(
            *(method, path, params, body, deadline, permit),
            before_sending=before_sending,
            may_be_empty=not is_start,
        )
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
        received = 0

        def count(piece: bytes) -> None:
            nonlocal received
            write(piece)
            received += len(piece)

        with (
            self.busy(lambda: f"Receiving from {self.host}: {received / 1e6:,.1f} MB"),
            self.get_permit() as permit,
            call_log.log_call(self.environment, "GET", path) as call,
        ):
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
                    call.size = file_download.receive(response, self.host, count)
                    left, a_day = map(response.headers.get, (CALLS_LEFT, CALLS_A_DAY))
                    permit.note(None, left, response.status_code, a_day)
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

    def forget_parent(self) -> None:
        """Connect anew in a forked child: on the parent's connections it would get the parent's answers."""
        # Kept, as its pools would wait at their end for threads that the child has not.
        self._of_parent = self.__dict__.pop("_http", None)

    @made_once
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
        *,
        may_be_empty: bool = False,
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
        with call_log.log_call(self.environment, method, path, attempt) as call:
            try:
                exchange = partial(self._exchange, method, path, params, body)
                answer = run_within(deadline - begun, exchange, check)
            except AlmajobError as refused:
                found = refused
            except (DeadlinePassed, OSError, ValueError) as broken:
                # requests' own exceptions are OSErrors.
                found = transport_errors.failure(broken, self.host)
            else:
                is_empty = answer.status == 204 and not answer.body and may_be_empty
                read = error_responses.read_answer
                found = {} if is_empty else read(answer.status, answer.body, self.host)
            failed = found if isinstance(found, AlmajobError) else None
            call.note(answer, failed)
            if answer is None:
                permit.note(failed)
            else:
                permit.note(failed, answer.calls_left, answer.status, answer.calls_a_day)
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
