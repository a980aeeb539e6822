"""Lines of a terminal that are drawn over again, and taken away at the end.

The cursor stays visible, so that whatever stops or kills the process leaves the shell a terminal as it was.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TextIO

from almajob.cli.console import log_setup
from almajob.system.signals import around_stop, defer_signals
from almajob.system.terminal import is_capable

ECHO_WIDTH = 4
"""Cells to leave free at the end of a line: the terminal's own "^C" or "^Z" must not begin a new one."""
_DEFAULT_SIZE = os.terminal_size((80, 24))


def can_draw(stream: TextIO) -> bool:
    """Whether lines can be drawn over again.

    They can on a terminal, in the foreground, where people want neither less (-q) nor each call (-v).
    """
    return is_capable(stream) and log_setup.is_at_default_level() and is_in_foreground(stream)


class Line(NamedTuple):
    """A line as it is written, and how many cells it takes."""

    text: str
    width: int


class Redrawn:
    """Lines at the bottom of what a terminal shows.

    They are drawn only while this process is in the foreground, and never on a terminal that takes nothing.

    Attributes:
        is_gone: whether the terminal was closed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._widths: list[int] = []
        self.is_gone = False

    @property
    def size(self) -> os.terminal_size:
        """Columns and rows of the terminal, as they are now."""
        try:
            found = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return _DEFAULT_SIZE
        return found if found.columns and found.lines else _DEFAULT_SIZE

    @contextmanager
    def open(self) -> Iterator[None]:
        """Draw as long as this lasts; Ctrl-Z takes the lines away, and they come back with ``fg``."""
        with around_stop(before=self.erase, after=self.forget):
            try:
                yield
            finally:
                self.erase()

    def draw(self, lines: Sequence[Line]) -> None:
        """Draw lines in the place of those before."""
        if self.is_stuck() or not is_in_foreground(self._stream):
            return
        with defer_signals(self.is_stuck):
            self._write(self._go_to_first() + "\n".join(line.text for line in lines))
            self._widths = [line.width for line in lines]

    def erase(self) -> None:
        """Take the lines away, so that something else can be written in their place."""
        if not self._widths or self.is_stuck():
            return
        with defer_signals(self.is_stuck):
            self._write(self._go_to_first())
            self._widths = []

    def forget(self) -> None:
        """Leave what stands on the screen: others have written below it."""
        self._widths = []

    def is_stuck(self) -> bool:
        """Whether the terminal takes no more output, as after Ctrl-S, or where its other end hangs."""
        if self.is_gone:
            return True
        try:
            return not select.select([], [self._stream], [], 0)[1]
        except (OSError, ValueError):
            return False

    def _go_to_first(self) -> str:
        """Return what goes to the first of the lines and clears all from there.

        A terminal that was made narrower has broken what was wider into several rows.
        """
        if not self._widths:
            return "\r"
        columns, rows = self.size
        above = sum(max(-(-width // columns), 1) for width in self._widths) - 1
        above = min(above, rows - 1)
        return f"\r\x1b[{above}A\x1b[J" if above else "\r\x1b[J"

    def _write(self, text: str) -> None:
        """Write; a terminal that was closed is the end of the lines, and of nothing else."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self.is_gone = True


def is_in_foreground(stream: TextIO) -> bool:
    """Whether this process may write to its terminal as it likes: not after ``bg``, nor with ``&``."""
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        # Not the terminal that controls this process.
        return True
