"""The simulator on a port: a threaded HTTP/1.1 server of the standard library, bound to this machine."""

from __future__ import annotations

import contextlib
import io
import os
import re
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from urllib.parse import unquote, urlsplit

from almajob.simulator.errors import GatewayRefusal
from almajob.simulator.faults import Reset
from almajob.simulator.gateway import KEYS
from almajob.simulator.http.host_check import WILDCARDS, HostCheck, is_loopback
from almajob.simulator.http.messages import BODY_LIMIT
from almajob.simulator.http.wsgi import Application
from almajob.simulator.institution import Institution

_IDLE_SECONDS = 60.0
_TICK_SECONDS = 0.1
# How much of a body that is too large is read before it is refused, in bytes.
_DRAINED = 64 * 2**20


class _Handler(BaseHTTPRequestHandler):
    """Hands each request of a connection to the WSGI application, and its answer back."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    # Buffered, so that an answer is one packet where it fits.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def serve(self) -> None:
        """Answer one request."""
        try:
            self._answer(self._read_body())
        except GatewayRefusal as refusal:
            self._refuse(refusal)
        except Reset:
            reset(self.connection)
            self.close_connection = True
        except OSError:
            # The client has gone.
            self.close_connection = True

    def _read_body(self) -> bytes:
        """Read the body.

        Raises:
            GatewayRefusal: it is none, or too large.
        """
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        size = self.headers.get("Content-Length", "0")
        if not re.fullmatch("[0-9]{1,12}", size):
            raise GatewayRefusal("INVALID_REQUEST")
        if int(size) > BODY_LIMIT:
            # Read to its end, or the client would not get to see the answer.
            for _ in range(min(int(size), _DRAINED) // BODY_LIMIT + 1):
                self.rfile.read(min(int(size), BODY_LIMIT))
            raise GatewayRefusal("REQUEST_TOO_LARGE")
        body = self.rfile.read(int(size))
        if len(body) != int(size):
            raise GatewayRefusal("INVALID_REQUEST")
        return body

    def _read_chunks(self) -> bytes:
        body = b""
        while True:
            size = self.rfile.readline(20).split(b";")[0].strip()
            if not re.fullmatch(b"[0-9a-fA-F]{1,8}", size):
                raise GatewayRefusal("INVALID_REQUEST")
            if len(body) + int(size, 16) > BODY_LIMIT:
                raise GatewayRefusal("REQUEST_TOO_LARGE")
            piece = self.rfile.read(int(size, 16))
            self.rfile.readline(1000)
            if not piece:
                return body
            body += piece

    def handle_expect_100(self) -> bool:
        """Send "100 Continue"; the base class would leave that in the buffer."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = serve  # noqa: N815

    def _answer(self, body: bytes) -> None:
        begun: list[tuple[str, list[tuple[str, str]]]] = []

        def start(
            status: str, headers: list[tuple[str, str]], _error: Any = None
        ) -> Callable[[bytes], object]:
            begun.append((status, headers))
            return self.wfile.write

        chunks = self.server.application(self._environ(body), start)
        status, headers = begun[0]
        self._head(status, headers)
        sent = 0
        for chunk in () if self.command == "HEAD" else chunks:
            self.wfile.write(chunk)
            self.wfile.flush()
            sent += len(chunk)
        if self.command != "HEAD" and dict(headers).get("Content-Length", str(sent)) != str(sent):
            # The answer was broken off on purpose; the client must not wait for the rest.
            self.close_connection = True

    def _head(self, status: str, headers: list[tuple[str, str]]) -> None:
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def _environ(self, body: bytes) -> dict[str, Any]:
        try:
            parts = urlsplit(self.path)
        except ValueError:
            parts = urlsplit("/?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": _decode_path(parts.path),
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server.server_address[1]),
            "SERVER_PROTOCOL": self.request_version,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https" if isinstance(self.connection, ssl.SSLSocket) else "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            environ.setdefault(f"HTTP_{name.upper().replace('-', '_')}", value)
        return environ

    def _refuse(self, refusal: GatewayRefusal) -> None:
        """Answer what is no request for Alma as its gateway does, and hang up."""
        # Of a malformed request not even the first line is known.
        command, path = getattr(self, "command", None) or "?", getattr(self, "path", "?")
        answer = self.server.application.refuse(refusal, command, path)
        self.close_connection = True
        self._head(f"{answer.status} Bad Request", [*answer.all_headers, ("Connection", "close")])
        if command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a malformed request; the base class would send a web page."""
        # Where it could not be told, the base class assumes HTTP/0.9, whose answers have no status.
        self.request_version = "HTTP/1.1"
        self._refuse(GatewayRefusal("INVALID_REQUEST"))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: stderr belongs to whoever runs meanwhile."""


