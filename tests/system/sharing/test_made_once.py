"""Attributes that threads share are made once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from almajob.system.sharing.made_once import Making, made_once
from tests.support.forks import fork


class _Maker:
    def __init__(self) -> None:
        self._making = Making()
        self.makes = threading.Semaphore(0)
        self.barrier = threading.Barrier(8)
        self.made: list[object] = []

    @made_once
    def thing(self) -> object:
        """A thing."""
        self.made.append(object())
        return self.made[-1]

    @made_once
    def slow(self) -> str:
        self.makes.acquire()
        return "made"

    @made_once
    def broken(self) -> object:
        self.made.append(object())
        raise ValueError("not yet")

    @made_once
    def nested(self) -> object:
        return self.thing


def test_threads_that_ask_at_once_get_the_same() -> None:
    """Eight of them, let loose together."""
    maker = _Maker()

    def ask(_number: int) -> object:
        maker.barrier.wait()
        return maker.nested

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert len(maker.made) == 1
    assert set(found) == {maker.thing}
    assert _Maker.thing.__doc__ == "A thing."


def test_what_failed_is_tried_again() -> None:
    """As with ``cached_property``."""
    maker = _Maker()
    for _ in range(2):
        with pytest.raises(ValueError, match="not yet"):
            _ = maker.broken
    assert len(maker.made) == 2


def test_a_child_does_not_wait_for_a_thread_of_its_parent() -> None:
    """One that was making the same thing when the process was forked."""
    maker = _Maker()
    begun = threading.Event()

    def ask() -> None:
        begun.set()
        assert maker.slow == "made"

    thread = threading.Thread(target=ask)
    thread.start()
    begun.wait()

    def make() -> str:
        maker.makes = threading.Semaphore(1)
        return maker.slow

    assert fork(make)() == "made"
    maker.makes.release()
    thread.join()
