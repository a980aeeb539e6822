"""What a forked process must not share with its parent.

Two processes that read from one connection get each other's answers; the lock of a thread that is not there
any more is never released; a file that the child has open, too, stays locked when the parent closes it. So a
child forgets such things before it does anything else. An SQLite database is closed before the fork: a child
may not even close what its parent has opened (https://sqlite.org/howtocorrupt.html, section 2.6). And no
fork comes while another thread connects: the lock of the C library's name look-ups would stay held in the
child, which could look up no name, and a connection that nobody has a reference to would stay open there.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakSet


class Inheritance(Protocol):
    """Something that a process makes for itself alone."""

    def forget_parent(self) -> None:
        """Drop what is the parent's, in a child that was forked just now, and leave it as it is.

        No other thread runs. Locks may be held for ever.
        """


class Database(Inheritance, Protocol):
    """Something that must be closed when a process forks."""

    def disconnect(self) -> None:
        """Close what is open and not in use; it is opened again when it is used."""


_LONGEST_WAIT = 5.0
"""Seconds for which a fork waits: one that comes out of what is in use would wait for ever."""
_INHERITED: WeakSet[Inheritance] = WeakSet()
_DATABASES: WeakSet[Database] = WeakSet()
_in_use = threading.RLock()


class _Connecting:
    """How many threads connect just now, and how many wait for that to end, to fork."""

    def __init__(self) -> None:
        self.count = 0
        self.forks = 0
        self.changed = threading.Condition()
        self.own = threading.local()


_connecting = _Connecting()


def forget_in_children(made: Inheritance) -> None:
    """Call ``made.forget_parent`` in each process that is forked from this one, as long as it exists."""
    _INHERITED.add(made)


def close_before_forks(made: Database) -> None:
    """Call ``made.disconnect`` before each fork, too, unless another thread is just using a database."""
    _INHERITED.add(made)
    _DATABASES.add(made)


@contextmanager
def defer_forks() -> Iterator[None]:
    """Use databases: other threads neither fork nor use theirs before the block ends."""
    with _in_use:
        yield


@contextmanager
def connect_between_forks() -> Iterator[None]:
    """Connect, or close a connection: forks wait for the end of the block, and it for those that wait."""
    connecting = _connecting
    if getattr(connecting.own, "is_counted", False):
        # A fork that waits for the block around this one would be waited for here.
        yield
        return
    with connecting.changed:
        # Threads that connect all the time would leave no moment for a fork.
        connecting.changed.wait_for(lambda: not connecting.forks, _LONGEST_WAIT)
        connecting.count += 1
    connecting.own.is_counted = True
    try:
        yield
    finally:
        connecting.own.is_counted = False
        with connecting.changed:
            connecting.count -= 1
            connecting.changed.notify_all()


def _prepare() -> None:
    end = time.monotonic() + _LONGEST_WAIT
    _prepared.is_alone = _in_use.acquire(timeout=_LONGEST_WAIT)
    if _prepared.is_alone:
        for database in list(_DATABASES):
            database.disconnect()
    _connecting.changed.acquire()
    _connecting.forks += 1
    _connecting.changed.wait_for(lambda: not _connecting.count, max(end - time.monotonic(), 0.0))


def _end() -> None:
    _connecting.forks -= 1
    _connecting.changed.notify_all()
    _connecting.changed.release()
    if _prepared.is_alone:
        _in_use.release()


def _begin_child() -> None:
    global _in_use, _connecting
    _in_use, _connecting = threading.RLock(), _Connecting()
    for made in list(_INHERITED):
        made.forget_parent()


_prepared = threading.local()
os.register_at_fork(before=_prepare, after_in_parent=_end, after_in_child=_begin_child)
