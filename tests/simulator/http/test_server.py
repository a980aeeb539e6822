"""The simulator under bad requests, its control API, and its page."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from werkzeug.test import Client as WsgiClient

from almajob.simulator.http.server import Simulator
from almajob.simulator.http.tls import tls_context
from almajob.simulator.http.wsgi import Application
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock

ERP = "S9563600010000561"
HEADERS = {"Authorization": "apikey simulator-sandbox-key", "Accept": "application/json"}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(Institution(Clock(0, 1_760_000_000.0))) as running:
        yield running


def _send(simulator: Simulator, raw: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=5) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while piece := connection.recv(65536):
            found += piece
    return found


# Without a Host: this file does not know the port yet.
HEAD = b" HTTP/1.1\r\nAuthorization: apikey simulator-sandbox-key\r\n"
RAW = {
    "no method": b"nonsense\r\n\r\n",
    "no path": b"GET\r\n\r\n",
    "unknown method": b"BREW /almaws/v1/conf/jobs" + HEAD + b"\r\n",
    "patch": b"PATCH /almaws/v1/conf/jobs/M44" + HEAD + b"\r\n",
    "path tricks": b"GET /almaws/v1/conf/jobs/../../../etc/passwd" + HEAD + b"\r\n",
    "escaped tricks": b"GET /almaws/v1/conf/%2e%2e/%2e%2e/secret" + HEAD + b"\r\n",
    "double slash": b"GET /almaws//v1/conf/jobs" + HEAD + b"\r\n",
    "outside": b"GET /etc/passwd" + HEAD + b"\r\n",
    "length of words": b"POST /almaws/v1/conf/test" + HEAD + b"Content-Length: many\r\n\r\n",
    "negative length": b"POST /almaws/v1/conf/test" + HEAD + b"Content-Length: -5\r\n\r\n",
    "no chunks": b"POST /almaws/v1/conf/test" + HEAD + b"Transfer-Encoding: Chunked\r\n\r\nnonsense\r\n\r\n",
    "huge chunks": b"POST /almaws/v1/conf/test" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n",
    "half a body": b"POST /almaws/v1/conf/jobs/S9563600010000561?op=run"
    + HEAD
    + b"Content-Length: 50\r\n\r\n{}",
    "brackets": b"GET http://[" + HEAD + b"\r\n",
    "huge body": b"POST /almaws/v1/conf/test" + HEAD + b"Content-Length: 99999999\r\n\r\n",
    "long line": b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(500)) + b"\r\n",
    "binary": bytes(range(256)) + b"\r\n\r\n",
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
def test_what_is_no_request_gets_almas_error_and_no_traceback(
    simulator: Simulator, raw: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the gateway's XML; the simulator goes on."""
    found = _send(simulator, raw)
    assert b" 400 " in found.split(b"\r\n")[0]
    assert b"<errorCode>" in found
    assert requests.get(f"{simulator.base_url}/almaws/v1/conf/test", headers=HEADERS, timeout=5).ok
    assert capfd.readouterr().err == ""


BODIES = {
    "garbage": b"{",
    "list": b"[1]",
    "deep": b'{"parameter":' + b"[" * 100_000,
    "wrong members": b'{"parameter": [1]}',
    "not a list": b'{"parameter": 7}',
    "half xml": b"<job><parameters>",
    "entities": b'<!DOCTYPE j [<!ENTITY a "x">]><job>&a;</job>',
    "not utf-8": b'{"parameter": "\xff"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_start_is_refused(simulator: Simulator, body: bytes) -> None:
    """Nothing is started by it."""
    answer = requests.post(
        f"{simulator.base_url}/almaws/v1/conf/jobs/{ERP}?op=run", data=body, headers=HEADERS, timeout=5
    )
    assert (answer.status_code, answer.json()["errorList"]["error"][0]["errorCode"]) == (400, "402119")
    assert simulator.institution.sandbox.runs() == []


def test_a_connection_is_kept_for_the_next_request(simulator: Simulator) -> None:
    """As Alma's gateway does: two requests, one connection."""
    request = b"GET /almaws/v1/conf/test" + HEAD + b"\r\n"
    found = _send(simulator, request + request.replace(b"Auth", b"Connection: close\r\nAuth"))
    assert found.count(b"HTTP/1.1 200 OK") == 2


def test_bodies_may_come_in_chunks_and_after_a_word_from_the_server(simulator: Simulator) -> None:
    """As many clients send them; the word comes before the body is waited for."""
    url = f"{simulator.base_url}/almaws/v1/conf/jobs/{ERP}?op=run"
    assert requests.post(url, data=iter([b"{", b"}"]), headers=HEADERS, timeout=5).ok
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=5) as connection:
        head = HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(b"POST /almaws/v1/conf/test" + head)
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"{}")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_head_has_no_body(simulator: Simulator) -> None:
    """Or the next answer on the connection would be read wrongly."""
    request = b"HEAD /almaws/v1/conf/test" + HEAD + b"Connection: close\r\n\r\n"
    assert _send(simulator, request).endswith(b"\r\n\r\n")


