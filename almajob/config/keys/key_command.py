"""The program that prints a key or another secret: kept from our stdin, bounded in time and in output."""

from __future__ import annotations

import codecs
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from almajob.system import stdio
from almajob.system.signals import defer_signals
from almajob.text.redaction import redact

SECONDS = 60.0
"""How long the program may run."""
SIZE = 64 * 1024
"""Bytes that it may print, and as many on stderr; a key has 256 characters at most."""
_SLICE = 0.05
_GRACE = 1.0


class CommandFailed(Exception):
    """The program gave no line that can be a key.

    Args:
        reason: what it did instead.
        hint: what to do about it; empty where nothing particular.
    """

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


def read_first_line(command: str, noun: str = "key") -> str:
    """Run a command line, without a shell, and return the first line that it prints.

    The program has ended then. What it left behind in the background goes on, and is not waited for.

    Args:
        noun: what it is to print, for messages.

    Raises:
        CommandFailed: it cannot be run, fails, prints or runs without end, or prints no whole line.
    """
    process = None
    try:
        # A signal in between would leave the program to itself.
        with defer_signals():
            process = _start(command)
        printed, is_open = _read_until_end(process, noun)
    except BaseException:
        if process is not None:
            _stop(process)
        raise
    finally:
        for pipe in (process.stdout, process.stderr) if process is not None else ():
            if pipe is not None:
                pipe.close()
    if process.returncode:
        raise CommandFailed(f"It ended with {_describe_end(process.returncode)}.")
    line, line_break, _rest = printed.partition(b"\n")
    if is_open and not line_break:
        raise CommandFailed(
            "It ended without printing a whole line, and left a program behind that may still print.",
            hint=f"It must print the {noun} and a line break before it ends.\n"
            "Send the output of what it starts in the background elsewhere: PROGRAM >/dev/null 2>&1 &",
        )
    return line.decode("utf-8", "replace")


def _start(command: str) -> subprocess.Popen[bytes]:
    argv: list[str] = []
    try:
        argv = shlex.split(command)
        return subprocess.Popen(
            argv,
            # A terminal is inherited as it is: gpg finds it by its name, which /dev/tty is not.
            stdin=None if os.isatty(0) else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if os.isatty(2) else subprocess.PIPE,
            bufsize=0,
            # A group of its own can be killed as a whole; but only the terminal's group may ask there.
            process_group=None if _has_terminal() else 0,
        )
    except (ValueError, IndexError):
        raise CommandFailed("It is not a command line.") from None
    except OSError as error:
        raise CommandFailed(f"{argv[0]}: {error.strerror}.") from None


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _read_until_end(process: subprocess.Popen[bytes], noun: str) -> tuple[bytes, bool]:
    """Return what a program prints until it ends, and whether another one holds its output open then."""
    end = time.monotonic() + SECONDS
    with _Output(process, noun) as output:
        while process.poll() is None:
            if time.monotonic() >= end:
                raise CommandFailed(f"It had not ended after {SECONDS:g} s, and was stopped.")
            if output.get_map():
                output.gather(_SLICE)
            else:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_SLICE)
        # All that it printed is in the pipe by now. A second look shows whether that is closed.
        output.gather(0)
        output.gather(0)
        return bytes(output.printed), output.is_open


class _Output(selectors.DefaultSelector):
    """What a program prints, as it comes; what it writes to stderr is passed on."""

    def __init__(self, process: subprocess.Popen[bytes], noun: str) -> None:
        super().__init__()
        self._noun = noun
        self.printed = bytearray()
        self._written = 0
        self._stdout = process.stdout
        self._text_of = codecs.getincrementaldecoder("utf-8")("replace").decode
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                self.register(pipe, selectors.EVENT_READ)

    @property
    def is_open(self) -> bool:
        """Whether more may be printed."""
        return self._stdout in self.get_map()

    def gather(self, seconds: float) -> None:
        """Read what there is; wait for something as long as this.

        Raises:
            CommandFailed: it is too much.
        """
        for ready, _events in self.select(seconds):
            piece = os.read(ready.fd, SIZE)
            if not piece:
                self.unregister(ready.fileobj)
            elif ready.fileobj is self._stdout:
                self.printed += piece
            else:
                self._written += len(piece)
                stdio.write_stderr(redact(self._text_of(piece)))
        if max(len(self.printed), self._written) > SIZE:
            where = "on stderr" if self._written > SIZE else "to stdout"
            raise CommandFailed(
                f"It wrote more than {SIZE // 1024} KiB {where}, where a {self._noun} is one line."
            )


def _describe_end(code: int) -> str:
    if code > 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a program that has not ended by itself, and what it started."""
    if process.poll() is not None:
        return
    if os.getpgid(process.pid) == process.pid:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        # At a terminal, whose settings it may have changed: it can put them right.
        for pid in (process.pid, *_descendants(process.pid)):
            with suppress(OSError):
                os.kill(pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        with suppress(OSError):
            process.kill()
    # One that runs as another user can be neither killed nor waited for.
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)


def _descendants(pid: int) -> Iterator[int]:
    """Find what a process has started, where the system tells, as Linux does."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from _descendants(child)
