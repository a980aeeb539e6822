"""One conversation with Alma over HTTP: the key, the time limits, retries of reads, answers or errors.

``requests`` is imported when the first call is made: most invocations are answered from the store.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from almajob.alma import call_log
from almajob.alma.api_key import Key
from almajob.alma.http import connection, error_responses, file_download, transport_errors
from almajob.alma.http.connection import connect, is_loopback
from almajob.alma.http.file_download import Write
from almajob.alma.http.response import (
    CALLS_LEFT,
    Answer,
    DateCheck,
    Reading,
    answer_of,
    body_of,
    came_from_cache,
    clock_of,
)
from almajob.alma.http.retry import ATTEMPTS, retry_pause
from almajob.alma.http.timeouts import TimeLimits
from almajob.alma.rate_limit.permit import Permit
from almajob.errors import AlmajobError, BrokenOff, ReadOnly
from almajob.system.deadline import DeadlinePassed, NotBegun, nap

if TYPE_CHECKING:
    import requests

    from almajob.alma.rate_limit.limiter import Limiter

LOG = logging.getLogger(__name__)

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
        self._limiter = limiter
        self._environment = environment
        self._dates = DateCheck()
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
            CallsUsedUp: it was not sent, as no calls are left for the day.
        """
        deadline = time.monotonic() + min(patience or self._limits.total, self._limits.total)
        for attempt in range(1, attempts + 1):
            error: AlmajobError
            answer = None
            permit = self._admit(deadline)
            begun = time.monotonic()
            try:
                with permit:
                    answer, found = self._send("GET", path, params, None, deadline, permit, attempt)
                if not isinstance(found, AlmajobError):
                    return self._reading(answer, found, time.monotonic() - begun)
                error = permit.explain(found)
            except BrokenOff as broken:
                error = broken
            pause = retry_pause(attempt, error, answer)
            if pause is None or attempt == attempts or time.monotonic() + pause > deadline:
                raise error
            LOG.debug("GET %s: %s Trying again in %.1f s.", path, error.message, pause)
            nap(pause)
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    @property
    def is_quota_low(self) -> bool:
        """Whether few calls are left for the day, so that what can wait should."""
        return self._limiter is not None and self._limiter.is_low

    def ignore_quota_once(self, *, is_wanted: bool) -> None:
        """Allow one call although the day's are known to be used up, or no more."""
        if self._limiter is not None:
            self._limiter.ignore_quota_once(is_wanted=is_wanted)

    def get_start_permit(self) -> Permit:
        """Wait until a start may be sent, so that ``post`` need not: nothing is on its way meanwhile.

        Raises:
            CallsUsedUp: no calls are left for the day.
            NotSent: Alma is down, or other calls take all the room.
        """
        return self._admit(time.monotonic() + self._limits.total, is_start=True)

    def _reading(self, answer: Answer, document: dict[str, Any], took: float) -> Reading:
        clock, error = clock_of(answer.date, took)
        is_late = self._dates.is_late(clock, time.monotonic())
        return Reading(document, clock, error, came_from_cache(answer.age), is_late)

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
            params: of the query.
            body: of the request.
            permit: that ``get_start_permit`` returned; whoever has it reports what came of the call, as
                nothing may stand between the answer to a start and the ledger. None to get and report one.
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
            with self._admit(deadline, is_start=True) as permit:
                return self.post(path, params, body, permit=permit, before_sending=before_sending)
        permit.use(deadline - time.monotonic())
        begun = time.monotonic()
        answer, found = self._send(
            "POST", path, params, body, deadline, permit, before_sending=before_sending
        )
        if isinstance(found, AlmajobError):
            raise found
        return self._reading(answer, found, time.monotonic() - begun)

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
        permit = self._admit(time.monotonic() + self._limits.total)
        try:
            with permit, call_log.log_call(self._environment, "GET", path) as call:
                return self._receive(path, params, write, call, permit)
        except AlmajobError as error:
            raise permit.explain(error) from None

    def _receive(
        self,
        path: str,
        params: Mapping[str, str | int],
        write: Write,
        call: call_log.Call,
        permit: Permit,
    ) -> int:
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
                call.status = response.status_code
                call.size = file_download.receive(response, self.host, write)
                permit.note(None, response.headers.get(CALLS_LEFT), response.status_code)
                return call.size
        except AlmajobError as error:
            permit.note(error)
            raise
        except (OSError, ValueError) as broken:
            failure = transport_errors.failure(broken, self.host)
            permit.note(failure)
            raise failure from None

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
        permit: Permit,
        attempt: int = 1,
        before_sending: Callable[[], None] | None = None,
    ) -> tuple[Answer, dict[str, Any] | AlmajobError]:
        def check() -> None:
            try:
                if before_sending is not None:
                    before_sending()
            except Exception as error:
                raise transport_errors.not_sent(self.host, error) from error

        exchange = partial(self._exchange, method, path, params, body)
        with call_log.log_call(self._environment, method, path, attempt) as call:
            try:
                answer = self._answer(deadline, exchange, check)
            except AlmajobError as broken:
                permit.note(broken)
                raise
            found = error_responses.read_answer(answer.status, answer.body, self.host)
            error = found if isinstance(found, AlmajobError) else None
            call.note(answer, error)
            permit.note(error, answer.calls_left, answer.status)
            return answer, found

    def _answer(
        self, deadline: float, exchange: Callable[[], Answer], before_sending: Callable[[], None]
    ) -> Answer:
        try:
            return connection.within(deadline - time.monotonic(), exchange, before_sending)
        except DeadlinePassed as passed:
            too_late = transport_errors.too_late if passed.was_permitted else transport_errors.not_in_time
            raise too_late(self.host) from None
        except NotBegun:
            raise transport_errors.not_begun(self.host) from None
        except (OSError, ValueError) as broken:
            # requests' own exceptions are OSErrors.
            raise transport_errors.failure(broken, self.host) from None

    def _admit(self, deadline: float, *, is_start: bool = False) -> Permit:
        if self._limiter is None:
            return Permit()
        return self._limiter.admit(self.host, deadline - time.monotonic(), is_start=is_start)

    def _exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        body: Body | None,
    ) -> Answer:
        is_xml = isinstance(body, bytes)
        # A start has a connection of its own: it is not lost in one that a firewall has forgotten while
        # somebody thought about it, and nothing left over from another answer is taken for its answer.
        with (
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
            received = body_of(response, self.host)
        return answer_of(response, received)