def reset(connection: socket.socket) -> None:
    """Close a connection with RST instead of FIN: a linger time of zero does so."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], application: Application, tls: ssl.SSLContext | None
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.application = application
        self._tls = tls
        self.connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if self.application.institution.faults.take_refused():
            reset(request)
            return False
        return True

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the connection's own thread: a client that does not speak TLS holds up nobody else.
        if self._tls is not None:
            request.settimeout(_IDLE_SECONDS)
            request = self._tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore connections that broke."""


def _decode_path(path: str) -> str:
    """Decode a path, but leave a ``%2F`` within a segment as it is: it separates no segments."""
    return "/".join(unquote(segment).replace("/", "%2F") for segment in path.split("/"))


def _address(host: Any, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Simulator:
    """A running simulator; a context manager that stops it.

    Args:
        institution: what it serves; a new one where not given.
        host: the address it listens on; another than this machine's own is the caller's decision.
        port: or 0 for a free one.
        tls: to speak https.
        other_hosts: further hosts under which it is called, ``NAME`` or ``NAME:PORT``.

    Raises:
        OSError: it cannot listen there.
        ValueError: one of the other hosts is none.
    """

    def __init__(
        self,
        institution: Institution | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        other_hosts: Iterable[str] = (),
    ) -> None:
        self.institution = institution or Institution()
        self.key = KEYS[0].text
        hosts = HostCheck(host, 443 if tls else 80, other_hosts)
        self._application = Application(self.institution, hosts)
        self._server = _Server((host, port), self._application, tls)
        hosts.port = self.port
        self._scheme = "https" if tls else "http"
        self._host = host
        self._is_ours = True
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True),
            threading.Thread(target=self._send_webhooks, daemon=True),
        ]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def base_url(self) -> str:
        """The address, as ``base_url`` in the ini takes it; where it listens on all, that of this machine."""
        here = "::1" if self._host == "::" else "127.0.0.1"
        return f"{self._scheme}://{_address(here if self._host in WILDCARDS else self._host, self.port)}"

    @property
    def listens_on(self) -> str:
        """The address and the port that it listens on."""
        return _address(self._server.server_address[0], self.port)

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(str(self._server.server_address[0]))

    def __enter__(self) -> Simulator:
        for thread in self._threads:
            thread.start()
        return self

    def forget_parent(self) -> None:
        """Leave it to the parent process, in a child that was forked: its threads run there alone."""
        self._is_ours = False
        for inherited in (self._server.socket, *self._server.connections):
            # Not close(): a handler's thread still reads from it, as far as the socket knows.
            with contextlib.suppress(OSError):
                os.close(inherited.detach())

    def __exit__(self, *_: object) -> None:
        if not self._is_ours:
            return
        self._application.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def wait(self) -> None:
        """Wait until somebody stops it."""
        self._application.stopped.wait()

    def _send_webhooks(self) -> None:
        while not self._application.stopped.wait(_TICK_SECONDS):
            self.institution.webhooks.deliver_due()
