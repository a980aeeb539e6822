"""One conversation with Alma over HTTP: the key, the time limits, retries of reads, answers or errors.

``requests`` is imported when the first call is made: most invocations are answered from the store.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from almajob import __version__
from almajob.alma import documents, refusals
from almajob.alma.key import Key
from almajob.errors import AlmaError, AlmajobError, BrokenOff, NotAlma, NotSent

if TYPE_CHECKING:
    import requests

LOG = logging.getLogger(__name__)

SIZE_LIMIT = 32 * 2**20
"""The most decoded bytes that one answer may have; a page of 100 jobs has about 30,000."""
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
    """An HTTP answer as it came: status, decoded body, and the Retry-After header if it had one."""

    status: int
    body: bytes
    retry_after: str | None = None


class Session:
    """One HTTP session with one Alma environment.

    Args:
        base_url: scheme and host, and a path prefix if any, without ``/almaws/v1``.
        key: sent in the Authorization header of every call to that host, and nowhere else.
        limits: time limits of every call.
    """

    def __init__(self, base_url: str, key: Key, limits: TimeLimits | None = None) -> None:
        self._url = base_url.rstrip("/").removesuffix("/almaws/v1") + "/almaws/v1"
        self._key = key
        self._limits = limits or TimeLimits()
        self.host = urlsplit(base_url).netloc

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """Read something; tried up to four times, because reading twice does no harm.

        Raises:
            AlmaError: Alma answered with an error.
            Unreachable: no usable answer came within the time limit.
        """
        deadline = time.monotonic() + self._limits.total
        for attempt in range(1, ATTEMPTS + 1):
            error: AlmajobError
            answer = None
            try:
                answer = self._send("GET", path, params, None, deadline)
                found = refusals.error_in(answer.status, answer.body, self.host)
                if found is None:
                    return documents.parse(answer.body)
                error = found
            except BrokenOff as broken:
                error = broken
            pause = retry_pause(attempt, error, answer)
            if pause is None or time.monotonic() + pause > deadline:
                raise error
            LOG.debug("GET %s: %s Trying again in %.1f s.", path, error.what, pause)
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def post(self, path: str, params: Mapping[str, str], document: Mapping[str, Any]) -> dict[str, Any]:
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

    def close(self) -> None:
        """Close the connections; only what was opened."""
        if "_http" in self.__dict__:
            self._http.close()

    @cached_property
    def _http(self) -> requests.Session:
        import http.cookiejar

        import requests
        import requests.adapters

        http_session = requests.Session()
        http_session.auth = _authorization(self._key)
        http_session.headers.update({"Accept": "application/json", "User-Agent": f"almajob/{__version__}"})
        # A Session is promised to be thread-safe only as long as nothing in it changes.
        http_session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=8, max_retries=0)
        http_session.mount("https://", adapter)
        http_session.mount("http://", adapter)
        return http_session

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | Mapping[str, str] | None,
        document: Mapping[str, Any] | None,
        deadline: float,
    ) -> Answer:
        import requests

        remaining = max(deadline - time.monotonic(), 0.001)
        # A proxy of the environment must not be asked for a server on this machine.
        no_proxy: Any = (
            dict.fromkeys(("http", "https", "all"))
            if is_loopback(urlsplit(self._url).hostname or "")
            else None
        )
        try:
            response = self._http.request(
                method,
                self._url + path,
                params=params,
                json=document,
                timeout=(min(self._limits.connect, remaining), min(self._limits.read, remaining)),
                allow_redirects=False,
                stream=True,
                proxies=no_proxy,
            )
            with response:
                body = _read(response, deadline)
        except requests.RequestException as broken:
            raise _unreachable(broken, self.host) from None
        LOG.debug("%s %s: HTTP %d, %d bytes", method, path, response.status_code, len(body))
        return Answer(response.status_code, body, response.headers.get("Retry-After"))


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _authorization(key: Key) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Make the AuthBase that adds the key; unlike a header of the session, no .netrc replaces it."""
    import requests.auth

    class ApiKey(requests.auth.AuthBase):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"apikey {key.reveal()}"
            return request

        def __repr__(self) -> str:
            return "ApiKey(hidden)"

    return ApiKey()


def _read(response: requests.Response, deadline: float) -> bytes:
    """Read the whole body, within the deadline and the size limit.

    No time-out of requests bounds a server that sends a byte now and then; hence the timer, which ends
    the reading from outside.
    """
    import requests
    import urllib3

    body = bytearray()
    late = threading.Event()

    def stop() -> None:
        late.set()
        # Nothing to shut down where the last byte came in the meantime.
        with contextlib.suppress(ValueError, OSError):
            response.raw.shutdown()

    timer = threading.Timer(max(deadline - time.monotonic(), 0), stop)
    timer.daemon = True
    timer.start()
    try:
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > SIZE_LIMIT:
                raise requests.exceptions.ContentDecodingError(f"more than {SIZE_LIMIT >> 20} MiB")
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as broken:
        if isinstance(broken, requests.RequestException):
            raise
        kind = requests.Timeout if late.is_set() else requests.ConnectionError
        raise kind(type(broken).__name__) from broken
    finally:
        timer.cancel()
    if late.is_set():
        raise requests.Timeout("the deadline")
    return bytes(body)


def _unreachable(broken: requests.RequestException, host: str) -> NotSent | BrokenOff | NotAlma:
    """Tell what certainly did not arrive from what may have arrived.

    Only failures that urllib3 raises before it sends anything count as not sent. The exception's text
    is not used: it quotes the URL.
    """
    import ssl

    import requests
    import urllib3.exceptions as reasons

    cause = getattr(broken.args[0], "reason", None) if broken.args else None
    refused_certificate = isinstance(broken, requests.exceptions.SSLError) and isinstance(
        getattr(cause, "args", [None])[0], ssl.SSLCertVerificationError
    )
    if refused_certificate:
        return NotSent(
            f"{host} could not prove that it is {host}.",
            why="Its certificate is not valid for this name, has expired, or is signed by nobody known here.",
            cure="Check region or base_url; REQUESTS_CA_BUNDLE names an inspecting proxy's certificate.",
        )
    if isinstance(broken, requests.exceptions.SSLError):
        return BrokenOff(
            f"No secure connection to {host} came about.", cure="Check region, base_url and any proxy."
        )
    if isinstance(cause, reasons.NameResolutionError):
        return NotSent(
            f"There is no host {host}, or no name server answers.",
            cure="Check region or base_url in the ini, and this machine's network.",
        )
    if isinstance(cause, (reasons.NewConnectionError, reasons.ConnectTimeoutError, reasons.ProxyError)):
        return NotSent(
            f"No connection to {host} could be made.",
            cure="Check this machine's network and proxy settings (HTTPS_PROXY), or try again later; "
            "for a server of your own, whether it is running.",
        )
    if isinstance(broken, requests.exceptions.ContentDecodingError):
        return NotAlma(
            f"The answer of {host} is damaged or larger than {SIZE_LIMIT >> 20} MiB.",
            cure="Alma does not answer so: check region or base_url in the ini.",
        )
    why = "The time limit was reached." if isinstance(broken, requests.Timeout) else "The connection broke."
    return BrokenOff(
        f"{host} did not answer completely.", why=why, cure="Try again; if it stays, Alma may be down."
    )


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
        except urllib3.exceptions.InvalidHeader:
            pass
    return random.uniform(0, 0.5 * 2**attempt)  # noqa: S311  # no secret
