"""An observer as it lives in a process of its own: ``deliver`` asks for these functions there."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import EntryPoint
from typing import Any, TextIO

from almajob.entry_points import require_api
from almajob.errors import name_error
from almajob.runs.observers.events import decode_event
from almajob.runs.observers.observer import Home, Observer, ObserverContext, RetryLater
from almajob.text.redaction import redact

MESSAGE = "\x1e"
"""With what a line of stderr begins that is a message of the observer's log: its level and text in JSON."""

LONGEST_OUTPUT = 2**16
"""How much of what an observer writes in a call is kept, in bytes; one text may go beyond that."""
_LONGEST_TEXT = 2**10
LONGEST_CALL = 300.0
"""How many seconds an observer may ask for, for a call."""


def load_observer(target: str) -> type[Observer]:
    """Import an observer.

    Args:
        target: its class, as ``module:Class``.

    Raises:
        TypeError: it is no observer.
        ValueError: it needs another version of almajob's plugin API.
    """
    found = EntryPoint("", target, "").load()
    if not (isinstance(found, type) and issubclass(found, Observer)):
        raise TypeError(f"{target} is not a subclass of Observer of almajob.plugin")
    require_api(found)
    return found


def call_observer(
    target: str, home: Sequence[str], kind: str, event: Mapping[str, Any], ahead: float = 0.0
) -> str:
    """Call an observer with an event; raise whatever it raises, but for ``RetryLater``.

    Args:
        target: its class, as ``module:Class``.
        home: the members of a ``Home``.
        kind: the name of the method.
        event: as ``encode_event`` made it.
        ahead: how many seconds almajob's clock is ahead of the machine's.

    Returns:
        Why it wants to be called again later; empty where it does not.
    """
    with _as_isolated():
        observer = load_observer(target)(ObserverContext(Home(*home), ahead))
        try:
            getattr(observer, kind)(decode_event(kind, event))
        except RetryLater as later:
            return redact(str(later)) or "it does not say why"
    return ""


def read_time_limit(target: str) -> float:
    """Import an observer, and return how many seconds a call of it may take.

    Args:
        target: its class, as ``module:Class``.
    """
    with _as_isolated():
        return min(max(float(load_observer(target).time_limit), 1.0), LONGEST_CALL)


@contextlib.contextmanager
def _as_isolated() -> Iterator[None]:
    """Load and call an observer: what it prints and logs is kept, without secrets."""
    process = os.getpid()
    written = _Redacted(sys.stderr)
    _log_to(written)
    try:
        with redirect_stdout(written), redirect_stderr(written):
            yield
    finally:
        if os.getpid() != process:
            # A copy that a fork has made: it must not answer, too.
            os._exit(0)


class _Redacted(io.TextIOBase):
    """A file without the secrets that this process has read, which does not fill the disk."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if os.fstat(self._stream.fileno()).st_size < LONGEST_OUTPUT:
            self._stream.write(redact(text))
            self._stream.flush()
        return len(text)


class _Messages(logging.Handler):
    """Writes what is logged, a line each, to where it is passed on from."""

    def __init__(self, stream: TextIO | _Redacted) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception as error:  # noqa: BLE001  # whatever a plugin logs
            text = name_error(error)
        if record.exc_info and record.exc_info[1]:
            text = f"{text}: {name_error(record.exc_info[1])}"
        shown = redact(text)[:_LONGEST_TEXT]
        self._stream.write(f"{MESSAGE}{json.dumps([record.levelno, shown])}\n")


def _log_to(stream: _Redacted) -> None:
    root = logging.getLogger()
    if not any(isinstance(handler, _Messages) for handler in root.handlers):
        root.addHandler(_Messages(stream))
        root.setLevel(logging.INFO)
