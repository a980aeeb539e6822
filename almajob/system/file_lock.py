"""A lock on a file, which the kernel releases when its process dies, however it dies.

``diskcache.Lock`` would stay locked after a kill -9 for ever.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from almajob.system.deadline import DeadlinePassed, NoThread, run_within
from almajob.system.private_files import make_private, open_own, refuse_open_directory
from almajob.system.sharing.forks import forget_in_children

_LONGEST_NOTE = 500
_PAUSE = 0.002


class LockHeld(Exception):
    """Another process has the lock, and kept it for as long as was waited.

    Args:
        holder: what that process says of itself; empty where it says nothing.
    """

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


class LockDescriptor:
    """The descriptor of a file that is locked, or will be, until it is closed.

    A child that is forked meanwhile closes its copy. One that is forked while the file is being opened has a
    copy that it does not know of: ``release`` unlocks that, too.
    """

    def __init__(self, descriptor: int) -> None:
        self.number = descriptor
        forget_in_children(self)

    @property
    def is_open(self) -> bool:
        """Whether it is still open in this process."""
        return self.number >= 0

    def release(self) -> None:
        """Unlock the file, whoever has a copy of the descriptor, and close it."""
        # A forked child has closed its copy.
        with contextlib.suppress(OSError, ValueError):
            fcntl.flock(self.number, fcntl.LOCK_UN)
        self.close()

    def close(self) -> None:
        """Close it, which releases a lock that has no copies, even where that is reported as failed."""
        number, self.number = self.number, -1
        close_quietly(number)

    forget_parent = close
    """Close the copy only: the lock stays the parent's."""


@contextlib.contextmanager
def lock_file(path: Path, *, wait: float, note: str = "", remove: bool = False) -> Iterator[None]:
    """Hold a lock for the length of a block; its file is made where it is missing.

    Args:
        wait: seconds, at most, until it is free.
        note: what those who wait are told of its holder.
        remove: remove the file at the end, for locks of which there are many. Those who wait begin anew with
            another file then, and no longer take turns.

    Raises:
        LockHeld: it was not free in time.
        OSError: the file cannot be made or opened, or others could exchange it.
    """
    # Two who hold locks on different files under one name would both go on.
    refuse_open_directory(path.parent)
    make_private(path.parent)
    end = time.monotonic() + wait
    with contextlib.ExitStack() as closing:
        while True:
            descriptor = LockDescriptor(open_own(path, os.O_RDWR))
            closing.callback(descriptor.release)
            _wait_for(descriptor.number, end - time.monotonic())
            if _is_at(path, descriptor.number):
                break
            # Its last holder has removed it: the next one may be locked by somebody else already.
            closing.close()
        if note:
            os.truncate(descriptor.number, 0)
            os.pwrite(descriptor.number, note.encode()[:_LONGEST_NOTE], 0)
        try:
            yield
        finally:
            # A child that was forked meanwhile has no part in it.
            if remove and descriptor.is_open:
                # While it is held: whoever opened it meanwhile finds out that it is gone.
                with contextlib.suppress(OSError):
                    path.unlink()


def is_locked(path: Path) -> bool:
    """Whether anybody holds a lock, this process included.

    Raises:
        OSError: that cannot be told.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            # Shared, so that two who ask at the same time do not take each other for the holder.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if _is_at(path, descriptor):
                return False
        except BlockingIOError:
            return True
        finally:
            LockDescriptor(descriptor).release()


def try_lock(descriptor: int, wait: float) -> bool:
    """Lock an open file as soon as it is free, out of turn, until it is closed.

    Returns False where it is not free within so many seconds.
    """
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(_PAUSE)
        else:
            return True


def close_quietly(descriptor: int) -> None:
    """Close a file, which releases its lock, even where that is reported as failed."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _wait_for(descriptor: int, wait: float) -> None:
    """Wait as the kernel lets in, one after the other; who asks again and again may be unlucky."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    if wait <= 0:
        # No thread is left behind that would still wait for it.
        raise _held_by(descriptor)
    # Of its own: whoever gives up closes the other one, and its number may be used again.
    own = LockDescriptor(os.dup(descriptor))

    def take(_task: object) -> None:
        try:
            fcntl.flock(own.number, fcntl.LOCK_EX)
        finally:
            # The lock is held as long as the first descriptor is open.
            own.close()

    try:
        run_within(wait, take)
    except NoThread:
        own.close()
        raise
    except DeadlinePassed:
        raise _held_by(descriptor) from None


def _held_by(descriptor: int) -> LockHeld:
    return LockHeld(os.pread(descriptor, _LONGEST_NOTE, 0).decode("utf-8", "replace"))
