"""Answers that nobody waits for any more are not read, and a start has a connection of its own."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
import trustme

from almajob.alma.key import Key
from almajob.alma.session import Session
from almajob.alma.timelimits import TimeLimits
from almajob.errors import BrokenOff
from tests.fake_alma import KEY
from tests.raw_server import RawServer

HEAD = b"HTTP/1.1 200 OK\r\n"
# What comes at first, what comes again and again, and the seconds in between.
ENDLESS = {
    "a byte of a header": (HEAD, b"x", 0.02),
    "a byte of the body": (HEAD + b"Content-Length: 9999\r\n\r\n", b" ", 0.02),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.0),
    "trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 1000, 0.0),
    "members of gzip": (
        HEAD + b"Content-Encoding: gzip\r\n\r\n",
        bytes.fromhex("1f8b08000000000002ff030000000000") + bytes(4),
        0.02,
    ),
}
WAITS = 10.0


class Endless:
    """A talk without end; it knows when the other side hung up."""

    def __init__(self, first: bytes, then: bytes, pause: float) -> None:
        self._parts = (first, then, pause)
        self.is_cut = threading.Event()

    def __call__(self, connection: socket.socket, _request: bytes) -> None:
        first, then, pause = self._parts
        try:
            connection.sendall(first)
            while not self.is_cut.wait(pause):
                connection.sendall(then)
        except OSError:
            self.is_cut.set()


@pytest.fixture(params=["http", "https"])
def tls(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext | None:
    """Without TLS and with it."""
    if request.param == "http":
        return None
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return context


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("first", "then", "pause"), ENDLESS.values(), ids=ENDLESS)
def test_an_answer_without_end_is_left_at_the_deadline(
    tls: ssl.SSLContext | None, first: bytes, then: bytes, pause: float, method: str
) -> None:
    """The server notices, and no thread is left behind."""
    talk = Endless(first, then, pause)
    before = set(threading.enumerate())
    with RawServer(talk, tls) as server:
        session = Session(server.url, Key(KEY), TimeLimits(5, 5, 0.3))
        with pytest.raises(BrokenOff, match="did not answer completely"):
            session.get("/conf/test") if method == "GET" else session.post("/conf/test", {}, {})
        assert talk.is_cut.wait(WAITS)
        session.close()
    end = time.monotonic() + WAITS
    while (left := set(threading.enumerate()) - before) and time.monotonic() < end:
        for thread in left:
            thread.join(0.1)
    assert not left


class KeptOpen:
    """A talk that answers each request of a connection, and notes of each connection what was asked."""

    def __init__(self) -> None:
        self.methods: list[list[str]] = []

    def __call__(self, connection: socket.socket, request: bytes) -> None:
        seen: list[str] = []
        self.methods.append(seen)
        answer = HEAD + b'Content-Length: 13\r\n\r\n{"test": "x"}'
        while request:
            seen.append(request.split()[0].decode())
            connection.sendall(answer)
            request = connection.recv(2**16)


def test_a_start_has_a_connection_of_its_own() -> None:
    """Reads share one. Nothing that they left over can be taken for the answer to the start."""
    talk = KeptOpen()
    with RawServer(talk) as server:
        session = Session(server.url, Key(KEY), TimeLimits(5, 5, 5))
        for _ in range(2):
            session.get("/conf/test")
        session.post("/conf/jobs/M1", {"op": "run"}, {})
        session.get("/conf/test")
        session.close()
    assert talk.methods == [["GET", "GET", "GET"], ["POST"]]
