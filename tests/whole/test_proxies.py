"""Proxies and password files of the machine: none of them gets the key, or puts another in its place."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from tests.conftest import Run
from tests.support.fake_alma import KEY, STATUS_TABLE, FakeAlma, job, started
from tests.support.raw_server import RawServer, Talk, saying

ERP = "ERP export using profile FINANCE"
SIMULATORS_KEY = "simulator-sandbox-key"
HOST = "alma.invalid"
COMMANDS = {"list": ("list",), "run": ("run", "--job", ERP, "-f", "json")}
# Seconds; short where a proxy hangs.
PATIENT, SHORT = 10.0, 1.0


def _ini(deadline: float) -> str:
    limits = "".join(f"{name} = {deadline}\n" for name in ("deadline", "read_timeout", "connect_timeout"))
    return f"[sandbox]\napi_key = {SIMULATORS_KEY}\nbase_url = https://{HOST}\n{limits}"


@pytest.fixture
def far_alma(
    tmp_path: Path, write_ini: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Simulator]:
    """An Alma that only a proxy can reach: its name is known to nobody else."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    write_ini(_ini(PATIENT))
    with Simulator(Institution(), tls=context, other_hosts=[HOST]) as simulator:
        yield simulator


class Tunnel:
    """What a proxy does after CONNECT, and what it sees pass."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.seen = bytearray()

    def __call__(self, client: socket.socket, _request: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
            back.start()
            self._copy(client, server)
            back.join(10)

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(2**16):
                self.seen += piece
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@pytest.mark.usefixtures("ready_ledger")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_sees_where_the_call_goes_and_no_more(
    far_alma: Simulator, almajob: Run, monkeypatch: pytest.MonkeyPatch, variable: str, command: str
) -> None:
    """CONNECT and what is encrypted; its own password goes to it, the key does not."""
    tunnel = Tunnel(far_alma.port)
    with RawServer(tunnel) as proxy:
        monkeypatch.setenv(variable, f"http://proxyuser:proxyword@127.0.0.1:{proxy.port}")
        done = almajob("--env", "sandbox", *COMMANDS[command])
    assert done.code == 0, done.err
    assert far_alma.institution.log.count("POST *") == (command == "run")
    assert all(request.startswith(f"CONNECT {HOST}:443 ".encode()) for request in proxy.received)
    assert all(b"Proxy-Authorization: Basic " in request for request in proxy.received)
    assert not [request for request in proxy.received if b"apikey" in request]
    assert SIMULATORS_KEY.encode() not in tunnel.seen
    assert b"/almaws/" not in tunnel.seen


def _hanging(connection: socket.socket, _request: bytes) -> None:
    """Answer nothing; the client hangs up first."""
    with contextlib.suppress(OSError):
        connection.recv(1)


def _hanging_later(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while connection.recv(2**16):
        pass


PAGE = b"Content-Length: 20\r\n\r\n<html>Go away</html>"
PROXIES: dict[str, Talk] = {
    "asks for a password": saying(b"HTTP/1.1 407 Proxy Authentication Required\r\n" + PAGE),
    "refuses": saying(b"HTTP/1.1 403 Forbidden\r\n" + PAGE),
    "cannot reach it": saying(b"HTTP/1.1 502 Bad Gateway\r\n" + PAGE),
    "redirects": saying(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n"),
    "speaks something else": saying(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "says nonsense": saying(bytes(range(256)) * 10),
    "hangs up": saying(b""),
    "hangs up after CONNECT": saying(b"HTTP/1.1 200 OK\r\n\r\n"),
    "answers itself": saying(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n" + PAGE),
    "has many headers": saying(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n"),
    "hangs": _hanging,
    "hangs after CONNECT": _hanging_later,
}


@pytest.mark.usefixtures("ready_ledger")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("talk", PROXIES.values(), ids=PROXIES)
def test_a_proxy_that_does_not_work(
    far_alma: Simulator,
    almajob: Run,
    write_ini: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    talk: Talk,
    command: str,
) -> None:
    """Exit code 6 in time; nothing was started, which is certain; the password of the proxy is not shown."""
    deadline = SHORT if talk in (_hanging, _hanging_later) else PATIENT
    write_ini(_ini(deadline))
    with RawServer(talk) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://proxyuser:proxyword@127.0.0.1:{proxy.port}")
        begun = time.monotonic()
        done = almajob("--env", "sandbox", *COMMANDS[command])
        assert time.monotonic() - begun < deadline + 2
    assert done.code == 6
    assert "proxy" in done.err or "did not answer" in done.err
    assert "proxyword" not in done.err
    assert len(done.err.splitlines()) <= 6
    assert proxy.received
    assert not [request for request in proxy.received if SIMULATORS_KEY.encode() in request]
    assert far_alma.institution.log.total == 0
    if command == "run":
        assert json.loads(done.out)["retry_safe"] is True


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"HTTPS_PROXY": "{proxy}", "NO_PROXY": HOST}, f"The host {HOST} cannot be found"),
        ({"HTTPS_PROXY": "{proxy}", "no_proxy": ".invalid"}, f"The host {HOST} cannot be found"),
        ({"ALL_PROXY": "{proxy}", "NO_PROXY": "*"}, f"The host {HOST} cannot be found"),
        # It is for addresses that begin with http:, and there is no such call.
        ({"HTTP_PROXY": "{proxy}"}, f"The host {HOST} cannot be found"),
        ({"ALL_PROXY": "socks5://proxyuser:proxyword@127.0.0.1:9"}, "ALL_PROXY"),
        ({"HTTPS_PROXY": "http://proxyuser:proxyword@proxy.invalid:3128"}, "proxy settings"),
        ({"HTTPS_PROXY": "http://proxyuser:proxyword@127.0.0.1:1"}, "proxy settings"),
        ({"HTTPS_PROXY": "gopher://127.0.0.1:9"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://proxyuser:proxyword@127.0.0.1:port"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://"}, "HTTPS_PROXY"),
    ],
)
def test_settings_that_lead_past_the_proxy_or_nowhere(
    far_alma: Simulator, almajob: Run, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], part: str
) -> None:
    """Exit code 6, with the setting to look at; a password in it is not shown."""
    with RawServer(saying(b"")) as proxy:
        for name, value in settings.items():
            monkeypatch.setenv(name, value.format(proxy=f"http://127.0.0.1:{proxy.port}"))
        done = almajob("--env", "sandbox", "list")
    assert done.code == 6
    assert part in done.err
    assert "proxyword" not in done.err
    assert proxy.connections == 0


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"])
def test_no_proxy_is_asked_for_this_machine(
    site: FakeAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A call without TLS would show it the key."""
    site.jobs([job("S1", "ERP export")])
    with RawServer(saying(b"")) as proxy:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        assert almajob("--env", "sandbox", "list").code == 0
    assert proxy.connections == 0


@pytest.mark.usefixtures("ready_ledger")
@pytest.mark.parametrize(
    ("variable", "text"),
    [
        (None, "machine 127.0.0.1 login eve password other\n"),
        (None, "default login eve password other\n"),
        (None, "machine 127.0.0.1\nlogin\n"),
        (None, "\udcff"),
        ("NETRC", "default login eve password other\n"),
    ],
)
def test_a_netrc_replaces_no_key(
    site: FakeAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch, variable: str | None, text: str
) -> None:
    """Neither of a read nor of a start; not the one in HOME, nor another, nor a damaged one."""
    path = Path.home() / (".netrc" if variable is None else "other")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    if variable is not None:
        monkeypatch.setenv(variable, str(path))
    erp = job("S1", "ERP export")
    site.jobs([erp])
    site.on("POST /jobs/S1", started(erp, "77"))
    site.on("GET /jobs/S1/instances/77", {"id": "77", "status": {"value": "QUEUED"}})
    site.on("GET /code-tables/systemJobStatus", STATUS_TABLE)
    assert almajob("--env", "sandbox", "run", "--job", "ERP export").code == 0
    assert len(site.calls("POST")) == 1
    assert {request.headers["Authorization"] for request in site.requests} == {f"apikey {KEY}"}
