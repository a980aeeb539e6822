"""What must never be lost: one record for every run that was meant, on disk before anything is sent.

Nothing is ever thrown out or changed in silence: what is not exactly as it was written stops every start. So
each key and each record carries a check, and the rows are counted, as SQLite itself would overlook a flipped
bit. All processes take turns, because SQLite's own waiting is not fair and can fail.

A ledger that was restored from a backup is whole, and lacks what came after. So a small file beside it names
the newest record, and the ledger keeps since when it may lack others.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import diskcache
from diskcache.core import DBNAME

from almajob.errors import Refused
from almajob.store import ledger_rows
from almajob.store.diskcache_directory import CacheDirectory, DirectoryOptions, open_directory
from almajob.store.errors import Damaged, cause, is_damage, is_locked, reason
from almajob.store.ledger_record import Record
from almajob.store.ledger_rows import FACT, FORMAT, NewerFormat, RowKey
from almajob.system.file_lock import Held, lock_file
from almajob.system.private_files import NotPrivate, open_own, read_own

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
_GIVE_IT_ROOM = "Give almajob a disk with room and a directory that it may write to (ALMAJOB_STATE_DIR)."
TURN_SECONDS = 30.0
"""How long a process waits for another that has the ledger."""


class LedgerUnusable(Refused):
    """The ledger cannot be read or written; so nothing may be started, and what was is not known."""

    is_retry_safe = False


Wanted = Callable[[RowKey], bool]
"""Decides by a row's key whether its record is wanted."""
_GAP = ledger_rows.checked_key(FACT, "gap")
# Longer than from one day's command to the next day's, and less than a start looks back anyway.
_USUAL_PAUSE = 26 * 60 * 60.0
LONGEST_MEMORY = 31 * 24 * 60 * 60.0
"""Seconds for which it matters that the ledger may lack records."""
_LONGEST_ID = 64


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which the ledger may lack records, in seconds since the epoch.

    Attributes:
        since, until: nothing was written meanwhile.
        lost_since, lost_until: the part of which it certainly lacks some, as it had a record that it has no
            more; None where there is none.
    """

    since: float
    until: float
    lost_since: float | None = None
    lost_until: float | None = None

    def is_past(self, now: float) -> bool:
        """Whether it ended so long ago that it does not matter any more."""
        return self.until < now - LONGEST_MEMORY

    def join(self, other: Gap | None) -> Gap:
        """Return the time from the beginning of one to the end of the other, unless that is long past."""
        if other is None or other.is_past(self.until):
            return self
        lost = [gap for gap in (self, other) if gap.lost_since is not None]
        return Gap(
            min(self.since, other.since),
            max(self.until, other.until),
            min((gap.lost_since or 0.0 for gap in lost), default=None),
            max((gap.lost_until or 0.0 for gap in lost), default=None),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it in the form in which it is kept."""
        return asdict(self)


def find_gap(created: Mapping[str, float], newest: str, known: Gap | None, now: float) -> Gap | None:
    """Find out of which time a ledger may lack records; None where it was written to within a day.

    Args:
        created: when each of its records was made, in seconds since the epoch, by its id.
        newest: the id of the record that was written last; empty where that is not known.
        known: what was found out before.
        now: seconds since the epoch.
    """
    latest = min(max(created.values(), default=0.0), now)
    if known is not None and known.is_past(now):
        known = None
    if newest and newest not in created:
        return Gap(latest, now, latest, now).join(known)
    return known if now - latest < _USUAL_PAUSE else Gap(latest, now).join(known)


