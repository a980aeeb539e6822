"""Standard output at the end of a process, where a closed pipe or a full disk can still be told."""

from __future__ import annotations

import io
import os
import sys

# Importing typing would take half as long as Python's own start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def ready() -> None:
    """Give a process something to write to, and to which every character can be written."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Held open to the end of the process, as the stream that it stands for.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal's encoding lacks must not hide the result of a start.
        sys.stdout.reconfigure(errors="backslashreplace")


def finish(code: int, text: str = "") -> int:
    """Write a last text, flush stdout, and give the exit code.

    Returns:
        The code given, 141 for a closed pipe, or 1 for a result that cannot be written.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        drop()
        return 141
    except OSError as error:
        drop()
        sys.stderr.write(f"almajob: the result cannot be written: {error.strerror}\n")
        return code or 1
    except ValueError:
        # cliff's pager closes stdout when its reader goes.
        return code or 141
    return code


def drop(stream: TextIO | None = None) -> None:
    """Let what cannot be written vanish; once it has been told.

    Args:
        stream: to where; stdout where not given.
    """
    # Python flushes once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno())
