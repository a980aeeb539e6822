"""When it is believed that a listener knows of all ends: it has listened all the time, and lost none."""

from __future__ import annotations

import errno
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from almajob.alma.job_instances import Instance
from almajob.alma.models import Code, Job
from almajob.runs.wait.end_messages import KEPT_SECONDS, EndMessages, Message
from almajob.text.redaction import Secret
from almajob.webhook.application import Application
from almajob.webhook.signature import sign
from tests.support.listeners import make_message

DAY = 86400.0


@pytest.fixture
def messages(tmp_path: Path) -> Iterator[EndMessages]:
    """Those of a listener that has run for an hour and was heard just now."""
    made = EndMessages(tmp_path / "webhook")
    with made.listen():
        _set_time(made, "since", 3600)
        made.note_heard()
        yield made


def _set_time(messages: EndMessages, name: str, ago: float) -> None:
    moment = time.time() - ago
    os.utime(messages.directory / name, (moment, moment))


def _keep_end(messages: EndMessages, run_id: str = "1") -> None:
    messages.keep_end(Instance(run_id, status=Code("FAILED"), job=Job("S1", "A job")))


def test_what_a_listener_has_heard_is_believed(messages: EndMessages) -> None:
    """From when it began, with the runs that have ended."""
    _keep_end(messages)
    found = messages.find_records()
    assert found is not None
    assert [run.id for run in found.ends] == ["1"]
    assert abs(time.time() - 3600 - found.since) < 60
    assert abs(time.time() - found.heard_at) < 60


DOUBTS: dict[str, Callable[[EndMessages], object]] = {
    "a message is not decided": lambda messages: messages.keep(Message("2", "FAILED", time.time())),
    "Alma was not heard for an hour": lambda messages: _set_time(messages, "heard", 3601),
    "Alma was never heard": lambda messages: (messages.directory / "heard").unlink(),
    "the listener hangs": lambda messages: _set_time(messages, "alive", 400),
    "the clock went back": lambda messages: _set_time(messages, "alive", -60),
    "it is not known since when": lambda messages: (messages.directory / "since").unlink(),
    "what became of a run is damaged": lambda messages: (messages.directory / "ended" / "1.json").write_text(
        "{"
    ),
    "a run of which a message came has not ended": lambda messages: messages.note_gap(DAY),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_in_doubt_alma_is_asked(messages: EndMessages, doubt: str) -> None:
    """Whatever is not sure is not believed."""
    _keep_end(messages)
    DOUBTS[doubt](messages)
    assert messages.find_records() is None


def test_nothing_is_believed_where_nobody_listens(tmp_path: Path) -> None:
    """A listener that has ended has missed what came since."""
    made = EndMessages(tmp_path / "webhook")
    assert made.find_records() is None
    with made.listen():
        made.note_heard()
        assert made.find_records() is not None
    assert made.find_records() is None


def test_a_listener_begins_anew_after_a_pause(messages: EndMessages) -> None:
    """As that of a laptop that slept: only whoever asks Alma from then on may rely on it."""
    messages.note_alive()
    found = messages.find_records()
    assert found is not None
    assert found.since < time.time() - 3000
    _set_time(messages, "alive", 300)
    messages.note_alive()
    found = messages.find_records()
    assert found is not None
    assert found.since > time.time() - 60


def test_a_doubt_is_not_forgotten_by_another_one(messages: EndMessages) -> None:
    """A run that goes on for a day may end unheard, also where a message is lost meanwhile."""
    messages.note_gap(DAY / 2)
    messages.note_gap()
    assert messages.find_records() is None
    _set_time(messages, "since", -400 * DAY)
    # Nor does a clock that was wrong keep it from being believed for ever.
    messages.note_gap()
    assert messages.find_records() is not None


def test_ends_are_believed_for_as_long_as_they_are_kept(messages: EndMessages) -> None:
    """A listener that has run for a year has forgotten most of them."""
    _set_time(messages, "since", 365 * DAY)
    found = messages.find_records()
    assert found is not None
    assert time.time() - found.since < KEPT_SECONDS


@pytest.mark.parametrize("fault", ["it cannot be read", "it cannot be kept", ""])
def test_a_message_that_is_lost_is_a_doubt(
    messages: EndMessages, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Where it is signed, and so comes from Alma; what was asked before then is not relied on."""
    if fault == "it cannot be kept":
        monkeypatch.setattr(messages, "keep", _fail)
    secret = Secret("a-secret-of-the-webhook-Canary_47")
    application = Application(
        *(messages, [secret]), wake=lambda: None, is_healthy=lambda: True, write_metrics=lambda: ""
    )
    body = b"<" if fault == "it cannot be read" else make_message("7")
    headers = {"CONTENT_LENGTH": str(len(body)), "HTTP_X_EXL_SIGNATURE": sign(secret, body)}
    application({"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(body), **headers}, lambda *_: None)
    since = (messages.directory / "since").stat().st_mtime
    assert (time.time() - since < 60) is bool(fault)


def _fail(_message: Message) -> bool:
    raise OSError(errno.ENOSPC, "No space left on device")
