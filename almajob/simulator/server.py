"""The simulator on a loopback port, for as long as somebody uses it."""

from __future__ import annotations

import threading
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from almajob.simulator.world import WorldFile
from almajob.simulator.wsgi import Application

KEY = "simulator-key"
"""The key that a simulator takes unless it is given another."""


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: stderr belongs to the command that runs meanwhile."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        # HTTPServer's own asks the name server for this machine's name, which may take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]
        self.setup_environ()


class Simulator:
    """A running simulator; a context manager that stops it.

    Args:
        world: what it serves.
        key: the API key that it takes.
    """

    def __init__(self, world: WorldFile, key: str = KEY) -> None:
        self.key = key
        self._server = _Server(("127.0.0.1", 0), _QuietHandler)
        self._server.set_app(Application(world, key))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def base_url(self) -> str:
        """The address, as ``base_url`` in the ini takes it."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Simulator:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
