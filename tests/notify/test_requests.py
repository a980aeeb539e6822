"""What chats, checks and webhooks get: each request as a real server on a loopback port sees it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from almajob.errors import ConfigurationError
from almajob.notify.notifier import SendFailed
from almajob.notify.webhook import fill_in
from almajob.runs.observers.events import ObservedAlert, ObservedVerdict
from tests.support.notifications import ENDED, make, make_named, make_notifier

TOKEN = "T0K3N-of.a~webhook/B0123456789"
GOLDENS = Path(__file__).with_name("goldens")


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1") as running:
        running.expect_request("/status/500").respond_with_data("no <b>", status=500)
        running.expect_request("/moved").respond_with_data("", status=302, headers={"Location": "/hook"})
        yield running


def _send(directory: Path, server: HTTPServer, given: Mapping[str, object], **changes: object) -> Request:
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        request.get_data(cache=True)
        seen.append(request)
        return Response("ok")

    server.expect_request(f"/hook/{TOKEN}").respond_with_handler(answer)
    for ending in ("start", "0", "3", "9", "log"):
        server.expect_request(f"/hook/{TOKEN}/{ending}").respond_with_handler(answer)
    settings = {"url": server.url_for(f"/hook/{TOKEN}"), **given}
    make_notifier(directory, settings).send(make(**changes))
    (request,) = seen
    return request


def _compare(name: str, document: Any) -> None:
    assert document == json.loads((GOLDENS / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("kind", ["slack", "teams", "webhook"])
def test_each_gets_what_it_takes(tmp_path: Path, server: HTTPServer, kind: str) -> None:
    """As it was written down once, and looked at."""
    request = _send(tmp_path, server, {"type": kind})
    assert request.method == "POST"
    assert request.content_type == "application/json"
    document = json.loads(request.data)
    if kind == "webhook":
        # The text has a local time.
        assert document.pop("text") == make().text
    else:
        text = json.dumps(document)
        document = json.loads(text.replace(ENDED.at.astimezone().isoformat(" ", "seconds"), "LOCAL"))
    _compare(kind, document)


def test_slack_gets_no_markup_from_a_name(tmp_path: Path, server: HTTPServer) -> None:
    """Neither a link, nor a mention of everybody, nor the end of what is shown as it is."""
    name = "<!channel> ``` <https://example.org|click> &"
    text = json.loads(_send(tmp_path, server, {"type": "slack"}, run=_named(name)).data)["text"]
    assert "<" not in text
    assert text.count("```") == 3


def _named(name: str) -> Any:
    return replace(ENDED.run, job_name=name)


def test_mattermost_may_get_another_channel(tmp_path: Path, server: HTTPServer) -> None:
    """Slack ignores it."""
    document = json.loads(_send(tmp_path, server, {"type": "slack", "channel": "town"}).data)
    assert document["channel"] == "town"


def test_teams_gets_no_link_from_a_name_and_no_card_that_is_too_large(
    tmp_path: Path, server: HTTPServer
) -> None:
    """It refuses more than 28 KB."""
    alerts = tuple(ObservedAlert("x", "[click](https://example.org) " * 20) for _ in range(2000))
    request = _send(tmp_path, server, {"type": "teams"}, alerts=alerts)
    assert len(request.data) < 28_000
    body = json.loads(request.data)["attachments"][0]["content"]["body"]
    assert "[click](" not in body[1]["text"].replace("\\[", "").replace("\\]", "")


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        ({}, "3"),
        ({"status": "COMPLETED_SUCCESS", "verdict": ObservedVerdict(True)}, "0"),
        ({"status": "COMPLETED_WARNING", "verdict": ObservedVerdict(True)}, "0"),
    ],
)
def test_healthchecks_gets_the_exit_code_and_the_text(
    tmp_path: Path, server: HTTPServer, changes: dict[str, object], ending: str
) -> None:
    """With the text as the body, of which it keeps 100,000 bytes; a query stays behind."""
    request = _send(tmp_path, server, {"type": "healthchecks"}, **changes)
    assert request.path == f"/hook/{TOKEN}/{ending}"
    assert b"Process ID:   9563643081200561" in request.data
    server.clear()
    settings = {"type": "healthchecks", "url": server.url_for(f"/hook/{TOKEN}/?create=1")}
    request = _send(tmp_path, server, settings, **changes)
    assert request.path == f"/hook/{TOKEN}/{ending}"
    assert request.query_string == b"create=1"


def test_a_webhook_takes_a_method_headers_a_token_and_a_template(tmp_path: Path, server: HTTPServer) -> None:
    """A fact that stands alone keeps its type; a name with quotes breaks no JSON."""
    body = '{"title": "{kind}: {job_name}", "ok": "{passed}", "list": ["{seconds}", 1], "none": "{nothing}"}'
    given = {
        "type": "webhook",
        "method": "put",
        "token": "Token-of-a-test",
        "body": f"'{body}'",
        "headers": "X-Team: systems, X-Key: a=b, c",
    }
    request = _send(tmp_path, server, given, run=_named('"}{kind}\\'))
    assert request.method == "PUT"
    assert request.headers["Authorization"] == "Bearer Token-of-a-test"
    assert (request.headers["X-Team"], request.headers["X-Key"]) == ("systems", "a=b, c")
    assert json.loads(request.data) == {
        "title": 'bad: "}{kind}\\',
        "ok": False,
        "list": [3900.0, 1],
        "none": None,
    }


def test_a_template_is_filled_in_once() -> None:
    """What a fact has in braces stays as it is."""
    assert fill_in({"a": "{x}{y}"}, {"x": "{y}", "y": 2}) == {"a": "{y}2"}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/status/500", "127.0.0.1: HTTP 500: no <b>"),
        # Whoever it leads to would get what is sent.
        ("/moved", "127.0.0.1: HTTP 302"),
    ],
)
def test_what_is_no_success_is_a_failure(tmp_path: Path, server: HTTPServer, path: str, message: str) -> None:
    """Said without the address."""
    notifier = make_notifier(tmp_path, {"type": "webhook", "url": server.url_for(path)})
    with pytest.raises(SendFailed) as failed:
        notifier.send(make())
    assert str(failed.value) == message
    assert not failed.value.is_down


def test_a_server_that_is_gone_or_silent_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whichever way it does not answer."""
    monkeypatch.setattr("almajob.notify.http._SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{TOKEN}"
        with pytest.raises(SendFailed, match=r"127\.0\.0\.1: no answer") as failed:
            make_notifier(tmp_path, {"type": "slack", "url": url}).send(make())
        assert failed.value.is_down
    with pytest.raises(SendFailed, match=r"127\.0\.0\.1: Connection refused") as failed:
        make_notifier(tmp_path, {"type": "slack", "url": url}).send(make())
    assert TOKEN not in str(failed.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"type": "slack"}, "has no url"),
        ({"type": "slack", "url": "hooks"}, "not a web address"),
        ({"type": "slack", "url": "ftp://example.org/x"}, "not a web address"),
        ({"type": "slack", "url": "http://example.org/x"}, "in the clear"),
        ({"type": "webhook", "url": "https://example.org/x", "method": "GET"}, "method is one of"),
        ({"type": "webhook", "url": "https://example.org/x", "body": "{"}, "body is not JSON"),
        ({"type": "webhook", "url": "https://example.org/x", "headers": "x"}, "headers cannot be read"),
        ({"type": "healthchecks", "url": "https://hc-ping.com/uuid/start"}, "not that of a check"),
        ({"type": "slak", "url": "https://example.org/x"}, "there is no type 'slak'"),
        ({"url": "https://example.org/x"}, "its type is not known"),
        ({"type": "slack", "url": "https://example.org/x", "on": "bad, goood"}, "on takes other words"),
        ({"type": "command"}, "no command that can be read"),
        ({"type": "command", "command": "'"}, "no command that can be read"),
        ({"type": "apprise"}, "has no url"),
        ({"type": "apprise", "url": "nonsense"}, "Apprise cannot read the 1. address"),
    ],
)
def test_what_is_wrong_with_the_settings_is_said(
    tmp_path: Path, given: dict[str, object], message: str
) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigurationError) as refused:
        make_notifier(tmp_path, given).check()
    assert message in refused.value.message


def test_apprise_counts_a_part_that_fails_as_a_failure(tmp_path: Path, server: HTTPServer) -> None:
    """Its answer is an object, and true whatever it says."""
    seen: list[Any] = []

    def answer(request: Request) -> Response:
        seen.append(request.get_json())
        return Response("ok")

    server.expect_request(f"/good/{TOKEN}").respond_with_handler(answer)
    server.expect_request(f"/bad/{TOKEN}").respond_with_data("no", status=500)
    urls = [f"json://127.0.0.1:{server.port}/{way}/{TOKEN}" for way in ("good", "bad")]
    make_notifier(tmp_path, {"type": "apprise", "url": urls[0]}).send(make())
    assert seen[0]["title"] == make().subject
    assert seen[0]["type"] == "failure"
    assert "Process ID:   9563643081200561" in seen[0]["message"]
    with pytest.raises(SendFailed, match="1 of 2 services"):
        make_notifier(tmp_path, {"type": "apprise", "urls": ", ".join(urls)}).send(make_named("x"))
