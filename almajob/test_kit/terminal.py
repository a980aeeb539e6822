"""A terminal in which a test runs almajob, types, and reads the screen."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from types import TracebackType

_PATIENCE = 30.0
_INTERRUPT, _END_OF_INPUT = b"\x03", b"\x04"
# Each would change what is written to a terminal.
_SETTINGS = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PAGER")


class Terminal:
    """almajob on a terminal of its own, in a process whose clock is the simulator's.

    Args:
        argv: the words behind ``almajob``.
        clock_url: the address of the simulator.
        columns: how wide the terminal is.
        rows: how high it is.
        environ: variables besides those of this process.

    Raises:
        ModuleNotFoundError: pyte is not installed.
    """

    def __init__(
        self,
        argv: tuple[str, ...],
        clock_url: str,
        *,
        columns: int = 80,
        rows: int = 24,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        try:
            import pyte
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "The fixture terminal needs the package pyte: pip install pyte", name="pyte"
            ) from None
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._master, slave = os.openpty()
        termios.tcsetwinsize(self._master, (rows, columns))
        inherited = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
        added = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "almajob.test_kit.terminal_process", clock_url, *argv],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**inherited, **added, **(environ or {})},
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, line by line, without blank lines and blanks at the ends."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(self.lines)

    def wait_for(self, text: str) -> str:
        """Wait until a text stands on the screen, and return the screen.

        Raises:
            AssertionError: it does not appear within 30 seconds, or the command ends without it.
        """
        end = time.monotonic() + _PATIENCE
        while text not in self.text:
            if not self._read(end):
                raise AssertionError(f"it ended without {text!r}, with this on the screen:\n{self.text}")
        return self.text

    def wait(self) -> int:
        """Wait until the command ends, and return its exit code.

        Raises:
            AssertionError: it does not end within 30 seconds.
        """
        end = time.monotonic() + _PATIENCE
        while self._read(end):
            pass
        return self._process.wait(_PATIENCE)

    def type(self, text: str) -> None:
        """Type a text; a line ends with ``\\n``, as with the Enter key."""
        os.write(self._master, text.encode())

    def press_ctrl_c(self) -> None:
        """Press Ctrl-C."""
        os.write(self._master, _INTERRUPT)

    def press_ctrl_d(self) -> None:
        """Press Ctrl-D, the end of the input."""
        os.write(self._master, _END_OF_INPUT)

    def send_signal(self, number: int) -> None:
        """Send a signal to the command, and to what it has started."""
        os.killpg(self._process.pid, signal.Signals(number))

    def _read(self, end: float) -> bool:
        """Read what is written next; return False where the command has ended.

        Raises:
            AssertionError: the time is over.
        """
        if not select.select([self._master], [], [], max(end - time.monotonic(), 0.0))[0]:
            raise AssertionError(f"nothing more came within {_PATIENCE:.0f} s; on the screen:\n{self.text}")
        try:
            written = os.read(self._master, 65536)
        except OSError:
            # The last that held the other end is gone.
            return False
        self._stream.feed(written)
        return bool(written)
