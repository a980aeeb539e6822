"""Questions to the person at the terminal, where there is one."""

from __future__ import annotations

import os
import shutil
import sys
import termios
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TextIO

from almajob.text.sanitize import sanitize

# How a line goes on that is longer than the terminal is wide: nothing in it can look like a line of its own.
_GOES_ON = "    | "
_NARROWEST = 20


def is_attended() -> bool:
    """Whether somebody can be asked and can answer; nobody can in cron, nor behind a pipe."""
    return has_keyboard() and _is_terminal(sys.stderr)


def has_keyboard() -> bool:
    """Whether a person is typing, whether or not a question would be seen."""
    return _is_terminal(sys.stdin)


def in_colour(text: str, codes: str) -> str:
    """Write a text in a colour, where the terminal has any and nobody minds (https://no-color.org).

    Args:
        codes: of ECMA-48's SGR, such as ``1;97;41``: bold, white, on red.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") in (None, "", "dumb"):
        return text
    return f"\x1b[{codes}m{text}\x1b[0m"


def asker() -> Callable[[str], bool] | None:
    """Return what asks a person yes or no; None where nobody can answer."""
    return _ask if is_attended() else None


def confirmer() -> Callable[[str], str] | None:
    """Return what shows a start to a person and reads what is typed; None where nobody can answer."""
    return _read_id if is_attended() else None


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        # Closed.
        return False


def _ask(question: str) -> bool:
    return _read_typed(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def _read_id(question: str) -> str:
    # What was typed or pasted before the question is no answer to it.
    with suppress(OSError, ValueError, termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    try:
        return _read_typed(f"{question}\nType the job's id to start it; anything else starts nothing: ")
    except KeyboardInterrupt:
        sys.stderr.write("\nNothing was sent.\n")
        raise


def _read_typed(prompt: str) -> str:
    # Not input(): it would ask on stdout, among the results.
    sys.stderr.write("\n".join(_lines(sanitize(prompt, keep="\n"))))
    sys.stderr.flush()
    try:
        answer = sys.stdin.readline()
    except UnicodeDecodeError:
        return "what is no text"
    if not answer.endswith("\n"):
        # Ctrl-D: what comes next begins a line of its own.
        sys.stderr.write("\n")
    return answer


def _lines(text: str) -> Iterator[str]:
    """Break lines as wide as the terminal, so that the terminal itself breaks none."""
    columns = max(shutil.get_terminal_size().columns, _NARROWEST)
    for line in text.split("\n"):
        shown, width = "", 0
        for character in line:
            cells = 2 if unicodedata.east_asian_width(character) in "WF" else 1
            if width + cells > columns:
                yield shown
                shown, width = _GOES_ON, len(_GOES_ON)
            shown, width = shown + character, width + cells
        yield shown
