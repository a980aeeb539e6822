"""Questions to the person at the terminal, where there is one."""

from __future__ import annotations

import os
import re
import shutil
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TextIO

from almajob.system.signals import around_stop
from almajob.text.command_line import fold_command
from almajob.text.display_width import measure_width, wrap_text
from almajob.text.sanitize import sanitize

# How a line goes on that is longer than the terminal is wide: nothing in it can look like a line of its own.
_GOES_ON = "    | "
_NARROWEST = 20
_ERROR = "1;31"
_COMMAND = re.compile(r"\s*(?:[A-Z][\w ]*: )?almajob (?![^:]*: )")
"""How a line of a message begins that is a command to be typed."""


def is_attended() -> bool:
    """Whether somebody can be asked and can answer; nobody can in cron, nor behind a pipe.

    Nor in threads that work beside each other: whoever answers would not know which of them asked.
    """
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and has_keyboard() and _is_terminal(sys.stderr)


def has_keyboard() -> bool:
    """Whether a person is typing, whether or not a question would be seen."""
    return _is_terminal(sys.stdin)


def is_capable(stream: TextIO | None) -> bool:
    """Whether a stream leads to a terminal that obeys control sequences, and does not only print lines."""
    return os.environ.get("TERM") not in (None, "", "dumb") and _is_terminal(stream)


def has_colour(stream: TextIO | None) -> bool:
    """Whether a stream leads to a terminal that has colours, and nobody minds (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and is_capable(stream)


def in_colour(text: str, codes: str, stream: TextIO | None) -> str:
    """Write a text in a colour, where the stream it is for shows any.

    Args:
        codes: of ECMA-48's SGR, such as ``1;97;41``: bold, white, on red.
    """
    return f"\x1b[{codes}m{text}\x1b[0m" if text and has_colour(stream) else text


def mark_error(text: str, stream: TextIO | None) -> str:
    """Write the program's name, with which an error begins, in bold red, where the stream shows colours."""
    name, colon, rest = text.partition(":")
    is_named = colon and name.split(" ", 1)[0] == "almajob" and "\n" not in name
    return f"{in_colour(name + colon, _ERROR, stream)}{rest}" if is_named else text


def fit_message(text: str, stream: TextIO | None) -> str:
    """Break a message between words where the stream is a terminal; a command so that it can be pasted."""
    width = find_width(stream)
    if width is None:
        return text
    return "\n".join(piece for line in text.split("\n") for piece in _fit_line(line, width))


def _fit_line(line: str, width: int) -> Iterator[str]:
    if measure_width(line) <= width:
        yield line
    elif _COMMAND.match(line) and not line.endswith("."):
        yield from fold_command(line, width)
    else:
        yield from wrap_text(line, width)


def find_width(*streams: TextIO | None) -> int | None:
    """Return how many columns the first of some streams has that is a terminal; None where none tells."""
    for stream in streams:
        if stream is not None and _is_terminal(stream):
            with suppress(OSError, ValueError):
                # A terminal that was told no size says 0.
                return os.get_terminal_size(stream.fileno()).columns or None
    return None


def asker() -> Callable[[str], bool] | None:
    """Return what asks a person yes or no; None where nobody can answer."""
    return _ask if is_attended() else None


def id_asker() -> Callable[[str], str] | None:
    """Return what asks a person to type an id; None where nobody can answer."""
    return _read_any_id if is_attended() else None


def confirmer() -> Callable[[str], str] | None:
    """Return what shows a start to a person and reads what is typed; None where nobody can answer."""
    return _read_id if is_attended() else None


def chooser() -> Callable[[str, Sequence[str]], int | None] | None:
    """Return what lets a person choose one of several things; None where nobody can answer."""
    return _choose if is_attended() else None


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except (AttributeError, ValueError):
        # No stream but what stands for one, or closed.
        return False


def _ask(question: str) -> bool:
    return _read_typed(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def _read_id(question: str) -> str:
    return _read_any_id(f"{question}\nType the job's id to go ahead; anything else starts nothing: ")


def _read_any_id(question: str) -> str:
    _discard_typed()
    try:
        return _read_typed(question)
    except KeyboardInterrupt:
        sys.stderr.write("\nNothing was sent.\n")
        raise


def _choose(question: str, things: Sequence[str]) -> int | None:
    """Show things with numbers, and return the place of the one whose number is typed; None for none."""
    _discard_typed()
    # A line break in a name would make a line that looks like a choice.
    lines = [f"  {number}) {sanitize(thing)}" for number, thing in enumerate(things, start=1)]
    try:
        typed = _read_typed(
            "\n".join([question, *lines, "Type its number, or press Enter for none: "])
        ).strip()
    except KeyboardInterrupt:
        sys.stderr.write("\nNothing was chosen.\n")
        raise
    numbers = [str(number) for number in range(1, len(things) + 1)]
    return numbers.index(typed) if typed in numbers else None


def _discard_typed() -> None:
    """Discard what was typed or pasted before a question: it is no answer to it."""
    with suppress(OSError, ValueError, termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _read_typed(prompt: str) -> str:
    def ask() -> None:
        # Not input(): it would ask on stdout, among the results.
        sys.stderr.write("\n".join(_lines(sanitize(prompt, keep="\n"))))
        sys.stderr.flush()

    ask()
    try:
        # Whoever comes back to it after Ctrl-Z may have forgotten what was asked.
        with around_stop(after=ask):
            answer = sys.stdin.readline()
    except UnicodeDecodeError:
        return "what is no text"
    if not answer.endswith("\n"):
        # Ctrl-D: what comes next begins a line of its own.
        sys.stderr.write("\n")
    return answer


def _lines(text: str) -> Iterator[str]:
    """Break lines between words, so that the terminal itself breaks none."""
    columns = max(shutil.get_terminal_size().columns, _NARROWEST)
    for line in text.split("\n"):
        if measure_width(line) <= columns:
            yield line
            continue
        first, *others = wrap_text(line, columns - len(_GOES_ON)) or [""]
        yield first
        yield from (f"{_GOES_ON}{other}" for other in others)
