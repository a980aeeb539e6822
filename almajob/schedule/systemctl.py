"""The programs that systemd and cron are asked with: systemctl and crontab."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence

from almajob.errors import Refused
from almajob.text.sanitize import sanitize

_SECONDS = 60.0
_OFFLINE = ("offline", "unknown", "")


class CommandFailed(Exception):
    """A program that was called has failed; the text says how."""


def call(words: Sequence[str], text: str | None = None) -> str:
    """Call a program and return what it writes.

    Args:
        text: its standard input; none where not given.

    Raises:
        CommandFailed: it is not there, has failed, or takes longer than a minute.
    """
    try:
        done = subprocess.run(
            words,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or f"it did not end within {_SECONDS:g} s"
        raise CommandFailed(f"{shlex.join(words)}: {reason}") from None
    if done.returncode:
        said = sanitize(" ".join(done.stderr.split())) or f"exit code {done.returncode}"
        raise CommandFailed(f"{shlex.join(words)}: {said}")
    return done.stdout


def systemctl(*words: str, is_system: bool) -> list[str]:
    """Return the words of a call of systemctl."""
    return ["systemctl", *([] if is_system else ["--user"]), *words]


def is_systemd_running(*, is_system: bool) -> bool:
    """Whether systemd can be asked: the machine's, or the user's own."""
    if shutil.which("systemctl") is None:
        return False
    words = systemctl("is-system-running", is_system=is_system)
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    # Its exit code tells only whether all is well there.
    return done.stdout.strip() not in _OFFLINE


def answers_yes(words: Sequence[str]) -> bool:
    """Whether a program that is asked something exits with 0."""
    try:
        call(words)
    except CommandFailed:
        return False
    return True


def read_crontab() -> str:
    """Return the user's crontab; empty where there is none.

    Raises:
        Refused: it cannot be read.
    """
    try:
        return call(["crontab", "-l"])
    except CommandFailed as error:
        if "no crontab for" in str(error):
            return ""
        raise Refused(
            "The crontab cannot be read.", reason=f"{error}.", hint="Debian's package cron has crontab."
        ) from None
