"""Questions at the terminal: asked on stderr, and only where somebody can answer."""

from __future__ import annotations

import io
import sys

import pytest

from almajob.system.terminal import asker, confirmer


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
