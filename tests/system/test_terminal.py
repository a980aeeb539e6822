"""Questions at the terminal: asked on stderr, and only where somebody can answer."""

from __future__ import annotations

import io
import os
import sys
import termios
from typing import Any, cast

import pytest

from almajob.system.terminal import asker, confirmer, fit_message, has_colour, is_capable


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "is_yes"), [("y\n", True), ("YES\n", True), ("n\n", False), ("", False)])
def test_a_person_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, is_yes: bool
) -> None:
    """y or yes; all else is no. What could steer the terminal is spelled out."""
    monkeypatch.setattr(sys, "stdin", _Terminal(answer))
    monkeypatch.setattr(sys, "stderr", stderr := _Terminal())
    ask = asker()
    assert ask is not None
    assert ask("Run \x1b[2J\nIs it?") is is_yes
    line_end = "" if answer else "\n"
    assert stderr.getvalue() == f"Run \\x1b[2J\nIs it? [y/N] {line_end}"
    assert capsys.readouterr().out == ""


def test_a_question_is_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """How a line goes on is marked: nothing that is asked about can look like a line of its own."""
    monkeypatch.setenv("COLUMNS", "24")
    monkeypatch.setattr(sys, "stdin", _Terminal("y\n"))
    monkeypatch.setattr(sys, "stderr", stderr := _Terminal())
    ask = asker()
    assert ask is not None
    ask("Job: ERP export using profile FINANCE")
    assert stderr.getvalue().split("\n") == [
        *("Job: ERP export", "    | using profile", "    | FINANCE [y/N]"),
    ]


def test_what_is_no_text_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of another encoding: no traceback, and no id."""
    typed = io.TextIOWrapper(io.BytesIO(b"\xff\n"), "utf-8")
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", typed)
    monkeypatch.setattr(sys, "stderr", _Terminal())
    confirm = confirmer()
    assert confirm is not None
    assert confirm("Id") == "what is no text"


@pytest.mark.parametrize("stdin", [io.StringIO("y\n"), None])
def test_nobody_is_asked_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None
) -> None:
    """As in cron, or with stdin closed."""
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(sys, "stderr", _Terminal())
    assert asker() is None
    assert confirmer() is None


def test_a_command_in_a_message_is_broken_between_its_words() -> None:
    """It can be pasted as it stands: the name in quotes is on one line."""
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as terminal:
        termios.tcsetwinsize(slave, (24, 50))
        message = (
            "Nothing was sent.\n  almajob --env sandbox run --job 'ERP export using profile FINANCE' --wait"
        )
        assert fit_message(message, terminal).splitlines() == [
            "Nothing was sent.",
            "  almajob --env sandbox run --job \\",
            "      'ERP export using profile FINANCE' --wait",
        ]
    os.close(master)


@pytest.mark.parametrize(("term", "is_there"), [("xterm", True), ("dumb", False), ("", False), (None, False)])
def test_only_a_terminal_that_says_which_one_it_is_gets_control_sequences(
    monkeypatch: pytest.MonkeyPatch, term: str | None, is_there: bool
) -> None:
    """Colours as well."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    assert is_capable(_Terminal()) is has_colour(_Terminal()) is is_there


def test_what_is_no_terminal_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, a closed stream, and what some program has put in place of one."""
    monkeypatch.setenv("TERM", "xterm")
    closed = io.StringIO()
    closed.close()
    for stream in (io.StringIO(), closed, None, object()):
        assert not is_capable(cast("Any", stream))
