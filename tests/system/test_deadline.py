"""Work and waits that end when they should."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from almajob.system import deadline
from almajob.system.deadline import DeadlinePassed, Task, run_within

Tracer = Callable[[FrameType, str, Any], Any]


def test_work_gives_what_it_returns_or_raises() -> None:
    """As if it had been called."""
    assert run_within(5, lambda _task: 7) == 7
    with pytest.raises(KeyError, match="x"):
        run_within(5, lambda _task: {"a": 1}["x"])


def test_work_that_takes_too_long_is_left_and_told() -> None:
    """An event lets it stop early."""
    seen = threading.Event()

    def work(task: Task[None]) -> None:
        task.abandoned.wait(10)
        seen.set()

    with pytest.raises(DeadlinePassed):
        run_within(0.1, work)
    assert seen.wait(10)


def test_what_cannot_be_taken_back_is_done_with_permission_only() -> None:
    """Those who wait give it in their own thread, when they are asked, and nothing is cancelled then."""
    told: list[object] = []

    def work(task: Task[str]) -> str:
        assert not task.is_permitted
        task.ask_permission(lambda: told.append("cancelled"))
        told.append("done")
        return "result"

    assert run_within(5, work, lambda: told.append(threading.current_thread())) == "result"
    assert told == [threading.current_thread(), "done"]


class _Interrupted(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError, _Interrupted])
def test_who_is_interrupted_when_asked_gives_no_permission(error: type[BaseException]) -> None:
    """Whatever it was; the work ends without what it asked for."""
    done: list[str] = []
    ended = threading.Event()

    def work(task: Task[None]) -> None:
        try:
            task.ask_permission(lambda: done.append("cancelled"))
            done.append("done")
        finally:
            ended.set()

    def refuse() -> None:
        raise error

    with pytest.raises(error):
        run_within(5, work, refuse)
    assert ended.wait(10)
    assert done == []


def test_what_was_permitted_is_cancelled_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before; and it has ended, so that what it used is closed, before that is told."""
    cancelled, has_ended = threading.Event(), threading.Event()

    def work(task: Task[None]) -> None:
        task.ask_permission(cancelled.set)
        assert not cancelled.is_set()
        cancelled.wait(10)
        # As long as it may take to close something.
        time.sleep(0.2)
        has_ended.set()

    monkeypatch.setattr(deadline, "_LAST_SECONDS", 30.0)
    with pytest.raises(DeadlinePassed) as caught:
        run_within(0.1, work)
    assert has_ended.is_set()
    assert caught.value.was_permitted


class _Asking:
    """Work that asks for permission and then begins what cannot be taken back.

    Args:
        trace: sees what the thread does.
    """

    def __init__(self, trace: Tracer | None = None) -> None:
        self._trace = trace
        self.has_begun = False
        self.has_ended = threading.Event()

    def __call__(self, task: Task[None]) -> None:
        sys.settrace(self._trace)
        try:
            task.ask_permission(lambda: None)
            self.has_begun = True
        finally:
            sys.settrace(None)
            self.has_ended.set()


def _at_line(number: int, act: Callable[[], None]) -> Tracer:
    """Trace what the module does, and act before its line of that number is run."""
    lines = iter(range(number))

    def trace(frame: FrameType, event: str, _argument: object) -> Tracer | None:
        if frame.f_code.co_filename != deadline.__file__:
            return None
        if event == "line" and next(lines, None) is None:
            act()
        return trace

    return trace


def test_whoever_leaves_at_any_moment_knows_whether_it_was_begun() -> None:
    """The work is stopped at each line of its asking until they have left: not begun is never begun."""
    told = []
    for number in itertools.count():
        have_left, was_stopped = threading.Event(), threading.Event()

        def stop(have_left: threading.Event = have_left, was_stopped: threading.Event = was_stopped) -> None:
            was_stopped.set()
            have_left.wait(10)

        work = _Asking(_at_line(number, stop))
        try:
            run_within(0.05, work)
        except DeadlinePassed as passed:
            have_left.set()
            assert work.has_ended.wait(10)
            assert passed.was_permitted or not work.has_begun, number
            told.append(passed.was_permitted)
        if not was_stopped.is_set():
            break
    assert set(told) == {False, True}


@pytest.mark.parametrize("times", [1, 2])
def test_a_signal_at_any_moment_lets_nothing_begin_that_was_not_permitted(times: int) -> None:
    """One at each line of the waiting, or two in a row: where nobody was asked, nothing begins later."""
    asked = []
    for number in itertools.count():
        was_asked, signals = threading.Event(), [KeyboardInterrupt()] * times

        def interrupt(signals: list[KeyboardInterrupt] = signals) -> None:
            if signals:
                raise signals.pop()

        work = _Asking()
        before = sys.gettrace()
        try:
            sys.settrace(_at_line(number, interrupt))
            run_within(1.0, work, was_asked.set)
        except (KeyboardInterrupt, DeadlinePassed):
            pass
        finally:
            sys.settrace(before)
        if len(signals) == times:
            break
        for thread in threading.enumerate():
            if isinstance(thread, Task):
                thread.join(10)
        assert was_asked.is_set() or not work.has_begun, number
        asked.append(was_asked.is_set())
    assert set(asked) == {False, True}
