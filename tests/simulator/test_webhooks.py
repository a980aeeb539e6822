"""JOB_END messages: challenge, signature, time-out and retries, to a listener that the test runs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from almajob.alma.documents import parse
from almajob.simulator import webhooks as webhooks_module
from almajob.simulator.clock import Clock
from almajob.simulator.institution import Institution

ERP = "ERP export using profile FINANCE"
SECRET = "itsasecret"


class Listener:
    """Answers challenges, keeps messages, and says what the test wants."""

    def __init__(self, server: HTTPServer) -> None:
        self.statuses: list[int] = []
        self.messages: list[Request] = []
        self.bare = False
        self.hold = threading.Event()
        self.hold.set()
        server.expect_request("/hook").respond_with_handler(self._answer)
        self.url = server.url_for("/hook")

    def _answer(self, request: Request) -> Response:
        challenge = request.args.get("challenge")
        if request.method == "GET":
            return Response(challenge if self.bare else json.dumps({"challenge": challenge}))
        self.messages.append(request)
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
    """Not before its end; with Alma's envelope, and links without a host."""
    _start(institution)
    institution.webhooks.listen(listener.url, SECRET)
    institution.clock.advance(3600)
    run_id = _start(institution)
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
    digest = hmac.new(b"itsasecret", b"The POST request body", hashlib.sha256).digest()
    assert base64.b64encode(digest).decode() == "e9SHoXK4MZrSGqhglMK4w+/u1pjYn0bfTEYtcFqj7CE="


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
    institution.clock.advance(3600)
    counts = []
    for hours in (0.9, 0.2, 2.9, 0.2, 5.9, 0.2, 100):
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


def test_forgotten_it_is_silent(institution: Institution, listener: Listener) -> None:
    """After a reset nobody is told anything."""
    institution.webhooks.listen(listener.url, SECRET)
    _start(institution)
    institution.reset()
    institution.clock.advance(3600)
    assert listener.messages == []


@pytest.mark.parametrize(
    ("url", "form"), [("ftp://x", "json"), ("x", "json"), ("http://127.0.0.1:9", "yaml")]
)
def test_what_is_no_listener_is_refused(institution: Institution, url: str, form: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="listener"):
        institution.webhooks.listen(url, SECRET, form)
