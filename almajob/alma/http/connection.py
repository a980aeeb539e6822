"""The ``requests`` session that carries every call: the key in one header, no redirects, no cookies.

Its exchanges end when nobody waits for them any more: nothing is sent later, and nothing is read. Where a
name server or a proxy takes its time, a request would otherwise go out long after it was given up. And a
server that sends a byte now and then, or interim answers without end, would keep a thread for as long as
it likes: each byte starts the time-out of the socket anew.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar

from almajob import __version__
from almajob.alma.api_key import Key
from almajob.system import deadline

if TYPE_CHECKING:
    import socket

    import requests.adapters
    import urllib3

AT_ONCE = 8
"""Connections that are kept, and calls that may be under way at once."""

T = TypeVar("T")
_thread = threading.local()


def connect(key: Key) -> requests.Session:
    """Make a session; ``requests`` is imported here and not before."""
    import http.cookiejar

    import requests

    class OneHop(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> None:
            # requests would read the whole body of one, even where it is not followed.
            return None

    session = OneHop()
    session.auth = _authorization(key)
    session.headers.update(
        {
            "Accept": "application/json",
            "User-Agent": f"almajob/{__version__}",
            # A proxy that keeps to the rules asks Alma then.
            "Cache-Control": "no-cache",
        }
    )
    # A Session is promised to be thread-safe only as long as nothing in it changes.
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    adapter = _make_adapter()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


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


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def within(seconds: float, exchange: Callable[[], T], before_sending: Callable[[], None] = lambda: None) -> T:
    """Do an exchange, as ``deadline.within`` does any work; what is given up is never sent later.

    Args:
        seconds: how long to wait.
        exchange: one request and its answer, by a session of ``connect``.
        before_sending: called directly before the first byte of the request leaves; it does not leave where
            this raises.

    Raises:
        DeadlinePassed: the time is over; ``was_permitted`` tells whether a byte of the request may have left.
        BaseException: whatever the exchange or ``before_sending`` raised.
    """

    def guarded(task: deadline.Task[T]) -> T:
        _thread.line = line = _Line(task)
        try:
            return exchange()
        finally:
            line.close()

    return deadline.within(seconds, guarded, before_sending)


class _Line:
    """The connection of one exchange, which whoever waits for the answer can cut.

    Args:
        task: the exchange.
    """

    def __init__(self, task: deadline.Task[Any]) -> None:
        self.task = task
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def begin(self, connected: socket.socket) -> None:
        """Make sure that somebody waits for the answer, directly before bytes of the request leave.

        Args:
            connected: carries them.

        Raises:
            GivenUp: nobody waits; where that is so before the first byte, none of them ever leaves.
            OSError: there is no descriptor left; likewise.
        """
        if self._socket is None:
            self._socket = _duplicate(connected)
            self.task.ask_permission(self._cut)
        self.task.check_awaited()

    def _cut(self) -> None:
        """Cut the connection: no byte leaves any more, also none that the kernel still has to send."""
        import socket
        import struct

        with self._lock, suppress(OSError):
            if self._socket is not None:
                # Closed then, in the thread that this wakes, the connection is reset.
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Leave the connection to its owner alone."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()


def _duplicate(connected: socket.socket) -> socket.socket:
    """Make a descriptor of one's own: when a connection is closed, its number may become another file's."""
    import os
    import socket

    descriptor = os.dup(connected.fileno())
    try:
        return socket.socket(fileno=descriptor)
    except BaseException:
        os.close(descriptor)
        raise


class _Awaited(io.RawIOBase):
    """What comes from a socket, as long as somebody waits for it."""

    def __init__(self, raw: io.RawIOBase, task: deadline.Task[Any]) -> None:
        self._raw = raw
        self._task = task

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._task.check_awaited()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _make_adapter() -> requests.adapters.HTTPAdapter:
    """Make the adapter of a session whose exchanges end when nobody waits for them."""
    import requests.adapters

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options)
            _guard(self.poolmanager)

        def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
            is_new = proxy not in self.proxy_manager
            manager = super().proxy_manager_for(proxy, **options)
            if is_new:
                _guard(manager)
            return manager

    return Adapter(pool_maxsize=AT_ONCE, max_retries=0)


def _guard(manager: urllib3.PoolManager) -> None:
    # Whatever its pools are: that of a SOCKS proxy has some of its own.
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _guard_pools(kind) for scheme, kind in pools.items()}


@cache
def _guard_pools(pools: type[urllib3.HTTPConnectionPool]) -> type[urllib3.HTTPConnectionPool]:
    """Make pools whose connections send, and are read, only as long as somebody waits."""
    import http.client

    import urllib3.exceptions

    class Response(http.client.HTTPResponse):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            line = getattr(_thread, "line", None)
            if line is not None:
                self.fp: Any = io.BufferedReader(_Awaited(self.fp.detach(), line.task))

    class Connection(http.client.HTTPConnection):
        response_class = Response
        _is_connecting = False

        def connect(self) -> None:
            self._is_connecting = True
            try:
                super().connect()
            finally:
                self._is_connecting = False

        def send(self, data: Any) -> None:
            if self.sock is None and self.auto_open:
                self.connect()
            line = getattr(_thread, "line", None)
            if line is not None and self._is_connecting:
                # What a proxy is asked is no part of the request.
                line.task.check_awaited()
            elif line is not None:
                try:
                    line.begin(self.sock)
                except OSError as error:
                    raise urllib3.exceptions.NewConnectionError(self, str(error)) from error  # type: ignore[arg-type]
            super().send(data)

    connection = type("Connection", (Connection, pools.ConnectionCls), {})
    return type("Pool", (pools,), {"ConnectionCls": connection})
