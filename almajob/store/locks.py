"""A lock on a file, which the kernel releases when its process dies, however it dies.

``diskcache.Lock`` would stay locked after a kill -9 for ever.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from almajob.deadline import DeadlinePassed, NotBegun, within
from almajob.ownfile import make_private, open_own, refuse_open_directory

_LONGEST_NOTE = 500


class Held(Exception):
    """Another process has the lock, and kept it for as long as was waited.

    Args:
        holder: what that process says of itself; empty where it says nothing.
    """

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@contextlib.contextmanager
def locked(path: Path, *, wait: float, note: str = "") -> Iterator[None]:
    """Hold a lock for the length of a block.

    Args:
        path: the lock's file; made where it is missing, and never removed, as others may be waiting for it.
        wait: seconds, at most, until it is free.
        note: what those who wait are told of its holder.

    Raises:
        Held: it was not free in time.
        OSError: the file cannot be made or opened, or others could exchange it.
    """
    # Two who hold locks on different files under one name would both go on.
    refuse_open_directory(path.parent)
    make_private(path.parent)
    descriptor = open_own(path, os.O_RDWR)
    try:
        _wait_for(descriptor, wait)
        if note:
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, note.encode()[:_LONGEST_NOTE], 0)
        yield
    finally:
        # Closing it releases the lock, even where that is reported as failed.
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _wait_for(descriptor: int, wait: float) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            _take_turns(descriptor, wait)
        except DeadlinePassed:
            raise Held(os.pread(descriptor, _LONGEST_NOTE, 0).decode("utf-8", "replace")) from None


def _take_turns(descriptor: int, wait: float) -> None:
    """Wait as the kernel lets in, one after the other; who asks again and again may be unlucky."""
    if wait <= 0:
        raise DeadlinePassed
    # Of its own: whoever gives up closes the other one, and its number may be used again.
    own = os.dup(descriptor)

    def take(_abandoned: object) -> None:
        try:
            fcntl.flock(own, fcntl.LOCK_EX)
        finally:
            # The lock is held as long as the first descriptor is open.
            os.close(own)

    try:
        within(wait, take)
    except NotBegun:
        os.close(own)
        raise
