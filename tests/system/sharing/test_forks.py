"""What belongs to one process is forgotten by its children, and a fork waits for databases in use."""

from __future__ import annotations

import os
import threading

from almajob.system.sharing.forks import (
    close_before_forks,
    connect_between_forks,
    defer_forks,
    forget_in_children,
)
from tests.support.forks import fork


class _Owned:
    def __init__(self) -> None:
        self.is_open = self.is_ours = True

    def disconnect(self) -> None:
        self.is_open = False

    def forget_parent(self) -> None:
        self.is_ours = False


def test_a_child_forgets_and_its_parent_does_not() -> None:
    """As often as there are generations."""
    owned = _Owned()
    forget_in_children(owned)
    assert fork(lambda: [owned.is_ours, owned.is_open])() == [False, True]
    assert owned.is_ours

    def have_a_child() -> bool:
        owned.is_ours = True
        return bool(fork(lambda: owned.is_ours)())

    assert fork(have_a_child)() is False


def test_a_fork_waits_for_who_uses_a_database() -> None:
    """What another thread is in the midst of would never be finished in the child."""
    database = _Owned()
    close_before_forks(database)
    using, forking = threading.Event(), threading.Event()
    seen = []

    def use() -> None:
        with defer_forks():
            using.set()
            forking.wait()
            seen.append(database.is_open)

    thread = threading.Thread(target=use)
    thread.start()
    using.wait()
    # Called before those that were registered earlier.
    os.register_at_fork(before=forking.set)
    assert fork(lambda: [seen, database.is_open])() == [[True], False]
    thread.join()


def test_a_fork_waits_for_who_connects() -> None:
    """The C library's lock of name look-ups would be held in the child for ever; a second fork is as good."""
    connecting, forking = threading.Event(), threading.Event()
    seen = []

    def connect() -> None:
        with connect_between_forks():
            connecting.set()
            forking.wait()
            seen.append("connected")

    thread = threading.Thread(target=connect)
    thread.start()
    connecting.wait()
    # Called before those that were registered earlier.
    os.register_at_fork(before=forking.set)
    assert fork(lambda: seen)() == ["connected"]
    thread.join()

    def connect_and_fork() -> bool:
        with connect_between_forks():
            pass
        return bool(fork(lambda: True)())

    assert fork(connect_and_fork)()


def test_a_fork_out_of_a_use_does_not_wait_for_itself() -> None:
    """The child can use databases, and fork, as its parent can."""

    def use_and_fork() -> bool:
        with defer_forks():
            return bool(fork(lambda: True)())

    with defer_forks():
        assert fork(use_and_fork)()
    assert use_and_fork()
