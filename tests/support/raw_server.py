"""A server on a loopback port that does with each connection what a test says: no library makes it behave."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable

Talk = Callable[[socket.socket, bytes], None]
"""Goes on with a connection, once its first request has been read."""
_MOST = 2**20


class RawServer:
    """Listens while it is entered; each connection has a thread of its own.

    Args:
        talk: what it does once it has read a request; it hangs up where the talk ends.
        tls: to speak https.
        patience: seconds until a request that is not complete counts as it is.
        before: called before anything is read of a connection, or TLS spoken.
        unread: bytes, about, that the kernel takes before they are read; as many as it likes where not given.

    Attributes:
        received: of each connection what was read before the talk began.
        connections: how many there were, those that asked for nothing included.
        stopped: set when the server stops, so that no talk outlasts its test.
    """

    def __init__(
        self,
        talk: Talk,
        tls: ssl.SSLContext | None = None,
        *,
        patience: float = 30.0,
        before: Callable[[], object] = lambda: None,
        unread: int = 0,
    ) -> None:
        self._talk = talk
        self._before = before
        self._patience = patience
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        if unread:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, unread)
        self.received: list[bytes] = []
        self.connections = 0
        self.stopped = threading.Event()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> RawServer:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(self._patience)
        self._before()
        # The client may hang up at any time.
        with contextlib.suppress(OSError), connection:
            if self._tls is None:
                self._answer(connection)
            else:
                with self._tls.wrap_socket(connection, server_side=True) as secure:
                    self._answer(secure)

    def _answer(self, connection: socket.socket) -> None:
        request = read_request(connection)
        self.received.append(request)
        if request:
            self._talk(connection, request)


def read_request(connection: socket.socket) -> bytes:
    """Read a request with its body; what breaks off is as long as it is."""
    received = b""
    while len(received) < _MOST:
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
        if b"\r\n\r\n" in received and len(body) >= int(length[1] if length else 0):
            break
        try:
            piece = connection.recv(2**16)
        except (TimeoutError, ConnectionError):
            break
        if not piece:
            break
        received += piece
    return received


def saying(answer: bytes) -> Talk:
    """Return what answers every request with these bytes, and hangs up."""

    def talk(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(answer)

    return talk
