"""A real pseudo-terminal for a process to be tested in, and the screen that a person would see."""

from __future__ import annotations

import os
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import pexpect.fdpexpect
import pyte

from tests.support.canary import key_in

ROWS, COLUMNS = 20, 110
_PATIENCE = 30.0
_ALMAJOB = (sys.executable, "-m", "almajob")


class Terminal:
    """A program in a terminal: almajob, where no other is named.

    Args:
        words: of its command line.
        environ: is added to this process's environment.
        size: rows and columns.
        program: the words before these.
    """

    def __init__(
        self,
        *words: str,
        environ: Mapping[str, str] | None = None,
        size: tuple[int, int] = (ROWS, COLUMNS),
        program: Sequence[str] = _ALMAJOB,
    ) -> None:
        self._screen = pyte.Screen(size[1], size[0])
        self._stream = pyte.Stream(self._screen)
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        master, slave = os.openpty()
        termios.tcsetwinsize(master, size)
        # Not pexpect.spawn: it forks, which a process with threads should not.
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *program, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**inherited, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(environ or {})},
        )
        os.close(slave)
        self._master = master
        self._written = self._typed = ""
        self._output = pexpect.fdpexpect.fdspawn(master, encoding="utf-8")

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._output.close()
        # A terminal shows what is typed.
        assert not key_in(self._written) or key_in(self._typed)

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, without blank lines."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(self.lines)

    @property
    def written(self) -> str:
        """Every character that the program has written, and what was typed."""
        return self._written

    def is_shown_in(self, word: str, colour: str) -> bool:
        """Whether a word stands on the screen on this colour."""
        rows = enumerate(self._screen.display)
        places = [(row, line.index(word)) for row, line in rows if word in line]
        return bool(places) and all(self._screen.buffer[row][column].bg == colour for row, column in places)

    @property
    def cursor_is_hidden(self) -> bool:
        """Whether a person would look for the cursor in vain."""
        return bool(self._screen.cursor.hidden)

    def until(self, seen: Callable[[str], bool]) -> str:
        """Read until the screen is as it should be; gives it."""
        end = time.monotonic() + _PATIENCE
        while not seen(self.text):
            assert time.monotonic() < end, f"this stayed on the screen:\n{self.text}"
            if not self._read():
                assert seen(self.text), f"it ended with this on the screen:\n{self.text}"
        return self.text

    def end(self) -> int:
        """Read until the process ends; gives its exit code."""
        end = time.monotonic() + _PATIENCE
        while self._read():
            assert time.monotonic() < end, f"it did not end, with this on the screen:\n{self.text}"
        return self.process.wait(_PATIENCE)

    def type(self, text: str) -> None:
        """Type something."""
        self._typed += text
        os.write(self._master, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Make the window larger or smaller; what stands on the screen is not broken anew."""
        self._screen.resize(rows, columns)
        termios.tcsetwinsize(self._master, (rows, columns))

    def press_ctrl_c(self) -> None:
        """Type Ctrl-C, which the terminal turns into a signal."""
        os.write(self._master, b"\x03")

    def _read(self) -> bool:
        try:
            written = self._output.read_nonblocking(65536, 0.1)
            self._written += written
            self._stream.feed(written)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        return True
