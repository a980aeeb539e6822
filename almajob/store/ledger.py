"""What must never be lost: one record for every run that was meant, on disk before anything is sent.

Nothing is ever thrown out or changed in silence: what is not exactly as it was written stops every start. So
each key and each record carries a check, and the rows are counted, as SQLite itself would overlook a flipped
bit. All processes take turns, because SQLite's own waiting is not fair and can fail.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import diskcache
from diskcache.core import DBNAME

from almajob.errors import Refused
from almajob.ownfile import NotPrivate
from almajob.store import rows
from almajob.store.drawers import Drawer, Manner, open_drawer
from almajob.store.failures import Damaged, cause, is_damage, is_locked, reason
from almajob.store.locks import Held, locked
from almajob.store.record import Record
from almajob.store.rows import FACT, FORMAT, NewerFormat, RowKey

LEDGER = Manner(
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
_GIVE_IT_ROOM = "Give almajob a disk with room and a directory that it may write to (ALMAJOB_STATE_DIR)."
TURN_SECONDS = 30.0
"""How long a process waits for another that has the ledger."""


class LedgerUnusable(Refused):
    """The ledger cannot be read or written; so nothing may be started, and what was is not known."""

    is_retry_safe = False


Wanted = Callable[[RowKey], bool]
"""Decides by a row's key whether its record is wanted."""


class Ledger:
    """The ledger of this user on this machine. Nothing is opened or made before it is used.

    Args:
        directory: of its own, in the state directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = directory.with_name(f"{directory.name}.lock")

    def records(self, wanted: Wanted = lambda _key: True, *, wait: float | None = None) -> list[Record]:
        """Give the records that are wanted, oldest first.

        Args:
            wanted: decides by the row's key alone.
            wait: seconds for another process that has the ledger; ``TURN_SECONDS`` where not given.

        Raises:
            LedgerUnusable: it cannot be read, or is not as it was written.
        """
        with self._opened(wait) as drawer:
            wanted_keys = [key for key in rows.keys(drawer) if (row := rows.row_key(key)) and wanted(row)]
            found = [rows.read(drawer, key) for key in wanted_keys]
        return sorted(found, key=lambda record: (record.created, record.id))

    def has(self, wanted: Wanted, *, wait: float | None = None) -> bool:
        """Whether there is a record that is wanted.

        Raises:
            LedgerUnusable: it cannot be read.
        """
        with self._opened(wait) as drawer:
            return any((row := rows.row_key(key)) and wanted(row) for key in rows.keys(drawer))

    def write(self, record: Record) -> None:
        """Keep a record; it is on disk when this returns.

        Raises:
            LedgerUnusable: it is not certain to be kept.
        """
        with self._opened() as drawer:
            before = rows.kept(drawer, record)
            if before is not None:
                _refuse_fork(before, record)
            key, other = rows.keys_of(record)
            with drawer.transact():
                drawer.set(key, rows.sealed(key, record.to_json()))
                drawer.delete(other)

    def amend(self, record: Record, *, wait: float | None = None, **changes: Any) -> None:
        """Keep something more of a record as it is kept now: another process may have written it meanwhile.

        Args:
            record: which; nothing happens where it is not kept.
            wait: as for ``records``.
            changes: attributes that are no part of its trail.

        Raises:
            LedgerUnusable: it is not certain to be kept.
        """
        with self._opened(wait) as drawer:
            kept = rows.kept(drawer, record)
            if kept is not None:
                key, _other = rows.keys_of(kept)
                drawer.set(key, rows.sealed(key, replace(kept, **changes).to_json()))

    def fact(self, name: str, *, wait: float | None = None) -> Any:
        """Give a fact that was kept, or None; ``wait`` as for ``records``.

        Raises:
            LedgerUnusable: it cannot be read.
        """
        key = rows.checked_key(FACT, name)
        with self._opened(wait) as drawer:
            return rows.unsealed(drawer, key) if key in rows.keys(drawer) else None

    def keep_fact(self, name: str, fact: Any, *, wait: float | None = None) -> None:
        """Keep a fact that starts rely on, in the form of JSON; ``wait`` as for ``records``.

        Raises:
            LedgerUnusable: it is not certain to be kept.
        """
        key = rows.checked_key(FACT, name)
        with self._opened(wait) as drawer:
            drawer.set(key, rows.sealed(key, fact))

    @contextlib.contextmanager
    def _opened(self, wait: float | None = None) -> Iterator[Drawer]:
        """Open the ledger for a moment, while no other process has it open."""
        wait = TURN_SECONDS if wait is None else wait
        try:
            manner = LEDGER._replace(lock_seconds=wait)
            with locked(self._lock, wait=wait), open_drawer(self.directory, manner) as drawer:
                yield drawer
        except Held:
            raise self._unusable("another process has kept it locked all the time", is_in_use=True) from None
        except NewerFormat:
            raise LedgerUnusable(
                f"The ledger {self.directory} was written by a newer almajob.",
                why=f"This one knows formats up to {FORMAT}; nothing is started.",
                cure="Use the almajob that wrote it, or a newer one.",
            ) from None
        except (Damaged, sqlite3.Error, OSError, diskcache.Timeout) as error:
            first = cause(error)
            raise self._unusable(
                reason(first),
                is_damaged=is_damage(first),
                is_in_use=is_locked(first),
                cure=first.cure if isinstance(first, NotPrivate) else _GIVE_IT_ROOM,
            ) from error

    def _unusable(
        self, why: str, *, is_damaged: bool = False, is_in_use: bool = False, cure: str = _GIVE_IT_ROOM
    ) -> LedgerUnusable:
        if is_damaged:
            cure = (
                "Restore it from a backup. If there is none: make sure in Alma (Admin > Monitor Jobs) that "
                f"no start is in doubt, then\nmv {self.directory} {self.directory}.damaged"
            )
        elif is_in_use:
            cure = (
                "Try again. If it stays so, this names the process:\n"
                f"fuser -v {self._lock} {self.directory / DBNAME}"
            )
        return LedgerUnusable(
            f"The ledger {self.directory} cannot be used.",
            why=f"{why[:1].upper()}{why[1:]}. Without it a job could start twice, so nothing is started.",
            cure=cure,
        )


def _refuse_fork(before: Record, after: Record) -> None:
    if after.trail[: len(before.trail)] != before.trail:
        raise OSError(errno.EBUSY, "a record was changed by another process meanwhile")
