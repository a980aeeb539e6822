"""Work that ends at a deadline, however the other side behaves."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from almajob.system.sharing.stop import raise_if_stopped

T = TypeVar("T")

SLICE = 0.25
"""The longest wait at a stretch, in seconds.

A signal that comes just before a thread begins to wait does not wake it: Ctrl-C would be noticed at the end
of the wait only.
"""

_LAST_SECONDS = 1.0  # For what was cancelled to end; milliseconds are enough.


def nap(seconds: float) -> None:
    """Sleep, and notice Ctrl-C and SIGTERM meanwhile."""
    end = time.monotonic() + seconds
    while (rest := end - time.monotonic()) > 0:
        raise_if_stopped()
        time.sleep(min(rest, SLICE))


class DeadlinePassed(Exception):
    """The time is over; whatever the work still does is of no consequence.

    Args:
        was_permitted: whether the work had been allowed to do what cannot be taken back. Where it had not, it
            never will be.
    """

    def __init__(self, *, was_permitted: bool = False) -> None:
        super().__init__(was_permitted)
        self.was_permitted = was_permitted


class Abandoned(Exception):
    """Nobody waits for the work any more, so it must not go on."""


class NoThread(OSError):
    """There is no thread for the work; nothing of it was done."""

    def __init__(self) -> None:
        super().__init__(errno.EAGAIN, "This machine gives almajob no more threads")


class Task(threading.Thread, Generic[T]):
    """A thread that keeps what its work returned or raised; it does not hold up the end of the process.

    Args:
        work: what it does; it is given this task.
        end: until when somebody waits for it, by the monotonic clock.

    Attributes:
        abandoned: set when nobody waits any more, so that the work can stop early.
        is_permitted: whether it may do what cannot be taken back.
        messages: what it tells those who wait: how to cancel what it asks to begin; None when it has ended.
    """

    def __init__(self, work: Callable[[Task[T]], T], end: float) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._end = end
        self._answered = threading.Event()
        self.abandoned = threading.Event()
        self.is_permitted = False
        self.messages: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.result: T
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._work(self)
        except BaseException as error:  # noqa: BLE001  # raised again where it is waited for
            self.error = error
        finally:
            self.messages.put(None)

    def ask_permission(self, cancel: Callable[[], None]) -> None:
        """Wait for the permission to do what cannot be taken back.

        Only whoever waits for the work gives it, in their own thread. Once they have left, however they left,
        nobody does: what was given up without a permission can never happen later.

        Args:
            cancel: called by those who wait, where they leave before the work has ended: it ends at once
                then. It must not raise.

        Raises:
            Abandoned: there is no permission, and never will be.
        """
        self.messages.put(cancel)
        while not self._answered.wait(SLICE):
            self.check_awaited()
        self.check_awaited()

    def check_awaited(self) -> None:
        """Stop the work where nobody waits for it any more.

        Raises:
            Abandoned: nobody does.
        """
        # A second signal may have kept those who left from saying so.
        if self.abandoned.is_set() or time.monotonic() > self._end:
            raise Abandoned

    def answer(self, *, is_permitted: bool) -> None:
        """Permit the work to do what cannot be taken back; or stop waiting for it, and it never may."""
        if is_permitted:
            self.is_permitted = True
        else:
            self.abandoned.set()
        self._answered.set()


def run_within(
    seconds: float, work: Callable[[Task[T]], T], before_permission: Callable[[], None] = lambda: None
) -> T:
    """Do a piece of work in a thread of its own and wait for it, but no longer than this.

    No time-out of requests bounds a server that sends a byte of its headers or its body now and then: each
    byte starts the time-out anew. So the whole exchange is bounded from outside.

    Args:
        work: is given its task, which knows whether somebody still waits, and whom it asks for permission.
        before_permission: called in this thread when the work asks for that; what it raises is raised here,
            and the work gets no permission.

    Raises:
        DeadlinePassed: the time is over.
        NoThread: there is no thread for it.
        BaseException: whatever the work raised.
    """
    end = time.monotonic() + seconds
    task = Task(work, end)
    try:
        task.start()
    except RuntimeError:
        raise NoThread from None
    cancel: Callable[[], None] | None = None
    has_ended = False
    try:
        while not has_ended and (rest := end - time.monotonic()) > 0:
            try:
                message = task.messages.get(timeout=min(rest, SLICE))
            except Empty:
                raise_if_stopped()
                continue
            has_ended = message is None
            if message is not None:
                raise_if_stopped()
                before_permission()
                cancel = message
                task.answer(is_permitted=True)
    finally:
        task.answer(is_permitted=False)
        if cancel is not None and not has_ended:
            cancel()
            # It has nothing to wait for now; what it used is closed when it has ended.
            task.join(_LAST_SECONDS)
    # A task that found out first that the time is over has ended with Abandoned.
    if not has_ended or isinstance(task.error, Abandoned):
        raise DeadlinePassed(was_permitted=task.is_permitted)
    task.join()
    if task.error is not None:
        raise task.error
    return task.result
