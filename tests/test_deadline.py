"""Work and waits that end when they should."""

from __future__ import annotations

import threading
import time

import pytest

from almajob.deadline import SLICE, DeadlinePassed, NotBegun, nap, within


def test_work_gives_what_it_returns_or_raises() -> None:
    """As if it had been called."""
    assert within(5, lambda _abandoned: 7) == 7
    with pytest.raises(KeyError, match="x"):
        within(5, lambda _abandoned: {"a": 1}["x"])


def test_work_that_takes_too_long_is_left_and_told() -> None:
    """The event lets it stop early."""
    seen = threading.Event()

    def work(abandoned: threading.Event) -> None:
        abandoned.wait(10)
        seen.set()

    with pytest.raises(DeadlinePassed):
        within(0.1, work)
    assert seen.wait(10)


def test_no_wait_is_longer_than_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes just before a long one would be noticed at its end only."""
    clock, waits = [1000.0], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", sleep)
    nap(60)
    assert sum(waits) == pytest.approx(60)
    assert max(waits) <= SLICE


def test_work_for_which_there_is_no_thread_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it was done, and whoever asked for it can say so."""

    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    done: list[int] = []
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(NotBegun):
        within(5, lambda _abandoned: done.append(1))
    assert done == []
