"""The ``requests`` session that carries every call: the key in one header, no redirects, no cookies.

Its exchanges end when nobody waits for them any more: nothing is sent later, and nothing is read. Where a
name server or a proxy takes its time, a request would otherwise go out long after it was given up. And a
server that sends a byte now and then, or interim answers without end, would keep a thread for as long as
it likes: each byte starts the time-out of the socket anew.

As ``requests`` is, this module is imported by the first call: most invocations are answered from the store.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import struct
import threading
from contextlib import suppress
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests.adapters
import requests.auth
import urllib3.exceptions

from almajob import __version__
from almajob.alma.api_key import Key
from almajob.alma.http.timeouts import AT_ONCE
from almajob.system.deadline import Task
from almajob.system.sharing.forks import connect_between_forks, forget_in_children

_thread = threading.local()


def connect(key: Key) -> requests.Session:
    """Make a session."""
    session = _OneHop()
    session.auth = _ApiKey(key)
    session.headers.update(
        {
            "Accept": "application/json",
            "User-Agent": f"almajob/{__version__}",
            # A proxy that keeps to the rules asks Alma then.
            "Cache-Control": "no-cache",
        }
    )
    # A Session is promised to be thread-safe only as long as nothing in it changes.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter(pool_maxsize=AT_ONCE, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _OneHop(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        # requests would read the whole body of one, even where it is not followed.
        return None


class _ApiKey(requests.auth.AuthBase):
    """Adds the key; unlike a header of the session, no .netrc replaces it."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"apikey {self._key.reveal()}"
        return request


class AbortableConnection:
    """The connection of one exchange in this thread: whoever waits for the answer can abort it.

    In its ``with`` block the session of ``connect`` sends and reads only as long as somebody waits.
    """

    def __init__(self, task: Task[Any]) -> None:
        self.task = task
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        forget_in_children(self)

    def forget_parent(self) -> None:
        """Close a forked child's copy; nothing that the child does aborts the exchange."""
        self._lock = threading.Lock()
        _close_copy(self._socket)
        self._socket = None

    def __enter__(self) -> None:
        _thread.connection = self

    def __exit__(self, *_: object) -> None:
        """Leave the connection to its owner alone."""
        # While it is being closed, nothing has its number any more, and a child would keep it open.
        with connect_between_forks(), self._lock:
            if self._socket is not None:
                self._socket.close()

    def begin(self, connected: socket.socket) -> None:
        """Make sure that somebody waits for the answer, directly before bytes of the request leave.

        Raises:
            Abandoned: nobody waits; where that is so before the first byte, none of them ever leaves.
            OSError: there is no descriptor left; likewise.
        """
        if self._socket is None:
            with connect_between_forks():
                self._socket = _duplicate(connected)
            self.task.ask_permission(self._abort)
        self.task.check_awaited()

    def _abort(self) -> None:
        """Cut the connection: no byte leaves any more, also none that the kernel still has to send."""
        with self._lock, suppress(OSError):
            if self._socket is not None:
                # Closed then, in the thread that this wakes, the connection is reset.
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._socket.shutdown(socket.SHUT_RDWR)


def _duplicate(connected: socket.socket) -> socket.socket:
    """Make a descriptor of one's own: when a connection is closed, its number may become another file's."""
    descriptor = os.dup(connected.fileno())
    try:
        return socket.socket(fileno=descriptor)
    except BaseException:
        # socket.fromfd would leave it open, and the connection with it.
        os.close(descriptor)
        raise


def _close_copy(connected: socket.socket | None) -> None:
    """Close a forked child's copy of a connection, also where a response is still being read from it.

    Nothing is sent for that, as TLS would to say goodbye: the connection is the parent's.
    """
    if connected is not None:
        with suppress(OSError):
            os.close(connected.detach())


class _Awaited(io.RawIOBase):
    """What comes from a socket, as long as somebody waits for it."""

    def __init__(self, raw: io.RawIOBase, task: Task[Any]) -> None:
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


class _Response(http.client.HTTPResponse):
    """Is read only as long as somebody waits."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        # A connection that the server closes is the response's alone.
        self._socket: socket.socket | None = sock
        forget_in_children(self)
        own = getattr(_thread, "connection", None)
        if own is not None:
            self.fp: Any = io.BufferedReader(_Awaited(self.fp.detach(), own.task))

    def _close_conn(self) -> None:
        # The last to have the socket closes it.
        with connect_between_forks():
            super()._close_conn()  # type: ignore[misc]  # it has no types

    def forget_parent(self) -> None:
        """Close a forked child's copy."""
        _close_copy(self._socket)
        self._socket = None


class _Connection(http.client.HTTPConnection):
    """Sends only as long as somebody waits."""

    response_class = _Response
    _is_connecting = False

    def connect(self) -> None:
        forget_in_children(self)
        self._is_connecting = True
        try:
            with connect_between_forks():
                super().connect()
        finally:
            self._is_connecting = False

    def close(self) -> None:
        # Its socket has no owner in between.
        with connect_between_forks():
            super().close()

    def forget_parent(self) -> None:
        """Close a forked child's copy."""
        _close_copy(self.sock)
        self.sock = None

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()
        own = getattr(_thread, "connection", None)
        if own is not None and self._is_connecting:
            # What a proxy is asked is no part of the request.
            own.task.check_awaited()
        elif own is not None:
            try:
                own.begin(self.sock)
            except OSError as error:
                raise urllib3.exceptions.NewConnectionError(self, str(error)) from error  # type: ignore[arg-type]
        super().send(data)


class _Adapter(requests.adapters.HTTPAdapter):
    """Has such connections, whatever its pools are: that of a SOCKS proxy has some of its own."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        _guard(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        is_new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **options)
        if is_new:
            _guard(manager)
        return manager


def _guard(manager: urllib3.PoolManager) -> None:
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _guard_pools(kind) for scheme, kind in pools.items()}


@cache
def _guard_pools(pools: type[urllib3.HTTPConnectionPool]) -> type[urllib3.HTTPConnectionPool]:
    connection = type("Connection", (_Connection, pools.ConnectionCls), {})
    return type("Pool", (pools,), {"ConnectionCls": connection})
