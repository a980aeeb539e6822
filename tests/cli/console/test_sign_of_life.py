"""A sign of life: on a terminal a line that comes and goes, in a log one line."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from almajob.cli.console import log_setup, sign_of_life
from almajob.cli.console.sign_of_life import hide_busy, show_busy
from almajob.testing import SimulatedAlma
from tests.cli.console.test_redrawn import Pty
from tests.conftest import Run
from tests.support.terminals import Terminal

PATIENCE = 10.0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes any time at all takes long."""
    monkeypatch.setattr(sign_of_life, "_SILENCE", 0.0)
    monkeypatch.setattr(sign_of_life, "_LONG_SILENCE", 0.0)
    monkeypatch.setattr(sign_of_life, "_TICK", 0.001)
    # What an earlier test waited for is over.
    monkeypatch.setattr(sign_of_life, "_SAME_WAIT", -1.0)
    monkeypatch.setattr(sign_of_life._SIGN, "_drawn", None)


@pytest.fixture
def pty(impatient: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pty]:
    """A terminal that is this process's stderr."""
    with ExitStack() as closing:
        terminal = Pty(closing)
        monkeypatch.setenv("TERM", "xterm")
        # pytest puts its own back before the test begins.
        monkeypatch.setattr(sign_of_life, "sys", SimpleNamespace(stderr=terminal.stream))
        log_setup.configure(terminal.stream, 1, None)
        yield terminal


def _until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not seen():
        assert time.monotonic() < end
        threading.Event().wait(0.001)


def _read_until(pty: Pty, word: str) -> str:
    read = [""]

    def seen() -> bool:
        read[0] += pty.read()
        return word in read[0]

    _until(seen)
    return read[0]


def test_a_line_comes_counts_and_goes(pty: Pty) -> None:
    """Drawn in its own place, and not there any more when the block is over."""
    found = [0]
    with show_busy(lambda: f"Reading jobs: {found[0]:,} of 10,000"):
        _read_until(pty, "\rReading jobs: 0 of 10,000")
        found[0] = 3200
        _read_until(pty, "\r\x1b[JReading jobs: 3,200 of 10,000")
    assert pty.read().endswith("\r\x1b[J")


def test_a_message_stands_above_the_line(pty: Pty) -> None:
    """The line is taken away for it, and drawn again."""
    with show_busy(lambda: "Looking for the run"):
        _read_until(pty, "Looking for the run")
        logging.getLogger("almajob").warning("Alma is slow.")
        assert "\r\x1b[JAlma is slow.\n" in _read_until(pty, "\n\rLooking for the run")


def test_what_was_shown_otherwise_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call right after a long wait, which had lines of its own, has not been waited for yet."""
    now = [1000.0]
    monkeypatch.setattr(sign_of_life, "time", SimpleNamespace(monotonic=lambda: now[0]))
    sign = sign_of_life._Sign()
    with sign.hide():
        now[0] += 60
    with sign.show(lambda: "Waiting for alma.example", is_minor=True):
        assert sign._begun == now[0]


def test_no_line_is_wider_than_the_terminal(pty: Pty) -> None:
    """It would begin another one, which nobody takes away."""
    pty.resize(30)
    with show_busy(lambda: "Waiting for Alma's answer to the start of a job"):
        _read_until(pty, "\rWaiting for Alma's answer…")


def test_what_is_within_comes_first_and_a_minor_part_not_at_all(pty: Pty) -> None:
    """The checks before a start read lists, and each call is a part of that."""
    with show_busy(lambda: "Checking"):
        _read_until(pty, "Checking")
        with show_busy(lambda: "Waiting for alma.example", is_minor=True):
            pty.read()
            _read_until(pty, "\r\x1b[JChecking")
        with show_busy(lambda: "Looking for the run"):
            pty.read()
            assert "Checking" not in _read_until(pty, "\r\x1b[JLooking for the run")
        _read_until(pty, "Checking")


def test_a_call_alone_says_for_how_long(pty: Pty) -> None:
    """Of it no end is known."""
    with show_busy(lambda: "Waiting for alma.example", is_minor=True):
        _read_until(pty, "Waiting for alma.example … 0 s")


def test_beside_a_wait_that_is_drawn_there_is_none(pty: Pty) -> None:
    """The runs have lines of their own."""
    with hide_busy():
        threads = threading.active_count()
        with show_busy(lambda: "Waiting for alma.example", is_minor=True):
            assert threading.active_count() == threads
    assert pty.read() == ""


def test_in_a_log_there_is_one_line(impatient: None, caplog: pytest.LogCaptureFixture) -> None:
    """However long it takes, and one only for calls that follow each other."""
    caplog.set_level("INFO", "almajob")
    with show_busy(lambda: "Reading jobs: 100 of 200"):
        _until(lambda: bool(caplog.messages))
    assert caplog.messages == ["Reading jobs: 100 of 200"]


def test_what_takes_long_for_sure_is_logged_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """And not again."""
    caplog.set_level("INFO", "almajob")
    with show_busy(lambda: "Starting in 5 min 00 s (--splay).", is_long=True):
        assert caplog.messages == ["Starting in 5 min 00 s (--splay)."]


def test_what_is_done_at_once_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """Nor has it anything to wait for."""
    with show_busy(lambda: "Reading jobs"):
        pass
    assert capfd.readouterr() == ("", "")


def test_a_slow_list_shows_that_it_is_read(simulated: SimulatedAlma) -> None:
    """After two seconds, and nothing of it is left beside the result."""
    simulated.faults.add("accepted-slow", "GET /conf/jobs", seconds=3)
    command = ("--env", "sandbox", "list", "--name", "gift", "-f", "value", "-c", "Name")
    with Terminal(*command, size=(20, 80)) as terminal:
        terminal.until(lambda text: text == "Reading jobs")
        assert terminal.end() == 0
        assert terminal.lines[0] == "gift"


@pytest.mark.parametrize(
    ("slow", "words", "shown"),
    [
        ("POST /conf/sets/*", "sets create Mine --ids ids.txt", "Making the set Mine: 1,000 of 2,501 ids"),
        ("GET /conf/jobs/*/instances", "history --category EXPORT", "Reading the runs of jobs: 1 of "),
        ("GET /conf/jobs/*/instances", "top --category EXPORT", "Reading the runs of jobs: 1 of "),
    ],
)
def test_what_takes_many_calls_says_how_far_it_is(
    simulated: SimulatedAlma, slow: str, words: str, shown: str
) -> None:
    """How much is done, and of how much; nothing of it is left beside the result."""
    Path("ids.txt").write_text("\n".join(str(99_700_000_000_561 + 10_000 * each) for each in range(2501)))
    simulated.faults.add("accepted-slow", slow, times=2, seconds=1.5)
    with Terminal("--env", "sandbox", *words.split(), "-f", "json", size=(20, 80)) as terminal:
        terminal.until(lambda text: shown in text)
        assert terminal.end() == 0


def test_with_q_there_is_nothing_in_a_pipe(simulated: SimulatedAlma, almajob_process: Run) -> None:
    """A mail of cron is for what somebody must do."""
    done = almajob_process(
        "-q", "--env", "sandbox", "run", "--job", "S9563600010000561", "--splay", "1s", "-f", "json"
    )
    assert (done.code, done.err) == (0, "")
