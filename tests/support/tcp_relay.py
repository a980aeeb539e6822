"""A network between a program and a server: it loses a message, breaks, or swallows everything."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class TcpRelay:
    """Passes bytes on between clients and a server of this machine.

    Attributes:
        port: where clients connect.
        sent: how many pieces clients have sent, each of which is one or more whole messages of theirs.
        cut_at: the number of the piece with which the connection breaks; 0 for none.
        is_answer_lost: that piece still reaches the server, and its answer is lost.
        is_silent: nothing is passed on any more, and nobody is told.
        is_down: whoever connects is shut out at once.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.sent = 0
        self.cut_at = 0
        self.is_answer_lost = False
        self.is_silent = False
        self.is_down = False
        self._open: list[socket.socket] = []
        self._turn = threading.Lock()

    def break_connections(self) -> None:
        """Break all connections that are open."""
        with self._turn:
            broken, self._open = self._open, []
        for each in broken:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def serve(self) -> None:
        """Accept clients until it is closed."""
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self.is_down:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._server_port))
            with self._turn:
                self._open += [client, server]
            lost = threading.Event()
            for work in (
                lambda c=client, s=server, x=lost: self._pass_requests(c, s, x),
                lambda c=client, s=server, x=lost: self._pass_answers(s, c, x),
            ):
                threading.Thread(target=work, daemon=True).start()

    def close(self) -> None:
        """Stop, and break whatever is open."""
        # An accept that waits is not woken by close.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.break_connections()

    def _pass_requests(self, client: socket.socket, server: socket.socket, is_lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while piece := client.recv(2**16):
                self.sent += 1
                if self.is_silent:
                    continue
                if self.sent == self.cut_at:
                    if not self.is_answer_lost:
                        break
                    is_lost.set()
                server.sendall(piece)
        self._end(client, server)

    def _pass_answers(self, server: socket.socket, client: socket.socket, is_lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while (piece := server.recv(2**16)) and not is_lost.is_set():
                if not self.is_silent:
                    client.sendall(piece)
        self._end(client, server)

    def _end(self, *both: socket.socket) -> None:
        for each in both:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def relay_to_port(server_port: int) -> Iterator[TcpRelay]:
    """Run such a network in front of a server for the length of a block."""
    relay = TcpRelay(server_port)
    serving = threading.Thread(target=relay.serve, daemon=True)
    serving.start()
    try:
        yield relay
    finally:
        relay.close()
        serving.join()
