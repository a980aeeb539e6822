"""Threads that end with the main one: only that gets signals, and Ctrl-C is meant for all of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_own = threading.local()


@contextmanager
def stop_with(stop: threading.Event) -> Iterator[None]:
    """Do a block in this thread until an event says that it is to end."""
    _own.stop = stop
    try:
        yield
    finally:
        _own.stop = None


def is_stopped() -> bool:
    """Whether this thread is to end."""
    stop: threading.Event | None = getattr(_own, "stop", None)
    return stop is not None and stop.is_set()


def raise_if_stopped() -> None:
    """Raise what Ctrl-C raises in the main thread; for whatever waits.

    Raises:
        KeyboardInterrupt: this thread is to end.
    """
    if is_stopped():
        raise KeyboardInterrupt
