"""Lines that are drawn over again: what is written to a terminal for it."""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TextIO, cast

import pytest

from almajob.cli.console import log_setup
from almajob.cli.console.redrawn import Line, Redrawn, can_draw


class Pty:
    """A terminal in this process: ``stream`` writes to it, ``read`` is what has come there."""

    def __init__(self, closing: ExitStack) -> None:
        self.master, slave = os.openpty()
        closing.callback(os.close, self.master)
        attributes = termios.tcgetattr(slave)
        attributes[1] &= ~termios.OPOST
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        self.stream = closing.enter_context(os.fdopen(slave, "w", encoding="utf-8"))
        self.resize(80)

    def resize(self, columns: int, rows: int = 24) -> None:
        termios.tcsetwinsize(self.master, (rows, columns))

    def read(self) -> str:
        os.set_blocking(self.master, False)
        try:
            return os.read(self.master, 65536).decode()
        except BlockingIOError:
            return ""


@pytest.fixture
def pty() -> Iterator[Pty]:
    with ExitStack() as closing:
        yield Pty(closing)


def _line(text: str) -> Line:
    return Line(text, len(text))


def test_lines_are_drawn_in_the_place_of_those_before_and_taken_away(pty: Pty) -> None:
    """From the first of them, whatever their number was."""
    drawn = Redrawn(pty.stream)
    with drawn.open():
        drawn.draw([_line("one"), _line("two")])
        assert pty.read() == "\rone\ntwo"
        drawn.draw([_line("three")])
        assert pty.read() == "\r\x1b[1A\x1b[Jthree"
    assert pty.read() == "\r\x1b[J"


def test_a_narrower_terminal_has_broken_the_lines(pty: Pty) -> None:
    """All rows that they take now are cleared; where it is wider again they are one row each."""
    drawn = Redrawn(pty.stream)
    drawn.draw([_line("x" * 76), _line("y" * 20)])
    pty.read()
    pty.resize(30)
    drawn.draw([_line("z" * 26)])
    assert pty.read() == f"\r\x1b[3A\x1b[J{'z' * 26}"
    pty.resize(120)
    drawn.erase()
    assert pty.read() == "\r\x1b[J"


def test_never_more_is_cleared_than_the_screen_has(pty: Pty) -> None:
    """Where it became lower, too."""
    drawn = Redrawn(pty.stream)
    drawn.draw([_line("x" * 76)] * 6)
    pty.read()
    pty.resize(20, 3)
    drawn.erase()
    assert pty.read() == "\r\x1b[2A\x1b[J"


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGCONT])
def test_after_a_stop_nothing_is_cleared_that_others_wrote(
    pty: Pty, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Ctrl-Z clears the lines before the stop; SIGSTOP gives no time for it. Then they begin below."""
    real, stops = signal.raise_signal, []

    def stop(which: int) -> None:
        stops.append((which, signal.getsignal(which), pty.read()))

    drawn = Redrawn(pty.stream)
    with drawn.open():
        drawn.draw([_line("one"), _line("two")])
        pty.read()
        monkeypatch.setattr(signal, "raise_signal", stop)
        real(number)
        drawn.draw([_line("three")])
        assert pty.read() == "\rthree"
    # It is the system that stops the process, with the lines gone.
    assert stops == ([(number, signal.SIG_DFL, "\r\x1b[1A\x1b[J")] if number == signal.SIGTSTP else [])
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_terminal_that_was_closed_ends_nothing_else(pty: Pty) -> None:
    """There is nobody to see them any more."""

    class Closed:
        def fileno(self) -> int:
            return pty.stream.fileno()

        def write(self, _text: str) -> None:
            raise OSError(5, "Input/output error")

    drawn = Redrawn(cast(TextIO, Closed()))
    with drawn.open():
        drawn.draw([_line("one")])
        drawn.draw([_line("two")])
    assert drawn.is_gone


def test_nothing_is_drawn_by_a_process_in_the_background(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal is somebody else's then: after ``bg``, or with ``&``."""
    drawn = Redrawn(pty.stream)
    monkeypatch.setattr(os, "tcgetpgrp", lambda _descriptor: os.getpgrp() + 1)
    drawn.draw([_line("one")])
    assert pty.read() == ""
    # What is waited for is logged instead, as in a pipe.
    monkeypatch.setenv("TERM", "xterm")
    log_setup.configure(pty.stream, 1, None)
    assert not can_draw(pty.stream)
    monkeypatch.undo()
    monkeypatch.setenv("TERM", "xterm")
    assert can_draw(pty.stream)
