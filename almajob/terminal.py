"""Questions to the person at the terminal, where there is one."""

from __future__ import annotations

import sys
from collections.abc import Callable

from almajob.visible import visible


def is_attended() -> bool:
    """Whether somebody can be asked and can answer; nobody can in cron, nor behind a pipe."""
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError):
        # Closed, or not there at all.
        return False


def asker() -> Callable[[str], bool] | None:
    """Give what asks a person yes or no; None where nobody can answer."""
    return _ask if is_attended() else None


def confirmer() -> Callable[[str], str] | None:
    """Give what shows a start to a person and reads what is typed; None where nobody can answer."""
    return _read_id if is_attended() else None


def _ask(question: str) -> bool:
    return _typed(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def _read_id(question: str) -> str:
    return _typed(f"{question}\nType the job's id to start it; anything else starts nothing: ")


def _typed(prompt: str) -> str:
    # Not input(): it would ask on stdout, among the results.
    sys.stderr.write(visible(prompt, keep="\n"))
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        # Ctrl-D: what comes next begins a line of its own.
        sys.stderr.write("\n")
    return answer
