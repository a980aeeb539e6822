"""A proxy between almajob and a simulator that does not pass everything on as it is."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Relay:
    """What a proxy does.

    Attributes:
        base_url: its address, with the path that is served.
        replays: answer each POST with the first one's answer, and pass it on no more.
        resends: pass each POST on twice, and answer with what came to the second.
        posts: how many came.
    """

    base_url: str = ""
    replays: bool = False
    resends: bool = False
    posts: int = 0
    _kept: tuple[int, list[tuple[str, str]], bytes] | None = field(default=None, repr=False)

    def answer(
        self, host: str, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return what the client is answered."""
        if method == "POST":
            self.posts += 1
            if self.replays and self._kept is not None:
                return self._kept
            if self.resends:
                _exchange(host, method, path, headers, body)
        found = _exchange(host, method, path, headers, body)
        if method == "POST" and self._kept is None:
            self._kept = found
        return found


def _exchange(
    host: str, method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request(method, path, body or None, {**headers, "Host": host})
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()
    finally:
        connection.close()


@contextmanager
def relay_to(base_url: str) -> Iterator[Relay]:
    """Run a proxy in front of a server for the length of a block."""
    relay = Relay()
    host = urlsplit(base_url).netloc

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, answer = relay.answer(
                host, self.command, self.path, dict(self.headers.items()), body
            )
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        relay.base_url = f"http://127.0.0.1:{server.server_port}{urlsplit(base_url).path}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            server.shutdown()
            thread.join()
