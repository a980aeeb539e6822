"""almajob in this process, with stdout and stderr on pseudo-terminals of any width: what a person would see.

A process of its own is ``terminals.Terminal``; this is for what is tried at many widths.
"""

from __future__ import annotations

import os
import re
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import pyte

from almajob.cli.app import main
from tests.support.canary import key_in

# So wide that whatever is wider than its terminal is not folded, and can be seen to be.
_WIDEST = 400
_TERM = {"TERM": "xterm-256color"}
# Of the help, which would wait for a key.
_NO_PAGER = mock.patch("autopage.AutoPager.to_terminal", return_value=False)
_SETTINGS = ("COLUMNS", "LINES", "NO_COLOR")


class Screen:
    """What was written to a terminal.

    Attributes:
        columns: of the terminal.
        written: every character.
        lines: as they are seen, without blanks at their ends.
    """

    def __init__(self, columns: int, written: str) -> None:
        self.columns = columns
        self.written = written
        self._screen = pyte.Screen(_WIDEST, written.count("\n") + 1)
        pyte.Stream(self._screen).feed(written)
        self.lines = [line.rstrip() for line in self._screen.display][: written.count("\n")]

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)

    def list_too_wide(self) -> list[str]:
        """Return the lines that a terminal of this width would break."""
        found = []
        for row, line in enumerate(self.lines):
            cells = self._screen.buffer[row]
            # What follows a wide character is an empty cell.
            if any(cell.data != " " for place, cell in cells.items() if place >= self.columns):
                found.append(line)
        return found

    def find_colours(self, word: str) -> set[str]:
        """Return the colours in which a word stands; nothing where it is not there."""
        found = set()
        for row in range(len(self.lines)):
            cells = [self._screen.buffer[row][place] for place in range(_WIDEST)]
            # A cell may have several characters, or none behind a wide one.
            colours = [cell.fg for cell in cells for _ in cell.data]
            line = "".join(cell.data for cell in cells)
            found |= {colours[match.start()] for match in re.finditer(re.escape(word), line)}
        return found


@dataclass(frozen=True)
class Seen:
    """What one invocation left behind on two terminals."""

    code: int
    out: Screen
    err: Screen

    def list_too_wide(self) -> list[str]:
        """Return the lines that a terminal of this width would break."""
        return [*self.out.list_too_wide(), *self.err.list_too_wide()]


def run_on_terminal(*words: str, columns: int, environ: Mapping[str, str] | None = None) -> Seen:
    """Run a command line in this process; nobody types.

    Args:
        columns: of both terminals.
        environ: is added to the environment.
    """
    with _NO_PAGER, mock.patch.dict(os.environ, {**_TERM, **(environ or {})}):
        for name in _SETTINGS:
            if name not in (environ or {}):
                os.environ.pop(name, None)
        with _on_terminal(1, columns) as out, _on_terminal(2, columns) as err:
            code = main(list(words))
    written = ["".join(each) for each in (out, err)]
    assert not any(map(key_in, written))
    return Seen(code, *(Screen(columns, each) for each in written))


@contextmanager
def _on_terminal(descriptor: int, columns: int) -> Iterator[list[str]]:
    """Make a terminal of a descriptor and of Python's stream; gives what is written to it."""
    name = {1: "stdout", 2: "stderr"}[descriptor]
    master, slave = os.openpty()
    termios.tcsetwinsize(master, (40, columns))
    written: list[str] = []
    reader = threading.Thread(target=_read, args=(master, written))
    stream, kept = getattr(sys, name), os.dup(descriptor)
    stream.flush()
    os.dup2(slave, descriptor)
    os.close(slave)
    # Not closed: an object that is kept by what ran may write to it later, as at the end of the process.
    own = open(descriptor, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    setattr(sys, name, own)
    reader.start()
    try:
        yield written
    finally:
        own.flush()
        setattr(sys, name, stream)
        # The last that holds the terminal: its reader comes to the end.
        os.dup2(kept, descriptor)
        os.close(kept)
        reader.join()
        os.close(master)


def _read(master: int, written: list[str]) -> None:
    found = b""
    while True:
        try:
            found += os.read(master, 65536)
        except OSError:
            # All is read, and the other end is closed.
            break
    written.append(found.decode())