class Ledger:
    """The ledger of this user on this machine. Nothing is opened or made before it is used.

    Args:
        directory: of its own, in the state directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = directory.with_name(f"{directory.name}.lock")
        self._newest = directory.with_name(f"{directory.name}.newest")

    def records(self, wanted: Wanted = lambda _key: True, *, wait: float | None = None) -> list[Record]:
        """Return the records that are wanted, oldest first.

        Args:
            wanted: decides by the row's key alone.
            wait: seconds for another process that has the ledger; ``TURN_SECONDS`` where not given.

        Raises:
            LedgerUnusable: it cannot be read, or is not as it was written.
        """
        with self._open_ledger(wait) as directory:
            wanted_keys = [
                key
                for key in ledger_rows.keys(directory)
                if (row := ledger_rows.row_key(key)) and wanted(row)
            ]
            found = [ledger_rows.read(directory, key) for key in wanted_keys]
        return sorted(found, key=lambda record: (record.created_at, record.id))

    def has(self, wanted: Wanted, *, wait: float | None = None) -> bool:
        """Whether there is a record that is wanted.

        Raises:
            LedgerUnusable: it cannot be read.
        """
        with self._open_ledger(wait) as directory:
            return any(
                (row := ledger_rows.row_key(key)) and wanted(row) for key in ledger_rows.keys(directory)
            )

    def write(self, record: Record) -> None:
        """Keep a record; it is on disk when this returns.

        Raises:
            LedgerUnusable: it is not certain to be kept.
        """
        with self._open_ledger() as directory:
            before = ledger_rows.find_record(directory, record)
            if before is not None:
                _refuse_fork(before, record)
            gap = self._gap(directory, record.created_at) if before is None else None
            key, other = ledger_rows.keys_of(record)
            with directory.transact():
                if gap is not None:
                    directory.set(_GAP, ledger_rows.seal(_GAP, gap.to_json()))
                directory.set(key, ledger_rows.seal(key, record.to_json()))
                directory.delete(other)
            if before is None:
                self._note_newest(record)

    def amend(self, record: Record, *, wait: float | None = None, **changes: Any) -> None:
        """Keep something more of a record as it is kept now: another process may have written it meanwhile.

        Args:
            record: which; nothing happens where it is not kept.
            wait: as for ``records``.
            changes: attributes that are no part of its trail.

        Raises:
            LedgerUnusable: it is not certain to be kept.
        """
        with self._open_ledger(wait) as directory:
            kept = ledger_rows.find_record(directory, record)
            if kept is not None:
                key, _other = ledger_rows.keys_of(kept)
                directory.set(key, ledger_rows.seal(key, replace(kept, **changes).to_json()))

    def fact(self, name: str, *, wait: float | None = None) -> Any:
        """Return a fact that was kept, or None; ``wait`` as for ``records``.

        Raises:
            LedgerUnusable: it cannot be read.
        """
        key = ledger_rows.checked_key(FACT, name)
        with self._open_ledger(wait) as directory:
            return ledger_rows.unseal(directory, key) if key in ledger_rows.keys(directory) else None

    def keep_fact(self, name: str, fact: Any, *, wait: float | None = None) -> None:
        """Keep a fact that starts rely on, in the form of JSON; ``wait`` as for ``records``.

        Raises:
            LedgerUnusable: it is not certain to be kept.
        """
        key = ledger_rows.checked_key(FACT, name)
        with self._open_ledger(wait) as directory:
            directory.set(key, ledger_rows.seal(key, fact))

    def gap(self, now: float) -> Gap:
        """Find out which records may be missing: it was idle, began anew, or was restored from a backup.

        Args:
            now: seconds since the epoch.

        Raises:
            LedgerUnusable: it cannot be read.
        """
        with self._open_ledger() as directory:
            return self._gap(directory, now) or Gap(now, now)

    def keep_gap(self, gap: Gap) -> None:
        """Remember records that are certainly missing: Alma shows a run that only almajob can have started.

        Raises:
            LedgerUnusable: it is not certain to be kept.
        """
        with self._open_ledger() as directory:
            directory.set(_GAP, ledger_rows.seal(_GAP, gap.join(self._kept_gap(directory)).to_json()))

    def _gap(self, directory: CacheDirectory, now: float) -> Gap | None:
        """Find the time before ``now`` for which records may be missing; None for less than a day."""
        kept = {
            row.id: row.created / 1000
            for key in ledger_rows.keys(directory)
            if (row := ledger_rows.row_key(key))
        }
        return find_gap(kept, self._read_newest(), self._kept_gap(directory), now)

    @staticmethod
    def _kept_gap(directory: CacheDirectory) -> Gap | None:
        return Gap(**ledger_rows.unseal(directory, _GAP)) if _GAP in directory else None

    def _read_newest(self) -> str:
        """Return the id of the record that was written last; empty where that is not known."""
        try:
            return read_own(self._newest, _LONGEST_ID).decode().strip()
        except (OSError, ValueError):
            return ""

    def _note_newest(self, record: Record) -> None:
        """Note which record was written last; where that fails, an older one's name does no harm."""
        with contextlib.suppress(OSError):
            descriptor = open_own(self._newest, os.O_WRONLY)
            try:
                os.pwrite(descriptor, record.id.encode().ljust(_LONGEST_ID), 0)
            finally:
                os.close(descriptor)

    @contextlib.contextmanager
    def _open_ledger(self, wait: float | None = None) -> Iterator[CacheDirectory]:
        """Open the ledger for a moment, while no other process has it open."""
        wait = TURN_SECONDS if wait is None else wait
        try:
            options = LEDGER._replace(lock_seconds=wait)
            with lock_file(self._lock, wait=wait), open_directory(self.directory, options) as directory:
                yield directory
        except Held:
            raise self._unusable("another process has kept it locked all the time", is_in_use=True) from None
        except NewerFormat:
            raise LedgerUnusable(
                f"The ledger {self.directory} was written by a newer almajob.",
                reason=f"This one knows formats up to {FORMAT}; nothing is started.",
                hint="Use the almajob that wrote it, or a newer one.",
            ) from None
        except (Damaged, sqlite3.Error, OSError, diskcache.Timeout) as error:
            first = cause(error)
            raise self._unusable(
                reason(first),
                is_damaged=is_damage(first),
                is_in_use=is_locked(first),
                hint=first.hint if isinstance(first, NotPrivate) else _GIVE_IT_ROOM,
            ) from error

    def _unusable(
        self, reason: str, *, is_damaged: bool = False, is_in_use: bool = False, hint: str = _GIVE_IT_ROOM
    ) -> LedgerUnusable:
        if is_damaged:
            hint = (
                "Look in Alma (Admin > Monitor Jobs) what was started lately; then restore a backup, or\n"
                f"mv {self.directory} {self.directory}.damaged\n"
                "What either lacks is searched for by its tag; runs of scheduled jobs have none."
            )
        elif is_in_use:
            hint = (
                "Try again. If it stays so, this names the process:\n"
                f"fuser -v {self._lock} {self.directory / DBNAME}"
            )
        return LedgerUnusable(
            f"The ledger {self.directory} cannot be used.",
            reason=f"{reason[:1].upper()}{reason[1:]}. "
            "Without it a job could start twice, so nothing is started.",
            hint=hint,
        )


def _refuse_fork(before: Record, after: Record) -> None:
    if after.trail[: len(before.trail)] != before.trail:
        raise OSError(errno.EBUSY, "a record was changed by another process meanwhile")
