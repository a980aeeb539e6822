"""Who is busy with what, among all almajobs of this user on this machine."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from almajob import times
from almajob.errors import Refused
from almajob.ownfile import NotPrivate, refuse_link
from almajob.store.locks import Held, locked
from almajob.store.record import alma_of, checksum

LOCK_WAIT = 60.0
"""Seconds to wait for another process that starts the same job, where nobody says otherwise."""
_KEY_LOCKS = 64
_ELSEWHERE = "ALMAJOB_STATE_DIR names another directory."


def key_lock(run_key: str) -> str:
    """Name the lock of a run key: one of a few, as keys are without number and a lock's file stays."""
    return f"key:{int(checksum(run_key)[:8], 16) % _KEY_LOCKS}"


def job_locks(environment: str, identity: str, job_id: str) -> list[str]:
    """Name the locks of a job, in the order in which everybody takes them.

    Both by the section of the ini and by the Alma that it leads to: another section may lead to the same one,
    and a section's key may be exchanged.
    """
    return sorted({f"{environment}:{job_id}", f"{alma_of(identity)}:{job_id}"})


class Locks:
    """Locks by name, released by the kernel when their process dies.

    Args:
        directory: of their files.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: dict[str, ExitStack] = {}
        since = times.local(time.time())
        self._note = (
            f"process {os.getpid()} on {platform.node()}, which began at {since:%Y-%m-%d %H:%M:%S %z}"
        )

    @contextlib.contextmanager
    def lock(self, name: str, wait: float, cure: str = "Try again when it has ended.") -> Iterator[None]:
        """Hold a lock for the length of a block.

        Args:
            name: of a job, or of whatever only one process at a time may be busy with.
            wait: seconds, at most, until it is free.
            cure: what to do where it is not.

        Raises:
            Refused: another process has it, or it cannot be made.
        """
        with ExitStack() as stack:
            try:
                refuse_link(self._directory)
                stack.enter_context(locked(self._path(name), wait=wait, note=self._note))
            except Held as held:
                raise Refused(
                    "Another almajob is busy with this job or run key; nothing was sent.",
                    why=f"It is {held.holder}." if held.holder else "",
                    cure=cure,
                ) from None
            except OSError as error:
                raise Refused(
                    f"No lock can be made in {self._directory}; nothing was sent.",
                    why=f"{error.strerror}.",
                    cure="Without locks a job could be started twice.\n"
                    + (error.cure if isinstance(error, NotPrivate) else _ELSEWHERE),
                ) from None
            yield

    def hold(self, name: str) -> None:
        """Say that this process is busy with something, until ``release``; no failure here matters."""
        stack = ExitStack()
        with contextlib.suppress(Held, OSError):
            refuse_link(self._directory)
            stack.enter_context(locked(self._path(name), wait=0))
            self._held[name] = stack

    def is_held(self, name: str) -> bool:
        """Whether a process that lives is busy with something."""
        path = self._path(name)
        if not path.exists():
            return False
        try:
            with locked(path, wait=0):
                # Left behind by a process that was killed.
                path.unlink(missing_ok=True)
        except Held:
            return True
        except OSError:
            return False
        return False

    def release(self) -> None:
        """Let go of everything that was held, and remove its files."""
        for name, stack in self._held.items():
            with contextlib.suppress(OSError):
                self._path(name).unlink(missing_ok=True)
            stack.close()
        self._held.clear()

    def _path(self, name: str) -> Path:
        return self._directory / f"{checksum(name)[:16]}.lock"
