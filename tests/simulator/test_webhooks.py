"""JOB_END messages: challenge, signature, time-out and retries, to a listener that the test runs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from almajob.alma.http.body_parser import parse
from almajob.simulator import webhooks as webhooks_module
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock

ERP = "ERP export using profile FINANCE"
SECRET = "itsasecret"


class Listener:
    """Answers challenges, keeps messages, and says what the test wants."""

    def __init__(self, server: HTTPServer) -> None:
        self.statuses: list[int] = []
        self.messages: list[Request] = []
        self.bare = False
        self.came = threading.Event()
        self.hold = threading.Event()
        self.hold.set()
        server.expect_request("/hook").respond_with_handler(self._answer)
        self.url = server.url_for("/hook")

    def _answer(self, request: Request) -> Response:
        challenge = request.args.get("challenge")
        if request.method == "GET":
            return Response(challenge if self.bare else json.dumps({"challenge": challenge}))
        self.messages.append(request)
        self.came.set()
        self.hold.wait(10)
        return Response("", self.statuses.pop(0) if self.statuses else 200)


@pytest.fixture
def listener(httpserver: HTTPServer) -> Listener:
    return Listener(httpserver)


@pytest.fixture
def institution() -> Iterator[Institution]:
    yield Institution(Clock(0, 1_760_000_000.0))


def _start(institution: Institution) -> str:
    job = next(job for job in institution.sandbox.jobs if job.name == ERP)
    return institution.sandbox.submit(job, []).id


@pytest.mark.parametrize("bare", [False, True])
def test_a_listener_answers_the_challenge(institution: Institution, listener: Listener, bare: bool) -> None:
    """As JSON or as the bare word."""
    listener.bare = bare
    assert institution.webhooks.listen(listener.url, SECRET)
    assert not institution.webhooks.listen("http://127.0.0.1:9/nobody", SECRET)


def test_the_end_of_a_run_is_told_once_and_signed(institution: Institution, listener: Listener) -> None:
    """Also of a run that went on when listening began; with Alma's envelope, and links without a host."""
    _start(institution)
    institution.clock.advance(3600)
    run_id = _start(institution)
    institution.webhooks.listen(listener.url, SECRET)
    institution.clock.advance(30)
    assert listener.messages == []
    institution.clock.advance(3600)
    institution.clock.advance(3600)
    (message,) = listener.messages
    body = message.get_data()
    signature = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
    assert message.headers["X-Exl-Signature"] == signature
    told = json.loads(body)
    assert (told["id"], told["action"], told["job_instance"]["id"]) == (run_id, "JOB_END", run_id)
    assert told["time"] == told["job_instance"]["end_time"]
    assert told["job_instance"]["link"].startswith("/almaws/v1/conf/jobs/")


def test_the_signature_is_almas() -> None:
    """The test vector of its documentation."""
    found = webhooks_module.signature(b"itsasecret", b"The POST request body")
    assert found == "e9SHoXK4MZrSGqhglMK4w+/u1pjYn0bfTEYtcFqj7CE="


def test_a_message_can_be_xml(institution: Institution, listener: Listener) -> None:
    """The same document in the other form."""
    institution.webhooks.listen(listener.url, SECRET, "xml")
    run_id = _start(institution)
    institution.clock.advance(3600)
    (message,) = listener.messages
    assert message.headers["Content-Type"] == "application/xml"
    assert parse(message.get_data())["job_instance"][0]["id"] == run_id


def test_a_failure_is_told_again_after_one_three_and_six_hours(
    institution: Institution, listener: Listener
) -> None:
    """Then never; four attempts in all."""
    listener.statuses = [500, 503, 500, 500, 200]
    institution.webhooks.listen(listener.url, SECRET)
    _start(institution)
    institution.clock.advance(60)
    counts = []
    for hours in (0.9, 0.2, 2.8, 0.2, 5.8, 0.2, 100):
        institution.clock.advance(hours * 3600)
        counts.append(len(listener.messages))
    assert counts == [1, 2, 2, 3, 3, 4, 4]
    (message,) = institution.webhooks.messages
    assert message.answers == [500, 503, 500, 500]
    assert message.due is None


def test_a_no_of_the_listener_is_final(institution: Institution, listener: Listener) -> None:
    """4xx is its own decision."""
    listener.statuses = [404]
    institution.webhooks.listen(listener.url, SECRET)
    _start(institution)
    institution.clock.advance(3600)
    institution.clock.advance(10 * 3600)
    assert len(listener.messages) == 1


