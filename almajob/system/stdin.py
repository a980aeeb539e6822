"""Standard input: read by almajob alone, and never by what it starts; a script in whole lines."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, NoReturn, TextIO

from almajob.errors import UsageError

LONGEST_LINE = 128 * 1024
"""Bytes of a line of a script; Linux takes no longer word in a command line."""
_STDIN = 0
_INTERRUPTED = 130


class Script:
    """The lines of a script, each of them whole; for cmd2, which reads them like those of a file."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._number = 0

    def isatty(self) -> bool:
        """Return False: nobody types these lines."""
        return False

    def readline(self) -> str:
        """Return the next line with its line break; an empty text at the end.

        Raises:
            UsageError: the line is damaged, so that neither it nor what comes after it can be trusted.
        """
        self._number += 1
        try:
            raw = self._stream.readline(LONGEST_LINE + 1)
        except KeyboardInterrupt:
            # What was read of the line is lost. cmd2 would go on with its other half.
            raise SystemExit(_INTERRUPTED) from None
        if self._number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        if len(raw) > LONGEST_LINE:
            raise self._refuse(f"is longer than {LONGEST_LINE // 1024} KiB")
        if raw and not raw.endswith(b"\n"):
            raise self._refuse(
                "ends without a line break",
                reason="The script may have been cut off in the middle of it.",
                hint="Send the whole script, or end its last line with a line break.",
            )
        if b"\0" in raw:
            raise self._refuse("has a NUL character")
        try:
            return raw.decode(self._encoding)
        except UnicodeDecodeError:
            raise self._refuse(f"is not {self._encoding.upper()} text") from None

    def _refuse(self, problem: str, *, reason: str = "", hint: str = "") -> UsageError:
        return UsageError(
            f"Line {self._number} of the script {problem}; neither it nor what follows was run.",
            reason=reason,
            hint=hint or "A script is text with one command on each line.",
        )


class _StdinOfCommand(io.TextIOBase):
    """What a command of a script has for stdin: whoever reads from it, in whichever way, is refused."""

    @property
    def buffer(self) -> _StdinOfCommand:
        return self

    def read(self, size: int | None = -1, /) -> NoReturn:
        raise UsageError(
            "Standard input is the script here; a command in it cannot read from there.",
            hint="Put the input into a file and name that file, or run this command outside the script.",
        )

    def readline(self, size: int = -1, /) -> NoReturn:  # type: ignore[override]  # no bytes, no text
        self.read()

    def fileno(self) -> NoReturn:
        self.read()


@contextmanager
def open_script(stdin: TextIO) -> Iterator[Script]:
    """Take stdin, which is no terminal, for a script: its lines are for the shell alone.

    Neither commands nor what they start can read them.
    """
    with ExitStack() as closing:
        stream = _open_bytes(stdin, closing)
        closing.callback(setattr, sys, "stdin", sys.stdin)
        sys.stdin = _StdinOfCommand()
        yield Script(stream, getattr(stdin, "encoding", None) or "utf-8")


def _open_bytes(stdin: TextIO, closing: ExitStack) -> BinaryIO:
    try:
        is_of_process = stdin.fileno() == _STDIN
    except io.UnsupportedOperation:
        is_of_process = False
    if is_of_process:
        descriptor = closing.enter_context(withhold_stdin())
        # Some programs leave it so; a pause of the writer would be taken for the end.
        os.set_blocking(descriptor, True)
        return closing.enter_context(os.fdopen(descriptor, "rb", closefd=False))
    buffer: BinaryIO | None = getattr(stdin, "buffer", None)
    return buffer or io.BytesIO(stdin.read().encode("utf-8", "surrogatepass"))


@contextmanager
def withhold_stdin() -> Iterator[int]:
    """Keep this process's stdin from all that is started meanwhile: they find nothing there.

    A terminal stays where it is: a password store may have something to ask.

    Yields:
        A descriptor of stdin that no other process inherits; -1 where stdin is closed.
    """
    try:
        own = os.dup(_STDIN)
    except OSError:
        # Closed: there is nothing to keep.
        yield -1
        return
    try:
        if not os.isatty(own):
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, _STDIN)
            os.close(nothing)
        yield own
    finally:
        os.dup2(own, _STDIN)
        os.close(own)
