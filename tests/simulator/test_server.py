"""The simulator under bad requests, its control API, and its page."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from werkzeug.test import Client as WsgiClient

from almajob.simulator.certificate import tls_context
from almajob.simulator.clock import Clock
from almajob.simulator.institution import Institution
from almajob.simulator.server import Simulator
from almajob.simulator.wsgi import Application

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


HEAD = b" HTTP/1.1\r\nHost: x\r\nAuthorization: apikey simulator-sandbox-key\r\n"
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
    found = _send(simulator, request + request.replace(b"Host", b"Connection: close\r\nHost"))
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

    monkeypatch.setattr("almajob.simulator.world.World.job", buggy)
    answer = requests.get(f"{simulator.base_url}/almaws/v1/conf/jobs/M44", headers=HEADERS, timeout=5)
    assert (answer.status_code, "GENERAL_ERROR" in answer.text) == (500, True)
    assert "The simulator failed on GET jobs/M44" in caplog.text


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