def test_a_listener_that_takes_too_long_has_failed(
    institution: Institution, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five seconds, in Alma; shorter here."""
    assert webhooks_module.SECONDS == 5.0
    institution.webhooks.listen(listener.url, SECRET)
    monkeypatch.setattr(webhooks_module, "SECONDS", 0.3)
    listener.hold.clear()
    _start(institution)
    institution.clock.advance(3600)
    listener.hold.set()
    assert institution.webhooks.messages[0].answers == [0]
    institution.clock.advance(3601)
    assert institution.webhooks.messages[0].answers == [0, 200]


@pytest.mark.parametrize(
    "answer", [b"hello world\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", b""]
)
def test_an_odd_listener_has_failed_and_nothing_else_has(institution: Institution, answer: bytes) -> None:
    """No HTTP, a redirect, no answer at all: tried again later; the clock goes on."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                asked = connection.recv(65536).split(b" ")
                word = asked[1].partition(b"challenge=")[2]
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + word if asked[0] == b"GET" else answer)
                connection.shutdown(socket.SHUT_WR)
                # Closed with something unread, the connection would be reset.
                while connection.recv(65536):
                    pass

    threading.Thread(target=serve, daemon=True).start()
    assert institution.webhooks.listen(f"http://127.0.0.1:{server.getsockname()[1]}/", SECRET)
    _start(institution)
    institution.clock.advance(3600)
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    (message,) = institution.webhooks.messages
    assert message.answers == [302 if b"302" in answer else 0]
    assert message.due is not None


def test_a_listener_that_does_not_answer_the_challenge_gets_nothing(institution: Institution) -> None:
    """Nobody is sent what was not asked for."""
    assert not institution.webhooks.listen("http://127.0.0.1:9/nobody", SECRET)
    _start(institution)
    institution.clock.advance(3600)
    assert institution.webhooks.messages == []


def test_a_long_step_makes_all_the_attempts_that_were_due(
    institution: Institution, listener: Listener
) -> None:
    """Two days at once: four attempts."""
    listener.statuses = [500] * 9
    institution.webhooks.listen(listener.url, SECRET)
    _start(institution)
    institution.clock.advance(2 * 86400)
    assert institution.webhooks.messages[0].answers == [500] * 4


def test_a_running_simulator_sends_by_itself(listener: Listener) -> None:
    """Told to by its control API; nobody has to move its clock."""
    with Simulator(Institution(Clock(speed=10_000))) as running:
        url = f"{running.base_url}/simulator/webhooks"
        assert requests.post(url, json={"url": listener.url, "secret": SECRET}, timeout=10).json() == {
            "challenge_answered": True
        }
        run_id = _start(running.institution)
        assert listener.came.wait(20)
        assert json.loads(listener.messages[0].get_data())["id"] == run_id
        assert requests.get(url, timeout=10).json()[0]["run_id"] == run_id


def test_forgotten_it_is_silent(institution: Institution, listener: Listener) -> None:
    """After a reset nobody is told anything."""
    institution.webhooks.listen(listener.url, SECRET)
    _start(institution)
    institution.reset()
    institution.clock.advance(3600)
    assert listener.messages == []


@pytest.mark.parametrize(
    "host", ["192.0.2.7", "elsewhere.example", "0.0.0.0", "2130706433", "127.0.0.1.elsewhere.example", "[::]"]
)
def test_messages_go_to_this_machine_only(
    institution: Institution, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can call the control API cannot have another server called, unless its host was allowed."""
    called: list[str] = []

    def note(_method: str, url: str, *_: object) -> tuple[int, bytes]:
        called.append(url)
        return 0, b""

    # No test calls another machine.
    monkeypatch.setattr(webhooks_module, "_ask", note)
    with pytest.raises(ValueError, match="--webhook-host"):
        institution.webhooks.listen(f"http://{host}/hook", SECRET)
    assert (called, institution.webhooks.url) == ([], "")
    institution.webhooks.hosts.add(host.strip("[]"))
    assert not institution.webhooks.listen(f"http://{host.upper()}/hook", SECRET)
    assert len(called) == 1


@pytest.mark.parametrize(
    ("url", "form"), [("ftp://x", "json"), ("x", "json"), ("http://127.0.0.1:9", "yaml")]
)
def test_what_is_no_listener_is_refused(institution: Institution, url: str, form: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="listener"):
        institution.webhooks.listen(url, SECRET, form)
