"""The ledger in a directory of this machine, for one user: diskcache, and files that are locked.

All processes take turns, because SQLite's own waiting is not fair and can fail.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import diskcache
from diskcache.core import DBNAME

from almajob.errors import NAME_STATE_DIR, NO_HOME, Refused
from almajob.store.directory.directory_rows import DirectoryRows
from almajob.store.directory.file_locks import FileLocks
from almajob.store.directory.migration import migrate
from almajob.store.diskcache_directory import CacheDirectory, DirectoryOptions, open_directory
from almajob.store.errors import Damaged, NewerFormat, UnsafeEntry, is_damage, is_locked, reason
from almajob.store.ledger.place import LedgerUnusable, Locks
from almajob.store.schema import LEDGER_FORMAT
from almajob.system.file_lock import LockHeld, lock_file
from almajob.system.private_files import hint_of
from almajob.system.sharing.forks import defer_forks
from almajob.text.busy import Busy, show_nothing

LEDGER = DirectoryOptions(
    """\
This directory is the ledger of almajob: what it started, and what it could not find out about a start.
Do not remove it. Without it almajob may start a job a second time. "almajob runs list" shows what is in it.
""",
    {
        "cull_limit": 0,
        # On disk before the next step is taken, even where the power fails.
        "sqlite_synchronous": 2,
        # Of a damaged write-ahead log SQLite drops the last commits in silence.
        "sqlite_journal_mode": "truncate",
        "sqlite_mmap_size": 0,
    },
    lock_seconds=30.0,
)
_GIVE_IT_ROOM = "almajob needs free disk space and a directory that it may write to (ALMAJOB_STATE_DIR)."


class DirectoryPlace:
    """A ledger's directory; see ``store.ledger.place.Place``.

    Args:
        directory: of its own, in the state directory.
        busy: shows people that it is brought into today's format, which may take a minute.
    """

    def __init__(self, directory: Path, busy: Busy = show_nothing) -> None:
        self.directory = directory
        self._busy = busy
        self.name = str(directory)
        self.newest = directory.with_name(f"{directory.name}.newest")
        self._turn = directory.with_name(f"{directory.name}.lock")
        self.locks: Locks = FileLocks(directory.with_name("locks"))

    def need(self) -> None:
        """Nothing is missing for it: the directory is made when it is used."""

    @property
    def is_there(self) -> bool:
        return self.directory.exists()

    def count_bytes(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return sum(found.stat().st_size for found in os.scandir(self.directory))
        return 0

    def initialize(self, role: str = "") -> str:
        if role:
            raise Refused(
                f"The ledger is the directory {self.directory}, which no database role can use.",
                hint="Leave out --role, or name a database in [almajob] ledger, or ALMAJOB_LEDGER.",
            )
        self.need()
        return f"The ledger is the directory {self.directory}, which is made when it is first used."

    def close(self) -> None:
        """Nothing is open between its blocks."""

    @contextlib.contextmanager
    def read(self, wait: float) -> Iterator[DirectoryRows]:
        with self._open(wait) as directory:
            yield DirectoryRows(directory)

    @contextlib.contextmanager
    def change(self, wait: float, *, is_of_start: bool = False) -> Iterator[DirectoryRows]:
        with self._open(wait) as directory, directory.transact():
            yield DirectoryRows(directory)

    @contextlib.contextmanager
    def _open(self, wait: float) -> Iterator[CacheDirectory]:
        """Open the directory for a moment, while no other process has it open."""
        try:
            options = LEDGER._replace(lock_seconds=wait)
            with (
                lock_file(self._turn, wait=wait),
                defer_forks(),
                open_directory(self.directory, options) as directory,
            ):
                migrate(directory, self._busy)
                yield directory
        except NewerFormat:
            raise LedgerUnusable(
                f"The ledger {self.directory} was written by a newer almajob.",
                reason=f"This one knows formats up to {LEDGER_FORMAT}. Nothing is started.",
                hint="Use the almajob that wrote it, or a newer one.",
            ) from None
        except (LockHeld, Damaged, UnsafeEntry, sqlite3.Error, OSError, diskcache.Timeout) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> LedgerUnusable:
        is_held = isinstance(error, LockHeld)
        why = "another process keeps it locked" if is_held else reason(error)
        advice = hint_of(error) or _GIVE_IT_ROOM
        if is_damage(error):
            advice = (
                "Look in Alma (Admin > Monitor Jobs) what was started lately; then restore a backup, or\n"
                f"mv {self.directory} {self.directory}.damaged\n"
                "Runs that either lacks are searched for by their tags. Those of scheduled jobs have none."
            )
        elif is_held or is_locked(error):
            advice = (
                "Try again. If it persists, this shows the process:\n"
                f"fuser -v {self._turn} {self.directory / DBNAME}"
            )
        return LedgerUnusable(
            f"The ledger {self.directory} cannot be used.",
            reason=f"{why[:1].upper()}{why[1:]}. Without it a job could start twice, so nothing is started.",
            hint=advice,
        )


class MissingPlace(DirectoryPlace):
    """The place of a user who has none: nothing is known from it, and nothing is started."""

    def __init__(self) -> None:
        # Below a file, where nothing can ever be made.
        super().__init__(Path(os.devnull, "ledger"))

    def need(self) -> NoReturn:
        raise LedgerUnusable(
            "There is no place for the ledger, so nothing is started.",
            reason=f"{NO_HOME} Without the ledger a job could start twice.",
            hint=NAME_STATE_DIR,
        )

    def _open(self, wait: float) -> NoReturn:
        self.need()