def test_a_bug_of_the_simulators_is_an_answer(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And not a connection that breaks off."""

    def buggy(*_: object, **__: object) -> None:
        raise TypeError

    monkeypatch.setattr("almajob.simulator.world.world.World.job", buggy)
    answer = requests.get(f"{simulator.base_url}/almaws/v1/conf/jobs/M44", headers=HEADERS, timeout=5)
    assert (answer.status_code, "GENERAL_ERROR" in answer.text) == (500, True)
    assert "The simulator failed on GET jobs/M44" in caplog.text


# What a page can send to another site without asking: texts and forms, and whatever an image or a link reads.
SENT = {
    "reset": ("POST", "/simulator/reset", b""),
    "clock": ("POST", "/simulator/clock", b'{"advance": 3600}'),
    "fault": ("POST", "/simulator/faults", b'{"name": "503"}'),
    "webhook": ("POST", "/simulator/webhooks", b'{"url": "http://127.0.0.1:9/"}'),
    "start": ("POST", f"/almaws/v1/conf/jobs/{ERP}?op=run&apikey=simulator-sandbox-key", b"{}"),
    "read": ("GET", "/almaws/v1/conf/jobs?apikey=simulator-sandbox-key", b""),
    "ask": ("OPTIONS", "/simulator/reset", b""),
}
ELSEWHERE = {
    "another site": {"Origin": "https://elsewhere.example"},
    "a file or a frame without rights": {"Origin": "null"},
    "another port of this machine": {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
    "an image": {"Sec-Fetch-Site": "cross-site"},
    "another host of the site": {"Sec-Fetch-Site": "same-site"},
}


def _as_client(simulator: Simulator, call: tuple[str, str, bytes], **headers: str) -> requests.Response:
    method, path, body = call
    headers = {"Content-Type": "text/plain", **headers}
    return requests.request(
        method, f"http://127.0.0.1:{simulator.port}{path}", data=body, headers=headers, timeout=5
    )


@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize("call", SENT.values(), ids=SENT)
def test_a_web_page_of_elsewhere_is_refused(
    simulator: Simulator, call: tuple[str, str, bytes], headers: dict[str, str]
) -> None:
    """HTTP 403, which says why; nothing has happened: no start, no call counted, the clock as it was."""
    before = _control(simulator, "GET", "state").json()
    answer = _as_client(simulator, call, **headers)
    assert (answer.status_code, "web pages of other sites" in answer.text) == (403, True)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert simulator.institution.log.total == 0
    assert _control(simulator, "GET", "state").json() == before


@pytest.mark.parametrize("call", SENT.values(), ids=SENT)
@pytest.mark.parametrize(
    "host",
    ["elsewhere.example", "elsewhere.example:{port}", "127.0.0.1:1", "localhost", "a@localhost:{port}"],
)
def test_a_name_that_was_made_to_lead_here_is_refused(
    simulator: Simulator, call: tuple[str, str, bytes], host: str
) -> None:
    """HTTP 421, also for what only reads: the page could see the answer."""
    for refused in (call, ("GET", "/simulator/state", b"")):
        answer = _as_client(simulator, refused, Host=host.format(port=simulator.port))
        assert (answer.status_code, "--allow-host" in answer.text) == (421, True)
    assert simulator.institution.log.total == 0
    assert simulator.institution.sandbox.runs() == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "127.0.0.2", "[::1]"])
@pytest.mark.parametrize("headers", [{}, {"Origin": "own"}, {"Sec-Fetch-Site": "none"}])
def test_who_calls_it_by_its_own_name_is_served(
    simulator: Simulator, host: str, headers: dict[str, str]
) -> None:
    """A client that sends no such header, its own page, and an address that somebody types."""
    own = f"{host}:{simulator.port}"
    given = {"Origin": f"http://{own}", "Sec-Fetch-Site": "same-origin"} if "Origin" in headers else headers
    assert _as_client(simulator, SENT["start"], Host=own, **given).ok
    assert _as_client(simulator, ("GET", "/simulator/", b""), Host=own, **given).ok
    assert len(simulator.institution.sandbox.runs()) == 1


def test_a_link_to_its_page_may_be_followed(simulator: Simulator) -> None:
    """What is below /simulator/ changes nothing when it is read, and no other page is shown it."""
    for path in ("", "state", "log", "faults", "clock", "webhooks"):
        call = ("GET", f"/simulator/{path}", b"")
        assert _as_client(simulator, call, **{"Sec-Fetch-Site": "cross-site"}).ok
    assert simulator.institution.log.total == 0


def test_further_hosts_can_be_named() -> None:
    """With a port, or for any; what is no host is refused at once."""
    with Simulator(Institution(Clock(0)), other_hosts=["Alma.test", "proxy.test:80"]) as running:
        state = ("GET", "/simulator/state", b"")
        for host in ("alma.test", "ALMA.test:1", "proxy.test:80"):
            assert _as_client(running, state, Host=host).ok
        for host in ("proxy.test", "proxy.test:81", "other.test"):
            assert _as_client(running, state, Host=host).status_code == 421
    for wrong in ("http://alma.test", "alma test", "a/b", "alma.test:port", ""):
        with pytest.raises(ValueError, match="is no host"):
            Simulator(Institution(Clock(0)), other_hosts=[wrong])


def _need_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize(("host", "here"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")])
def test_it_listens_where_it_is_told_to(host: str, here: str) -> None:
    """On all addresses it answers for each of them, as no page can claim one, and for no name but its own."""
    if ":" in host:
        _need_ipv6()
    with Simulator(Institution(Clock(0)), host=host) as running:
        assert running.base_url == f"http://{here}:{running.port}"
        shown = f"[{host}]" if ":" in host else host
        assert (running.listens_on, running.is_private) == (f"{shown}:{running.port}", host == "::1")
        url = f"{running.base_url}/simulator/state"
        answers = {
            name: requests.get(url, headers={"Host": f"{name}:{running.port}"}, timeout=5).status_code
            for name in ("192.0.2.7", socket.gethostname(), "elsewhere.example")
        }
        assert list(answers.values()) == ([421] * 3 if host == "::1" else [200, 200, 421])


def test_it_listens_on_this_machine_only(simulator: Simulator) -> None:
    """Unless told otherwise."""
    assert simulator._server.server_address[0] == "127.0.0.1"


def test_it_can_be_called_without_a_socket() -> None:
    """As any WSGI application."""
    client = WsgiClient(Application(Institution(Clock(0))))
    answer = client.get("/almaws/v1/conf/jobs", headers=HEADERS)
    assert answer.status_code == 200
    assert answer.json is not None


def test_it_speaks_tls() -> None:
    """With a certificate for this machine, which a client can be told to trust."""
    context, certificate = tls_context()
    with Simulator(Institution(Clock(0)), tls=context) as running:
        url = f"{running.base_url}/almaws/v1/conf/test"
        assert url.startswith("https://")
        assert requests.get(url, headers=HEADERS, verify=str(certificate), timeout=5).ok
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(url, headers=HEADERS, timeout=5)
        # One who does not speak TLS holds up nobody.
        with socket.create_connection(("127.0.0.1", running.port)):
            assert requests.get(url, headers=HEADERS, verify=str(certificate), timeout=5).ok


# --- control ---


def _control(simulator: Simulator, method: str, path: str, document: object = None) -> requests.Response:
    return requests.request(method, f"{simulator.base_url}/simulator/{path}", json=document, timeout=5)


def test_what_it_does_can_be_seen_and_changed(simulator: Simulator) -> None:
    """State, log, faults, clock, endings, runs and reset, from any language."""
    assert _control(simulator, "POST", "endings", {"job": ERP, "status": "FAILED", "seconds": 60}).ok
    assert (
        _control(simulator, "POST", "faults", {"name": "503", "on": "GET /conf/test", "times": 1}).json()[
            "fired"
        ]
        == 0
    )
    url = f"{simulator.base_url}/almaws/v1/conf"
    link = requests.post(f"{url}/jobs/{ERP}?op=run", json={}, headers=HEADERS, timeout=5).json()[
        "additional_info"
    ]["link"]
    assert requests.get(f"{url}/test", headers=HEADERS, timeout=5).status_code == 503
    assert _control(simulator, "POST", "clock", {"advance": 61}).json()["time"] == "2025-10-09T08:54:21.000Z"
    assert requests.get(link, headers=HEADERS, timeout=5).json()["status"]["value"] == "FAILED"
    log = _control(simulator, "GET", "log").json()
    assert [(entry["method"], entry["status"]) for entry in log] == [
        ("POST", 200),
        ("GET", 503),
        ("GET", 200),
    ]
    assert "simulator-sandbox-key" not in json.dumps(log)
    told = _control(simulator, "GET", "state").json()
    assert told["environments"]["SANDBOX"]["runs"] == 1
    assert _control(simulator, "GET", "faults").json()["planned"][0]["fired"] == 1
    assert _control(simulator, "DELETE", "faults").json() == {}
    assert _control(simulator, "POST", "reset").json() == {}
    told = _control(simulator, "GET", "state").json()
    assert (told["environments"]["SANDBOX"]["runs"], told["calls"], told["remaining_calls"]) == (
        0,
        0,
        100_000,
    )


def test_a_run_can_be_ended_from_outside(simulator: Simulator) -> None:
    """Alma's API cannot; people in Alma can."""
    url = f"{simulator.base_url}/almaws/v1/conf"
    link = requests.post(f"{url}/jobs/{ERP}?op=run", json={}, headers=HEADERS, timeout=5).json()[
        "additional_info"
    ]["link"]
    run_id = link.rsplit("/", 1)[1]
    assert _control(simulator, "POST", "runs", {"id": run_id, "status": "USER_ABORTED"}).ok
    assert requests.get(link, headers=HEADERS, timeout=5).json()["status"]["value"] == "USER_ABORTED"


def test_the_page_shows_it_all(simulator: Simulator) -> None:
    """For people, with what was called escaped."""
    requests.get(f"{simulator.base_url}/almaws/v1/conf/<script>", headers=HEADERS, timeout=5)
    shown = _control(simulator, "GET", "")
    assert shown.headers["Content-Type"].startswith("text/html")
    assert "reset-after" in shown.text
    assert "/conf/%3Cscript%3E" in shown.text or "&lt;script&gt;" in shown.text
    assert "<script>" not in shown.text


@pytest.mark.parametrize(
    ("method", "path", "document", "status"),
    [
        ("GET", "nowhere", None, 404),
        ("POST", "state", {}, 404),
        ("POST", "faults", {"name": "nonsense"}, 400),
        ("POST", "faults", {"name": "503", "times": "many"}, 400),
        ("POST", "faults", [], 400),
        ("POST", "clock", {"advance": -1}, 400),
        ("POST", "clock", {"speed": "fast"}, 400),
        ("POST", "runs", {"id": "77"}, 400),
        ("POST", "endings", {"status": "FAILED"}, 400),
        ("POST", "endings", {"job": "No such job", "status": "FAILED"}, 400),
        ("POST", "endings", {"job": ERP, "seconds": "x"}, 400),
        ("POST", "endings", {"job": ERP, "seconds": -1}, 400),
        ("POST", "endings", {"job": ERP, "status": "RUNNING"}, 400),
        ("POST", "endings", {"job": ERP, "status": ["FAILED"]}, 400),
        ("POST", "endings", {"job": ERP, "colour": "red"}, 400),
        ("POST", "clock", {"advance": 1e12}, 400),
        ("POST", "webhooks", {"url": "ftp://x"}, 400),
        ("POST", "webhooks", {"url": "http://127.0.0.1:9/a b"}, 400),
        ("POST", "webhooks", {"url": "http://127.0.0.1:port/"}, 400),
    ],
)
def test_a_wrong_control_call_says_what_there_is(
    simulator: Simulator, method: str, path: str, document: object, status: int
) -> None:
    """In JSON, with the reason."""
    answer = _control(simulator, method, path, document)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_the_certificate_needs_openssl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Python makes none; the error says so."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="openssl"):
        tls_context()


def test_the_clock_goes_as_it_is_told() -> None:
    """Forward only; at any speed from now on."""
    clock = Clock(0, 100.0)
    clock.advance(5)
    assert clock() == 105
    clock.set_speed(1_000_000)
    assert clock() >= 105
    clock.set_speed(0)
    stands = clock()
    assert clock() == stands
    for wrong in (-1.0, float("nan"), 1e12):
        with pytest.raises(ValueError, match=r"forward|speed"):
            clock.advance(wrong)
        with pytest.raises(ValueError, match=r"forward|speed"):
            clock.set_speed(wrong)
