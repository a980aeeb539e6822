"""A page that fills a terminal, and keys that are read without Enter; all is given back, however it ends."""

from __future__ import annotations

import os
import select
import signal
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from almajob.cli.console.redrawn import Redrawn, is_in_foreground
from almajob.system.signals import Terminated, around_stop, defer_signals

# The alternate screen, which leaves what stood there before; and no cursor.
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_AT_ONCE = 1024


class FullScreen:
    """A terminal that is used as a whole, while this process is in the foreground.

    Args:
        keyboard: the terminal where keys are typed, such as stdin.
        stream: the terminal that shows them, such as stdout.
    """

    def __init__(self, keyboard: TextIO, stream: TextIO) -> None:
        self._keyboard = keyboard.fileno()
        self._stream = stream
        self._terminal = Redrawn(stream)
        self._mode: list[Any] | None = None
        self._is_entered = False
        self._shown: list[str] = []

    @property
    def size(self) -> os.terminal_size:
        """Columns and rows, as they are now."""
        return self._terminal.size

    @contextmanager
    def open(self) -> Iterator[None]:
        """Use the terminal as long as this lasts; Ctrl-Z gives it back, and it is used again after ``fg``."""
        with around_stop(before=self._leave, after=self._forget):
            try:
                yield
            finally:
                self._leave()

    def draw(self, lines: Sequence[str]) -> None:
        """Show lines, none wider than the terminal, from its top; only what has changed is written."""
        if self._terminal.is_stuck() or not is_in_foreground(self._stream):
            return
        with defer_signals(self._terminal.is_stuck):
            self._enter()
            rows = max(len(lines), len(self._shown))
            before = [*self._shown, *[""] * (rows - len(self._shown))]
            after = [*lines, *[""] * (rows - len(lines))]
            changed = [
                f"\x1b[{row};1H\x1b[2K{new}"
                for row, (old, new) in enumerate(zip(before, after, strict=True), start=1)
                if old != new
            ]
            self._write("".join(changed))
            self._shown = list(lines)

    def clear(self) -> None:
        """Draw all anew the next time, as after a change of the terminal's size."""
        if self._is_entered and not self._terminal.is_stuck():
            self._write("\x1b[2J")
        self._shown = []

    def read_keys(self, seconds: float) -> bytes:
        """Return what was typed; nothing where that is nothing for so long.

        Raises:
            Terminated: the terminal was closed.
        """
        is_ours = is_in_foreground(self._stream)
        poll = select.poll()
        if is_ours:
            poll.register(self._keyboard, select.POLLIN)
        found = poll.poll(seconds * 1000)
        # Whoever reads in the background is stopped; Ctrl-Z may have been typed meanwhile.
        if not found or not is_in_foreground(self._stream):
            return b""
        with suppress(OSError):
            if found[0][1] == select.POLLIN:
                return os.read(self._keyboard, _AT_ONCE)
        raise Terminated(signal.SIGHUP)

    def _enter(self) -> None:
        if self._is_entered:
            return
        self._mode = self._mode or termios.tcgetattr(self._keyboard)
        self._is_entered = True
        self._shown = []
        # Ctrl-C and Ctrl-Z stay signals.
        tty.setcbreak(self._keyboard, termios.TCSANOW)
        mode = termios.tcgetattr(self._keyboard)
        # A key that the shell has taken meanwhile is not waited for.
        mode[tty.CC][termios.VMIN] = 0
        termios.tcsetattr(self._keyboard, termios.TCSANOW, mode)
        self._write(_ENTER)

    def _leave(self) -> None:
        if self._mode is None:
            return
        with defer_signals(self._terminal.is_stuck):
            # In the background the terminal is the shell's, and whoever changes it is stopped.
            if is_in_foreground(self._stream):
                if not self._terminal.is_stuck():
                    self._write(_LEAVE)
                with suppress(termios.error):
                    termios.tcsetattr(self._keyboard, termios.TCSANOW, self._mode)
            self._mode, self._is_entered = None, False

    def _forget(self) -> None:
        """Begin anew: the process was stopped, perhaps by SIGSTOP, and others have used the terminal."""
        self._is_entered = False

    def _write(self, text: str) -> None:
        # Where it was closed, that is noticed when a key is read.
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
