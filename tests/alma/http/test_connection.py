"""What nobody waits for any more is neither sent nor read, and a start has a connection of its own."""

from __future__ import annotations

import importlib
import random
import socket
import ssl
import sys
import threading
import time
import types
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from almajob.alma.api_key import Key
from almajob.alma.http.session import Session
from almajob.alma.http.timeouts import TimeLimits
from almajob.errors import BrokenOff, NotSent, Refused
from tests.support.fake_alma import KEY
from tests.support.forks import fork
from tests.support.raw_server import RawServer, read_request, saying

HEAD = b"HTTP/1.1 200 OK\r\n"
# What comes at first, what comes again and again, and the seconds in between.
ENDLESS = {
    "a byte of the status line": (b"HTTP/1.1 2", b"0", 0.02),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 9999\r\n\r\n", b" ", 0.02),
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


def _join_all_but(before: set[threading.Thread]) -> None:
    """Wait until every thread has ended that was not there before."""
    end = time.monotonic() + WAITS
    while (left := set(threading.enumerate()) - before) and time.monotonic() < end:
        for thread in left:
            # One that is just being started cannot be waited for.
            with suppress(RuntimeError):
                thread.join(0.1)
    assert not left


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
            session.get("/conf/test") if method == "GET" else session.write("POST", "/conf/test", {}, {})
        assert talk.is_cut.wait(WAITS)
        session.close()
    _join_all_but(before)


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
        session.write("POST", "/conf/jobs/M1", {"op": "run"}, {})
        session.get("/conf/test")
        session.close()
    assert talk.methods == [["GET", "GET", "GET"], ["POST"]]


def test_a_child_has_a_connection_of_its_own(tls: ssl.SSLContext | None) -> None:
    """Nothing is sent on the one of its parent, and it is not closed, not even when the child ends."""
    talk = KeptOpen()
    with RawServer(talk, tls) as server:
        session = Session(server.url, Key(KEY), TimeLimits(5, 5, 5))
        session.get("/conf/test")

        def look() -> None:
            session.get("/conf/test")
            session.close()

        fork(look)()
        session.get("/conf/test")
        session.close()
    assert talk.methods == [["GET", "GET"], ["GET"]]


START: tuple[str, str, dict[str, str | int], dict[str, Any]] = ("POST", "/conf/jobs/M1", {"op": "run"}, {})
FAR = "alma.invalid"
ANSWER = HEAD + b"Content-Length: 2\r\n\r\n{}"
Slow = Callable[[threading.Event], "tuple[RawServer, str]"]


def _authority(directory: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Be a server whose certificate is accepted, under two names."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", FAR).configure_cert(context)
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(directory / "ca.pem"))
    return context


