"""Signals that end almajob: made exceptions, and held back where something must be done as a whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any


class Terminated(BaseException):
    """SIGTERM, SIGHUP or SIGQUIT came; as KeyboardInterrupt is for Ctrl-C.

    Args:
        number: of the signal.

    Attributes:
        exit_code: as a shell tells a death by that signal.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_HELD = (signal.SIGINT, *_ENDING)
_OF_JOB_CONTROL = (signal.SIGTSTP, signal.SIGCONT)


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise exception_of(number)


def _find_handlers(numbers: Iterable[signal.Signals] = _HELD) -> dict[signal.Signals, Any]:
    """Return who handles each signal now; nothing outside of the main thread, where no signal is handled."""
    is_main = threading.current_thread() is threading.main_thread()
    return {number: signal.getsignal(number) for number in numbers if is_main}


@contextmanager
def raise_signals() -> Iterator[None]:
    """Turn SIGTERM, SIGHUP and SIGQUIT into an exception, so that whoever waits can say how to go on.

    SIGHUP comes when the terminal is closed, SIGQUIT with Ctrl-\\. One that is ignored stays so, as
    ``nohup`` wants it. The second of a kind, of Ctrl-C too, is the end: an exception while things are put
    away would be told with its trace.
    """
    before = _find_handlers()
    caught = [number for number in before if number in _ENDING and before[number] is not signal.SIG_IGN]
    if before.get(signal.SIGINT) is signal.default_int_handler:
        caught.append(signal.SIGINT)
    try:
        for number in caught:
            signal.signal(number, _end)
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])


def rearm() -> None:
    """Make Ctrl-C an exception once more, for a shell: it goes on after the first."""
    if _find_handlers().get(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, _end)


@contextmanager
def notice_signals() -> Iterator[list[int]]:
    """Keep a list of the signals that come meanwhile; each is handled as it was before.

    So a KeyboardInterrupt that other people's code raises by itself can be told from Ctrl-C.
    """
    came: list[int] = []
    before = {number: handler for number, handler in _find_handlers().items() if callable(handler)}

    def notice(number: int, frame: FrameType | None) -> None:
        came.append(number)
        before[signal.Signals(number)](number, frame)

    try:
        for number in before:
            signal.signal(number, notice)
        yield came
    finally:
        for number, handler in before.items():
            # A handler may have set another one: the second signal of a kind is the end.
            if signal.getsignal(number) is notice:
                signal.signal(number, handler)


@contextmanager
def stop_at_signal(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Call a function at the first signal that would end this process, and keep a list of those that came.

    The second one is the end. Nothing is done outside of the main thread, where no signal is handled.
    """
    came: list[int] = []
    before = {
        number: handler for number, handler in _find_handlers().items() if handler is not signal.SIG_IGN
    }

    def note(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        if came and callable(handler):
            handler(number, frame)
        came.append(number)
        stop()

    try:
        for number in before:
            signal.signal(number, note)
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exception_of(number: int) -> BaseException:
    """Return the exception that a signal is made into."""
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated(number)


@contextmanager
def defer_signals(is_stuck: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Hold a signal back until the block ends; it is raised then. A second one is not held back.

    Args:
        is_stuck: says that it will not be done, as when a terminal takes no more output: then a signal is not
            held back.
    """
    came: list[int] = []
    before = {
        number: handler for number, handler in _find_handlers().items() if handler is not signal.SIG_IGN
    }
    # Those of job control are of concern only where somebody takes away what is drawn.
    before |= {
        number: handler for number, handler in _find_handlers(_OF_JOB_CONTROL).items() if callable(handler)
    }

    def keep(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        if callable(handler) and (came or is_stuck()):
            handler(number, frame)
        came.append(number)

    try:
        for number in before:
            signal.signal(number, keep)
        yield
    finally:
        # All of them, also where one comes meanwhile.
        with ExitStack() as giving_back:
            for number, handler in before.items():
                giving_back.callback(signal.signal, number, handler)
        for number_that_came in came:
            signal.raise_signal(number_that_came)


@contextmanager
def around_stop(*, after: Callable[[], None], before: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Do something before Ctrl-Z stops this process, and after it goes on, as with ``fg``.

    Args:
        before: called before it is stopped; SIGSTOP gives no time for that.
        after: called when it goes on, however it was stopped.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        before()
        for each in free:
            signal.signal(each, signal.SIG_DFL)
        # The process stands still here, unless no shell could let it go on.
        signal.raise_signal(number)
        for each in free:
            signal.signal(each, ours[each])
        after()

    def go_on(_number: int, _frame: FrameType | None) -> None:
        after()

    # Who ignores them, or handles them, has a reason.
    ours = {signal.SIGTSTP: stop, signal.SIGCONT: go_on}
    free = [number for number, old in _find_handlers(ours).items() if old is signal.SIG_DFL]
    try:
        for number in free:
            signal.signal(number, ours[number])
        yield
    finally:
        for number in free:
            signal.signal(number, signal.SIG_DFL)
