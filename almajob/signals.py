"""Ctrl-C and SIGTERM held back for a moment, so that what must not be cut in half is done as a whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """SIGTERM came; as KeyboardInterrupt is for Ctrl-C."""


_HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held(is_stuck: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Let a signal wait until this is done; it is raised then. A second one is not held back.

    Args:
        is_stuck: says that it will not be done, as when a terminal takes no more output: then a signal is not
            held back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in _HELD}

    def keep(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        if callable(handler) and (came or is_stuck()):
            handler(number, frame)
        came.append(number)

    try:
        for number in _HELD:
            signal.signal(number, keep)
        yield
    finally:
        try:
            signal.signal(signal.SIGINT, before[signal.SIGINT])
        finally:
            signal.signal(signal.SIGTERM, before[signal.SIGTERM])
        for number_that_came in came:
            signal.raise_signal(number_that_came)
