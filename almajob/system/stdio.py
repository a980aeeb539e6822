"""Standard output at the end of a process, where a closed pipe or a full disk can still be told."""

from __future__ import annotations

import errno
import io
import os
import sys

# Importing typing would take half as long as Python's own start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

# In the order of their descriptors: each is opened as the lowest that is free, which is its own. Were it left
# free, the next file to be opened, such as the ledger, would get what is meant for people.
_STREAMS = (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))


def open_missing_streams() -> None:
    """Make sure that a process has something to write to, and that any character can be written to it.

    What is written to a stdout that is closed fails as it would on a full disk: it opens for reading only.
    Nothing is ever read from a stdin that is closed, and what is written to such a stderr is gone.
    """
    for name, mode, flags in _STREAMS:
        if getattr(sys, name) is None:
            # Held open to the end of the process, as the stream that it stands for.
            stream = os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8")
            setattr(sys, name, stream)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal's encoding lacks must not hide the result of a start.
        sys.stdout.reconfigure(errors="backslashreplace")


def finish(code: int, text: str = "") -> int:
    """Write a last text and flush stdout; return the code, 141 for a closed pipe, or 1 for a lost result."""
    try:
        # To write nothing fails on a full disk, too.
        if text:
            sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard()
        code = 141
    except OSError as error:
        _lose(error, sys.stdout)
        code = code or 1
    except ValueError:
        # cliff's pager closes stdout when its reader goes.
        code = code or 141
    # Python flushes once more when it ends; where that fails its exit code would be 120, whatever happened.
    write_stderr()
    return code


def write(text: str, stream: TextIO) -> None:
    """Write a text that is all there is to print, now; where that cannot be, say so and end.

    argparse passes over such a failure, and cliff tells it in the words of the system.

    Raises:
        SystemExit: it cannot be written.
        BrokenPipeError: nobody reads it.
    """
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _lose(error, stream)
        raise SystemExit(1) from None


def _lose(error: OSError, stream: TextIO) -> None:
    discard(stream)
    write_stderr(f"almajob: the result cannot be written: {reason(error)}\n")


def write_stderr(text: str = "") -> None:
    """Write a text to stderr, after what waits for that; where it fails, there is nobody left to tell."""
    try:
        if text:
            sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)
    except ValueError:
        # Closed.
        pass


def reason(error: Exception) -> str:
    """Return why something cannot be written."""
    if getattr(error, "errno", None) == errno.EBADF:
        return "stdout is closed"
    return str(getattr(error, "strerror", None) or error)


def discard(stream: TextIO | None = None) -> None:
    """Discard what cannot be written, once that has been reported.

    Args:
        stream: to where; stdout where not given.
    """
    # Python flushes once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno())