@pytest.fixture(
    params=["the name", "the TLS handshake", "a proxy", "the TLS handshake behind a proxy", "SOCKS"]
)
def slow(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slow:
    """Make a server, and its address, to which a connection stands only when an event is set."""

    def make(gate: threading.Event) -> tuple[RawServer, str]:
        real = socket.getaddrinfo

        def resolve(*given: Any, **more: Any) -> Any:
            gate.wait(WAITS)
            return real(*given, **more)

        def tunnel(connection: socket.socket, _request: bytes) -> None:
            if request.param == "a proxy":
                gate.wait(WAITS)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            gate.wait(WAITS)
            with context.wrap_socket(connection, server_side=True) as secure:
                server.received.append(read_request(secure))
                secure.sendall(ANSWER)

        if request.param == "the name":
            monkeypatch.setattr(socket, "getaddrinfo", resolve)
            server = RawServer(saying(ANSWER))
            return server, server.url
        if request.param == "SOCKS":
            _speak_socks(gate, monkeypatch)
            server = RawServer(saying(ANSWER))
            monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{server.port}")
            return server, f"http://{FAR}"
        context = _authority(tmp_path, monkeypatch)
        if request.param == "the TLS handshake":
            server = RawServer(saying(ANSWER), context, before=lambda: gate.wait(WAITS))
            return server, server.url
        server = RawServer(tunnel)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
        return server, f"https://{FAR}"

    return make


def _speak_socks(gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace PySocks: urllib3 has a proxy of that kind, which connects when the event is set."""

    def create_connection(*_: object, proxy_addr: str, proxy_port: int, **__: object) -> socket.socket:
        gate.wait(WAITS)
        return socket.create_connection((proxy_addr, proxy_port))

    library: Any = types.ModuleType("socks")
    library.create_connection, library.ProxyError = create_connection, OSError
    library.socksocket, library.PROXY_TYPE_SOCKS5 = socket.socket, 2
    monkeypatch.setitem(sys.modules, "socks", library)
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks", raising=False)
    socks: Any = importlib.import_module("urllib3.contrib.socks")
    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", socks.SOCKSProxyManager)
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks")


def _received(server: RawServer, url: str, before: set[threading.Thread]) -> list[bytes]:
    """Return what a server has received, once all has arrived: a read on the same way comes last.

    Connections are accepted in their order, so one that was given up is counted before this read is answered.
    """
    _join_all_but(before)
    session = Session(url, Key(KEY), TimeLimits(WAITS, WAITS, WAITS))
    session.get("/conf/test")
    session.close()
    _join_all_but(before)
    return [request for request in server.received if b"GET /almaws/v1/conf/test" not in request]


def test_what_is_given_up_before_it_was_sent_never_is(slow: Slow) -> None:
    """That is certain, and told; when the connection stands at last, it carries nothing, nor the key."""
    gate = threading.Event()
    asked: list[int] = []
    server, url = slow(gate)
    with server:
        before = set(threading.enumerate())
        session = Session(url, Key(KEY), TimeLimits(WAITS, WAITS, 0.3))
        with pytest.raises(NotSent, match=r"was not reached in time\. Nothing was sent"):
            session.write(*START, before_sending=lambda: asked.append(1))
        gate.set()
        session.close()
        sent = b"".join(_received(server, url, before))
    assert asked == []
    assert server.connections == 2
    assert not [part for part in (b"POST", b"/conf/jobs", KEY.encode()) if part in sent]


def test_it_is_asked_once_directly_before_the_first_byte(slow: Slow) -> None:
    """When the connection stands, whatever it leads through; what a proxy is asked does not count."""
    gate = threading.Event()
    gate.set()
    asked: list[bytes] = []
    server, url = slow(gate)
    with server:
        session = Session(url, Key(KEY), TimeLimits(WAITS, WAITS, WAITS))
        session.write(*START, before_sending=lambda: asked.append(b"".join(server.received)))
        session.close()
    assert len(asked) == 1
    assert server.connections == 1
    assert b"POST" not in asked[0]
    assert b"".join(server.received).count(b"POST /") == 1


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (NotSent("Too old."), "Too old."),
        (Refused("The ledger cannot be used."), "The ledger cannot be used."),
        (OSError(28, "No space left"), "Nothing was sent to 127.0.0.1"),
    ],
)
def test_whoever_is_asked_can_keep_it_from_being_sent(error: Exception, what: str) -> None:
    """Which is certain, whatever is raised."""

    def refuse() -> None:
        raise error

    with RawServer(saying(ANSWER)) as server:
        session = Session(server.url, Key(KEY), TimeLimits(WAITS, WAITS, WAITS))
        before = set(threading.enumerate())
        with pytest.raises(NotSent) as caught:
            session.write(*START, before_sending=refuse)
        session.close()
        assert _received(server, server.url, before) == [b""]
    assert caught.value.message.startswith(what)


def test_who_is_interrupted_before_it_was_sent_has_sent_nothing() -> None:
    """Ctrl-C while the connection is made."""
    with RawServer(saying(ANSWER)) as server:
        session = Session(server.url, Key(KEY), TimeLimits(WAITS, WAITS, WAITS))
        before = set(threading.enumerate())

        def interrupt() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            session.write(*START, before_sending=interrupt)
        session.close()
        assert _received(server, server.url, before) == [b""]


class Unread:
    """A talk that begins when an event is set, and reads as much as comes."""

    def __init__(self) -> None:
        self.count = 0
        self.is_over = threading.Event()

    def __call__(self, connection: socket.socket, request: bytes) -> None:
        self.count = len(request)
        try:
            while piece := connection.recv(2**20):
                self.count += len(piece)
        finally:
            self.is_over.set()


@pytest.mark.parametrize("size", [10**6, 5 * 10**7], ids=["the kernel has it all", "half of it waits here"])
def test_what_is_given_up_half_way_never_arrives_whole(size: int) -> None:
    """A server that reads on after the deadline gets no more than the kernel at its end had already."""
    gate = threading.Event()
    before = set(threading.enumerate())
    talk = Unread()
    with RawServer(talk, before=lambda: gate.wait(WAITS), unread=2**16) as server:
        session = Session(server.url, Key(KEY), TimeLimits(WAITS, WAITS, 1.0))
        with pytest.raises(BrokenOff, match="did not answer completely"):
            session.write("POST", "/conf/jobs/M1", {"op": "run"}, b"x" * size)
        gate.set()
        assert talk.is_over.wait(WAITS)
        session.close()
    _join_all_but(before)
    assert talk.count < size


def test_giving_up_and_sending_race() -> None:
    """Names that are resolved at the deadline, 200 times: what is told as not sent never arrives."""
    chance = random.Random(1)
    real = socket.getaddrinfo
    not_sent: list[bytes] = []

    def resolve(*given: Any, **more: Any) -> Any:
        time.sleep(chance.uniform(0.005, 0.02))
        return real(*given, **more)

    with RawServer(saying(ANSWER)) as server, pytest.MonkeyPatch.context() as patched:
        before = set(threading.enumerate())
        patched.setattr(socket, "getaddrinfo", resolve)
        for number in range(200):
            session = Session(server.url, Key(KEY), TimeLimits(WAITS, WAITS, 0.02))
            try:
                session.write("POST", f"/conf/jobs/M{number}", {}, {})
            except NotSent:
                not_sent.append(f"/conf/jobs/M{number} ".encode())
            except BrokenOff:
                pass
            session.close()
        patched.undo()
        sent = b"".join(_received(server, server.url, before))
    assert not_sent
    assert [path for path in not_sent if path in sent] == []
