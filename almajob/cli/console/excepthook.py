"""Errors that nothing caught: a bug is reported in six lines at most, and without keys."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
import warnings
from typing import TextIO

from almajob import __version__
from almajob.cli.console import log_setup
from almajob.errors import name_error
from almajob.system.signals import Terminated
from almajob.text.redaction import redact
from almajob.text.sanitize import sanitize

LOG = logging.getLogger("almajob")

_VERSIONS = f"almajob {__version__}, Python {sys.version.split()[0]}, {os.uname().sysname}"
_WHOM = "  Please report it, with the output of the same command and --debug,\n  and this: " + _VERSIONS
# Whoever ends so has been asked to, or has nobody left who listens.
_UNSAID = (SystemExit, KeyboardInterrupt, Terminated, BrokenPipeError)


def install() -> None:
    """Take over from Python what it would write to stderr by itself; for a process that is almajob's own."""
    # Its way with a message that cannot be written is a traceback, with the message's arguments.
    logging.raiseExceptions = False
    log_setup.hide_keys()
    sys.excepthook = lambda _kind, error, _trace: report(error)
    threading.excepthook = _report_escaped
    sys.unraisablehook = _report_escaped
    warnings.showwarning = _log_warning


def describe_bug(error: BaseException, whose: str = "almajob", whom: str = _WHOM) -> str:
    """Word an error that should not be: whose bug it is, whom to tell, and with what."""
    return f"almajob: a bug in {whose}: {name_error(error)}\n{whom}"


def report(error: BaseException) -> None:
    """Report an error that nothing caught; with --debug, also where it arose."""
    if isinstance(error, _UNSAID):
        return
    # The options may not have been read yet, or belong to a shell that has ended.
    if "--debug" in sys.argv:
        _write("".join(traceback.format_exception(error)))
    _write(describe_bug(error))


def _write(text: str, level: int = logging.ERROR) -> None:
    if log_setup.is_configured():
        LOG.log(level, "%s", text)
        return
    try:
        sys.stderr.write(sanitize(redact(text), keep="\n\t") + "\n")
    except (OSError, ValueError, AttributeError):
        """Closed, full or not there: nobody is left to tell."""


def _report_escaped(given: threading.ExceptHookArgs | sys.UnraisableHookArgs) -> None:
    """Report what ended a thread, or was raised where nobody could catch it."""
    if given.exc_value is not None:
        report(given.exc_value)


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Log a warning as Python words it, but where almajob's messages go."""
    _write(warnings.formatwarning(message, category, filename, lineno, line).rstrip(), logging.WARNING)
