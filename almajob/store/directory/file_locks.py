"""Who is busy with what, among all almajobs of this user on this machine."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from almajob.errors import JobBusy, Refused
from almajob.store.ledger.place import WHEN_ENDED
from almajob.store.ledger.record import checksum
from almajob.system.file_lock import LockHeld, is_locked, lock_file
from almajob.system.private_files import hint_of, refuse_link
from almajob.text import time_format

_ELSEWHERE = "Make it a directory that you can write to, or name another in ALMAJOB_STATE_DIR."
# For those who only ask whether a lock is held, or check that locks work.
_GLANCE, _CHECK = 0.5, 5.0
_DAY = 86400.0


class FileLocks:
    """Locks by name, each a file of a directory, released by the kernel when their process dies.

    See ``store.ledger.place.Place``.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: dict[str, ExitStack] = {}
        self._since = time_format.to_local(time.time())

    @property
    def _note(self) -> str:
        # A child that was forked has its own number.
        return (
            f"process {os.getpid()} on {platform.node()}, which began at {self._since:%Y-%m-%d %H:%M:%S %z}"
        )

    @contextlib.contextmanager
    def lock(self, name: str, wait: float, hint: str = WHEN_ENDED, *, remove: bool = False) -> Iterator[None]:
        """Hold a lock for the length of a block.

        Args:
            name: of a job, or of whatever only one process at a time may be busy with.
            wait: seconds, at most, until it is free.
            remove: remove its file at the end, where there are names without number.

        Raises:
            Refused: another process has it, it cannot be made, or it would keep nobody out.
        """
        path = self._path(name)
        with ExitStack() as stack:
            try:
                refuse_link(self._directory)
                stack.enter_context(lock_file(path, wait=wait, note=self._note, remove=remove))
                # Asked by another descriptor of this process. A lock that does not keep that out belongs to
                # the process, if it is one at all, and is lost with the first descriptor that is closed.
                is_effective = is_locked(path)
            except LockHeld as held:
                raise JobBusy(
                    "Another almajob is busy with this job or run key.",
                    reason=f"It is {held.holder}." if held.holder else "",
                    hint=hint,
                ) from None
            except OSError as error:
                raise Refused(
                    f"No lock can be made in {self._directory}.",
                    reason=f"{error.strerror}. "
                    "Without locks a job could be started twice, so none is started.",
                    hint=hint_of(error) or _ELSEWHERE,
                ) from None
            if not is_effective:
                # As on some network file systems.
                raise Refused(
                    f"Locks have no effect in {self._directory}.",
                    reason="This file system lets two processes hold the same lock, so a job could be "
                    "started twice.",
                    hint=f"Move {self._directory.parent} to a local disk, and name its new place in "
                    "ALMAJOB_STATE_DIR.",
                )
            yield

    def check(self) -> str:
        """Make sure that a lock keeps others out, and return where they are.

        Raises:
            Refused: it does not, or none can be made.
        """
        with self.lock("check", _CHECK, remove=True):
            return str(self._directory)

    def hold(self, name: str) -> None:
        """Note that this process is busy with something, until ``release``; no failure here matters."""
        stack = ExitStack()
        with contextlib.suppress(LockHeld, OSError):
            refuse_link(self._directory)
            stack.enter_context(lock_file(self._path(name), wait=_GLANCE, remove=True))
            self._held[name] = stack

    def is_held(self, name: str) -> bool:
        """Whether a process that lives is busy with something."""
        try:
            return is_locked(self._path(name))
        except OSError:
            return False

    def release(self) -> None:
        """Release everything that was held."""
        if self._held:
            self._remove_leftovers()
        for stack in self._held.values():
            stack.close()
        self._held.clear()

    def _remove_leftovers(self) -> None:
        """Remove the files of processes that were killed, a day later."""
        with contextlib.suppress(OSError):
            for path in self._directory.glob("*.lock"):
                if path.stat().st_mtime < time.time() - _DAY:
                    with contextlib.suppress(LockHeld), lock_file(path, wait=0, remove=True):
                        pass

    def _path(self, name: str) -> Path:
        return self._directory / f"{checksum(name)[:16]}.lock"
