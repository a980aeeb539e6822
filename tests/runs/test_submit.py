"""A start is one POST, and what came of it is said honestly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from werkzeug import Request, Response

from almajob.alma.api import Alma
from almajob.alma.key import Key
from almajob.alma.models import Job, Submission
from almajob.alma.session import Session, TimeLimits
from almajob.errors import AlmajobError, OutcomeUnknown
from almajob.runs import submit
from tests.fake_alma import KEY, FakeAlma, answer, error, job, started

ERP = job("S1", "ERP export")
FOUND = Job("S1", "ERP export")


@pytest.fixture
def connection(alma: FakeAlma) -> Iterator[Alma]:
    alma.jobs([ERP])
    made = Alma(Session(alma.url, Key(KEY), TimeLimits(2, 1, 2)))
    yield made
    made.close()


def _start(connection: Alma) -> submit.Started:
    return submit.start(connection, FOUND, environment="sandbox")


@pytest.mark.parametrize(
    "link",
    [
        "/almaws/v1/conf/jobs/{job}/instances/{id}",
        "https://api-na.hosted.exlibrisgroup.com/almaws/v1/conf/jobs/{job}/instances/{id}",
        "https://evil.invalid/almaws/v1/conf/jobs/{job}/instances/{id}",
    ],
)
def test_a_confirmed_start_names_its_run(alma: FakeAlma, connection: Alma, link: str) -> None:
    """One POST; the link's last segment is the run, wherever the link points."""
    alma.on("POST /jobs/S1", started(ERP, "77", link))
    found = _start(connection)
    assert found.instance_id == "77"
    assert found.submit_time == datetime(2025, 10, 5, 9, 11, 32, tzinfo=UTC)
    assert alma.calls() == ["POST /jobs/S1?op=run"]


@pytest.mark.parametrize("code", sorted(submit.REFUSAL_CODES))
def test_a_listed_refusal_proves_that_nothing_was_started(
    alma: FakeAlma, connection: Alma, code: str
) -> None:
    """It is raised as it is, after one POST."""
    alma.on("POST /jobs/S1", error(code), status=400)
    with pytest.raises(AlmajobError) as caught:
        _start(connection)
    assert not isinstance(caught.value, OutcomeUnknown)
    assert caught.value.exit_code in (4, 7, 10)
    assert len(alma.calls("POST")) == 1


def _slow(_request: Request) -> Response:
    import time

    time.sleep(1.5)
    return answer(started(ERP, "77"))


UNKNOWN = {
    "500": answer(error("GENERAL_ERROR"), 500),
    "500 with a refusal's code": answer(error("402222"), 500),
    "502 html": Response("<html>Bad Gateway</html>", 502, content_type="text/html"),
    "inner error": answer(error("402224"), 400),
    "unlisted code": answer(error("999999"), 400),
    "4xx without Alma's body": Response("Not Found", 404),
    "401 html": Response("<html>", 401, content_type="text/html"),
    "3xx": Response("", 302, {"Location": "https://evil.invalid/"}),
    "200 html": Response("<html>Please sign in</html>", 200, content_type="text/html"),
    "200 without a link": answer(ERP),
    "200 with the link of another job": answer(started(job("S2", "x"), "77")),
    "200 with half a link": answer(
        {**ERP, "additional_info": {"value": "Job no.", "link": "/almaws/v1/conf/jobs/S1"}}
    ),
    "200 cut off": Response(json.dumps(started(ERP, "77"))[:40], 200),
    "200 empty": Response("", 200),
    "201 error": answer(error("402224"), 201),
    "xml of an unknown encoding": Response(
        b'<?xml version="1.0" encoding="big5"?><job/>', 200, content_type="application/xml"
    ),
    "408 that speaks of an api key": Response("Timed out; request with API key was forwarded on.", 408),
    "plain text key error": Response("Invalid API Key", 400),
    "a superscript for an id": answer(started(ERP, "²")),
    "slow": _slow,
}


@pytest.mark.parametrize("outcome", UNKNOWN.values(), ids=UNKNOWN)
def test_everything_else_is_unknown_and_never_sent_again(
    alma: FakeAlma, connection: Alma, outcome: object
) -> None:
    """One POST, exit code 9, and what to do before the next one."""
    alma.on("POST /jobs/S1", outcome)
    with pytest.raises(OutcomeUnknown) as caught:
        _start(connection)
    assert len(alma.calls("POST")) == 1
    message = str(caught.value)
    assert "'ERP export' (S1)" in message
    assert "Do not start it again" in message
    assert "almajob --env sandbox status --id" in message
    assert len(message.splitlines()) <= 6


def test_a_bug_of_ours_while_the_answer_is_read_is_unknown_too(
    connection: Alma, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alma may have accepted the request."""

    def buggy(*_: object) -> None:
        raise TypeError

    monkeypatch.setattr(connection, "submit", buggy)
    with pytest.raises(OutcomeUnknown, match="It cannot be told") as caught:
        _start(connection)
    assert "TypeError" in caught.value.why


def test_an_interruption_during_the_start_is_not_silent(
    connection: Alma, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ctrl-C while the request is under way: Alma may have it."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(connection, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _start(connection)
    assert "It cannot be told whether" in caplog.text


@pytest.mark.parametrize(
    "sentence",
    [
        "Job no. 77",
        "Job no. 77 triggered on Sunday",
        "",
        f"triggered on Sun, 05 Oct 2025 09:11:32 +{'9' * 20}",
    ],
)
def test_a_sentence_that_cannot_be_read_is_no_failure(sentence: str) -> None:
    """The start is confirmed all the same."""
    found = submit.judge(FOUND, Submission("77", "S1", sentence), "sandbox")
    assert (found.instance_id, found.submit_time) == ("77", None)
