"""The server that the listener runs in: waitress, with limits, on a socket of its own or of systemd's.

waitress reads a request completely before a thread of its own gets it, so slow clients keep nobody waiting.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server

from almajob.webhook.application import LARGEST_MESSAGE

REQUEST_SECONDS = 10.0
"""How long a client may take to send a request, or do nothing."""
DRAIN_SECONDS = 10.0
"""How long requests that have begun are still answered at the end."""
_FIRST_SOCKET = 3
_CONNECTIONS = 500
_THREADS = 4
_LARGEST_HEADERS = 2**14
# What is larger goes to a temporary file, so that many large messages fill no memory.
_IN_MEMORY = 2**16
_TICK = 0.5


class NoSocket(Exception):
    """What systemd has passed on cannot be listened on."""


def take_socket(environ: Mapping[str, str]) -> socket.socket | None:
    """Return the socket that systemd listens on for this process; None where there is none.

    Raises:
        NoSocket: there are several, or it is not a socket of the internet's.
    """
    # https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = environ.get("LISTEN_FDS", "0")
    if count == "0":
        return None
    if count != "1":
        raise NoSocket(f"systemd has passed on {count} sockets, and one is needed")
    try:
        found = socket.socket(fileno=_FIRST_SOCKET)
    except OSError as error:
        raise NoSocket(f"what systemd has passed on is not a socket ({error.strerror})") from None
    if found.family not in (socket.AF_INET, socket.AF_INET6) or found.type != socket.SOCK_STREAM:
        raise NoSocket("what systemd has passed on is not a TCP socket")
    os.set_inheritable(_FIRST_SOCKET, False)
    return found


def open_socket(host: str, port: int) -> socket.socket:
    """Listen on an address.

    Raises:
        OSError: that is not possible.
    """
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((host, port), family=family)


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection whose client sends each request within a time, however slowly the parts come."""

    last_activity: float

    def handle_read(self) -> None:
        before, has_begun = self.last_activity, self.request is not None
        super().handle_read()
        if has_begun and self.request is not None:
            self.last_activity = before

    @property
    def is_busy(self) -> bool:
        """Whether a request is being read or answered."""
        return bool(self.requests or self.request is not None or self.total_outbufs_len)


class Server:
    """The server.

    Args:
        application: a WSGI application.
        listening: the socket.
        note_alive: called all the time, as long as requests are taken.
    """

    def __init__(
        self,
        application: Callable[..., Any],
        listening: socket.socket,
        note_alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._note_alive = note_alive
        # It logs each time that a thread has more than one request to do.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._map: dict[int, Any] = {}
        self._server = create_server(
            application,
            map=self._map,
            sockets=[listening],
            threads=_THREADS,
            connection_limit=_CONNECTIONS,
            channel_timeout=REQUEST_SECONDS,
            cleanup_interval=1,
            max_request_header_size=_LARGEST_HEADERS,
            max_request_body_size=LARGEST_MESSAGE,
            inbuf_overflow=_IN_MEMORY,
            clear_untrusted_proxy_headers=True,
            ident="almajob",
        )
        self._server.channel_class = _Channel
        self._is_stopped = False

    def stop(self) -> None:
        """End ``serve``; may be called by a signal handler."""
        self._is_stopped = True
        with suppress(OSError):
            self._server.pull_trigger()

    def serve(self) -> None:
        """Answer until ``stop``, then whatever has begun by then."""
        try:
            while not self._is_stopped:
                self._note_alive()
                self._turn()
            # Whoever connects now is refused, or waits for the next process where systemd listens.
            wasyncore.dispatcher.close(self._server)
            end = time.monotonic() + DRAIN_SECONDS
            while time.monotonic() < end and any(each.is_busy for each in self._list_channels()):
                self._turn()
        finally:
            self._server.task_dispatcher.shutdown()
            self._server.trigger.close()
            wasyncore.close_all(self._map)

    def _turn(self) -> None:
        wasyncore.loop(timeout=_TICK, use_poll=True, map=self._map, count=1)

    def _list_channels(self) -> list[_Channel]:
        return [each for each in list(self._map.values()) if isinstance(each, _Channel)]
