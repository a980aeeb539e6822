"""A question to the person at the terminal, where there is one."""

from __future__ import annotations

import sys
from collections.abc import Callable

from almajob.visible import visible


def asker() -> Callable[[str], bool] | None:
    """Give what asks a person yes or no; None where nobody can answer, as in cron."""
    try:
        is_there = sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError):
        # Closed, or not there at all.
        return None
    return _ask if is_there else None


def _ask(question: str) -> bool:
    # Not input(): it would ask on stdout, among the results.
    sys.stderr.write(f"{visible(question, keep=chr(10))} [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        # Ctrl-D: what comes next begins a line of its own.
        sys.stderr.write("\n")
    return answer.strip().lower() in {"y", "yes"}
