"""Answers that are read only as long as somebody waits for them.

A server that sends a byte now and then, or interim answers without end, would otherwise keep a thread for as
long as it likes, long after the deadline: each byte starts the time-out of the socket anew.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from almajob import deadline

if TYPE_CHECKING:
    import requests.adapters
    import urllib3

T = TypeVar("T")
_thread = threading.local()


def within(seconds: float, exchange: Callable[[], T]) -> T:
    """Do an exchange, as ``deadline.within`` does any work; what comes after the time is not read."""

    def noticing(abandoned: threading.Event) -> T:
        _thread.abandoned = abandoned
        return exchange()

    return deadline.within(seconds, noticing)


class _Awaited(io.RawIOBase):
    """What comes from a socket, as long as somebody waits for it."""

    def __init__(self, raw: io.RawIOBase, abandoned: threading.Event) -> None:
        self._raw = raw
        self._abandoned = abandoned

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._abandoned.is_set():
            raise ConnectionAbortedError("Nobody waits for the answer any more.")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def adapter(connections: int) -> requests.adapters.HTTPAdapter:
    """Make the adapter of a session that reads its answers so.

    Args:
        connections: that are kept.
    """
    import requests.adapters
    import urllib3

    usual = {urllib3.HTTPConnectionPool, urllib3.HTTPSConnectionPool}

    def changed(manager: urllib3.PoolManager) -> None:
        # That of a SOCKS proxy has pools of its own.
        if set(manager.pool_classes_by_scheme.values()) <= usual:
            manager.pool_classes_by_scheme = _pools()

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options)
            changed(self.poolmanager)

        def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
            manager = super().proxy_manager_for(*args, **options)
            changed(manager)
            return manager

    return Adapter(pool_maxsize=connections, max_retries=0)


def _pools() -> dict[str, type[urllib3.HTTPConnectionPool]]:
    import http.client

    import urllib3
    import urllib3.connection

    class Response(http.client.HTTPResponse):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            abandoned = getattr(_thread, "abandoned", None)
            if abandoned is not None:
                self.fp: Any = io.BufferedReader(_Awaited(self.fp.detach(), abandoned))

    class Connection(urllib3.connection.HTTPConnection):
        response_class = Response

    class SecureConnection(urllib3.connection.HTTPSConnection):
        response_class = Response

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}
