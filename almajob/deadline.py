"""Work that ends at a deadline, however the other side behaves."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

SLICE = 0.25
"""The longest wait at a stretch, in seconds.

A signal that comes just before a thread begins to wait does not wake it: Ctrl-C would be noticed at the end
of the wait only.
"""


def nap(seconds: float) -> None:
    """Sleep, and notice Ctrl-C and SIGTERM meanwhile."""
    end = time.monotonic() + seconds
    while (rest := end - time.monotonic()) > 0:
        time.sleep(min(rest, SLICE))


class DeadlinePassed(Exception):
    """The time is over; whatever the work still does is of no consequence."""


class NotBegun(OSError):
    """There is no thread for the work; nothing of it was done."""

    def __init__(self) -> None:
        super().__init__(errno.EAGAIN, "This machine gives almajob no more threads")


class _Work(threading.Thread, Generic[T]):
    """A thread that keeps what its work returned or raised; it does not hold up the end of the process."""

    def __init__(self, work: Callable[[threading.Event], T]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.abandoned = threading.Event()
        self.result: T
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._work(self.abandoned)
        except BaseException as error:  # noqa: BLE001  # raised again where it is waited for
            self.error = error


def within(seconds: float, work: Callable[[threading.Event], T]) -> T:
    """Do a piece of work in a thread of its own and wait for it, but no longer than this.

    No time-out of requests bounds a server that sends a byte of its headers or its body now and then: each
    byte starts the time-out anew. So the whole exchange is bounded from outside.

    Args:
        seconds: how long to wait.
        work: is given an event that is set when nobody waits any more, so that it can stop early.

    Raises:
        DeadlinePassed: the time is over.
        NotBegun: there is no thread for it.
        BaseException: whatever the work raised.
    """
    thread = _Work(work)
    try:
        thread.start()
    except RuntimeError:
        raise NotBegun from None
    end = time.monotonic() + seconds
    try:
        while thread.is_alive() and (rest := end - time.monotonic()) > 0:
            thread.join(min(rest, SLICE))
    finally:
        thread.abandoned.set()
    if thread.is_alive():
        raise DeadlinePassed
    if thread.error is not None:
        raise thread.error
    return thread.result
