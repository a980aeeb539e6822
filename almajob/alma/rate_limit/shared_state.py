"""The file in which all almajob processes of a user keep what they know together of an institution's calls.

It is a hint, under a lock that the kernel releases when its process dies. Where there can be no such file, or
it cannot be written, this process keeps what it knows for itself.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import stat
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from almajob.alma.rate_limit import rate_state
from almajob.alma.rate_limit.call_account import Known
from almajob.alma.rate_limit.rate_state import RateState
from almajob.system.file_lock import LockDescriptor, close_quietly, try_lock
from almajob.system.private_files import make_private, open_own, refuse_link, refuse_open_directory
from almajob.system.sharing.forks import forget_in_children

LOG = logging.getLogger(__name__)

_SIZE_LIMIT = 4096
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class SharedState:
    """What is known of one institution's calls; see ``CallAccount``.

    Args:
        path: of the file; None where there is none.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._own = RateState()
        self._is_kept = True
        self.forget_parent()
        forget_in_children(self)

    def forget_parent(self) -> None:
        """Begin with a free lock: the thread that has it does not exist in a forked child."""
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def edit(self, seconds: float) -> Iterator[Known]:
        with self._lock, contextlib.ExitStack() as closing:
            descriptor = self._open_state(seconds, closing)
            there = None if descriptor is None or not self._is_kept else _read(descriptor)
            edit = Known(self._own if there is None else there)
            yield edit
            self._own = edit.state
            if descriptor is not None and edit.state != there:
                self._is_kept = _write(descriptor, edit.state)

    def read(self) -> Known:
        return Known(self._read())

    def _read(self) -> RateState:
        if self.path is None or not self._is_kept:
            return self._own
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return self._own
        try:
            found = _read(descriptor)
            return self._own if found is None else found
        finally:
            close_quietly(descriptor)

    def _open_state(self, seconds: float, closing: contextlib.ExitStack) -> int | None:
        """Open the file and lock it; None where that cannot be had."""
        if self.path is None:
            return None
        try:
            refuse_link(self.path.parent)
            make_private(self.path.parent)
            refuse_open_directory(self.path.parent)
            descriptor = open_own(self.path, os.O_RDWR)
            closing.callback(LockDescriptor(descriptor).release)
            # As a process that was stopped keeps its lock, nobody waits for long.
            if try_lock(descriptor, seconds):
                return descriptor
            LOG.debug("%s is locked by a process that does not go on.", self.path)
        except OSError as error:
            LOG.debug("%s cannot be used: %s.", self.path, error.strerror)
        return None


def _read(descriptor: int) -> RateState | None:
    """Read what was kept; None where it cannot be read."""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        document = json.loads(os.pread(descriptor, _SIZE_LIMIT, 0) or b"{}")
    except OSError:
        return None
    except (ValueError, RecursionError):
        return RateState()
    boot = document.pop("boot", None) if isinstance(document, dict) else None
    found = rate_state.from_json(document)
    return found if boot == _boot() else found.forget_boot_times()


def _write(descriptor: int, state: RateState) -> bool:
    """Write what is known; False where it is not kept."""
    text = json.dumps({"boot": _boot(), **state.to_json()}).encode()
    try:
        # Blanks behind a shorter text are no part of JSON; to cut it off would be a second step.
        return os.pwrite(descriptor, text.ljust(_SIZE_LIMIT), 0) == _SIZE_LIMIT
    except OSError as error:
        LOG.debug("What is known of the calls cannot be kept: %s.", error.strerror)
        return False


@cache
def _boot() -> str:
    """Return the id of this start of the machine, whose clock begins anew; empty where there is none."""
    try:
        return _BOOT.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
