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
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import diskcache
from diskcache.core import DBNAME

from almajob.errors import Refused
from almajob.store.diskcache_directory import CacheDirectory, DirectoryOptions, open_directory
from almajob.store.errors import Damaged, UnsafeEntry, is_damage, is_locked, reason
from almajob.store.ledger_record import Record, checksum
from almajob.store.schema import LEDGER_FORMAT
from almajob.system.file_lock import LockHeld, lock_file
from almajob.system.private_files import hint_of, open_own, read_own

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
LONGEST_MEMORY = 31 * 24 * 60 * 60.0
"""Seconds for which it matters that the ledger may lack records."""
# Longer than from one day's command to the next day's, and less than a start looks back anyway.
_USUAL_PAUSE = 26 * 60 * 60.0
_LONGEST_ID = 64
_OPEN, _DONE, _FACT = "open", "done", "fact"


class LedgerUnusable(Refused):
    """The ledger cannot be read or written; so nothing may be started, and what was is not known."""

    is_retry_safe = False


class NewerFormat(Damaged):
    """A row is in a format that came after this almajob."""


class RowKey(NamedTuple):
    """What the key of a record's row says of it, so that few values need be read.

    Attributes:
        group: open or done.
        created: milliseconds since the epoch.
        key_hash: stands for the run key.
    """

    group: str
    created: int
    environment: str
    job_id: str
    key_hash: str
    id: str

    @property
    def is_open(self) -> bool:
        """Whether the record's outcome is still to be found out."""
        return self.group == _OPEN


Wanted = Callable[[RowKey], bool]
"""Decides by a row's key whether its record is wanted."""


def list_keys(directory: CacheDirectory) -> list[str]:
    """Return the keys of all rows.

    Raises:
        Damaged: one is not as it was written, or they are not all there; NewerFormat, if one is newer.
    """
    try:
        found, count = list(directory), len(directory)
    except (UnsafeEntry, TypeError, ValueError, AttributeError, LookupError) as error:
        raise Damaged("it cannot be listed") from error
    if len(found) != count or len(set(found)) != len(found):
        raise Damaged("rows are missing, or there twice")
    for key in found:
        text, _, check = key.rpartition(":")
        if check != _check(text):
            raise Damaged("one of its keys is not as it was written")
        if not text.startswith(f"{LEDGER_FORMAT}:"):
            raise NewerFormat
    return found


def parse_key(key: str) -> RowKey | None:
    """Read the key of a record's row; None for a fact's."""
    _format, group, *rest, _check = key.split(":")
    if group == _FACT:
        return None
    try:
        created, environment, job_id, key_hash, record_id = rest
        return RowKey(group, int(created), environment, job_id, key_hash, record_id)
    except ValueError as error:
        raise Damaged("one of its keys is not as it was written") from error


def _list_rows(directory: CacheDirectory) -> dict[str, RowKey]:
    """Return what the keys of all records say, by these keys."""
    return {key: row for key in list_keys(directory) if (row := parse_key(key))}


def keys_of(record: Record) -> tuple[str, str]:
    """Return the key of a record, and the one that it has when it is open, or not any more."""
    rest = (f"{round(record.created_at * 1000):013d}", record.environment, record.job_id)
    opened, done = (
        checked_key(group, *rest, key_hash(record.run_key), record.id) for group in (_OPEN, _DONE)
    )
    return (opened, done) if record.is_open else (done, opened)


def key_hash(run_key: str) -> str:
    """Return what stands for a run key in the keys of rows."""
    return checksum(run_key)[:16]


def checked_key(*parts: str) -> str:
    """Make a key that carries a check."""
    text = ":".join((str(LEDGER_FORMAT), *parts))
    return f"{text}:{_check(text)}"


def _check(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def seal(key: str, value: Any) -> dict[str, Any]:
    """Return a value with its check, which says under which key it belongs."""
    return {"value": value, "sum": checksum([key, value])}


def unseal(directory: CacheDirectory, key: str) -> Any:
    """Read the value under a key.

    Raises:
        Damaged: it is not as it was written.
    """
    found = directory.get(key)
    if not isinstance(found, dict) or found.get("sum") != checksum([key, found.get("value")]):
        raise Damaged("a record is not as it was written")
    return found["value"]


def read_record(directory: CacheDirectory, key: str) -> Record:
    """Read a record.

    Raises:
        Damaged: it is not as it was written.
    """
    try:
        return Record.from_json(unseal(directory, key))
    except ValueError as error:
        raise Damaged(f"a record cannot be read: {error}") from error


def find_record(directory: CacheDirectory, record: Record) -> Record | None:
    """Return a record as it is kept now."""
    return next((read_record(directory, key) for key in keys_of(record) if key in directory), None)


class Gap(NamedTuple):
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


def find_gap(created: Mapping[str, float], newest: str, known: Gap | None, now: float) -> Gap | None:
    """Find out of which time a ledger may lack records; None where it was written to within a day.

    Args:
        created: when each of its records was made, in seconds since the epoch, by its id.
        newest: the id of the record that was written last; empty where that is not known.
        known: what was found out before.
    """
    latest = min(max(created.values(), default=0.0), now)
    if known is not None and known.is_past(now):
        known = None
    if newest and newest not in created:
        return Gap(latest, now, latest, now).join(known)
    return known if now - latest < _USUAL_PAUSE else Gap(latest, now).join(known)


class Ledger:
    """The ledger of this user on this machine. Nothing is opened or made before it is used.

    Every method raises LedgerUnusable where the ledger cannot be read or is not as it was written; and where
    it is not certain to keep what it was given, which is on disk when a method returns. ``wait`` is how many
    seconds another process may have it; ``TURN_SECONDS`` where not given.

    Args:
        directory: of its own, in the state directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = directory.with_name(f"{directory.name}.lock")
        self._newest = directory.with_name(f"{directory.name}.newest")

    def records(self, wanted: Wanted = lambda _key: True, *, wait: float | None = None) -> list[Record]:
        """Return the records that are wanted, oldest first."""
        with self._open_ledger(wait) as directory:
            rows = _list_rows(directory)
            found = [read_record(directory, key) for key, row in rows.items() if wanted(row)]
        return sorted(found, key=lambda record: (record.created_at, record.id))

    def has(self, wanted: Wanted, *, wait: float | None = None) -> bool:
        """Whether there is a record that is wanted."""
        with self._open_ledger(wait) as directory:
            return any(map(wanted, _list_rows(directory).values()))

    def write(self, record: Record) -> None:
        """Keep a record."""
        with self._open_ledger() as directory:
            before = find_record(directory, record)
            if before is not None and record.trail[: len(before.trail)] != before.trail:
                raise OSError(errno.EBUSY, "a record was changed by another process meanwhile")
            gap = self._find_gap(directory, record.created_at) if before is None else None
            key, other = keys_of(record)
            with directory.transact():
                if gap is not None:
                    _keep_gap(directory, gap)
                directory.set(key, seal(key, record.to_json()))
                directory.delete(other)
            if before is None:
                self._note_newest(record)

    def amend(self, record: Record, *, wait: float | None = None, **changes: Any) -> None:
        """Keep something more of a record as it is kept now: another process may have written it meanwhile.

        Args:
            record: which; nothing happens where it is not kept.
            changes: attributes that are no part of its trail.
        """
        with self._open_ledger(wait) as directory:
            kept = find_record(directory, record)
            if kept is not None:
                key, _other = keys_of(kept)
                directory.set(key, seal(key, replace(kept, **changes).to_json()))

    def fact(self, name: str, *, wait: float | None = None) -> Any:
        """Return a fact that was kept, or None."""
        key = checked_key(_FACT, name)
        with self._open_ledger(wait) as directory:
            return unseal(directory, key) if key in list_keys(directory) else None

    def keep_fact(self, name: str, fact: Any, *, wait: float | None = None) -> None:
        """Keep a fact that starts rely on, in the form of JSON."""
        key = checked_key(_FACT, name)
        with self._open_ledger(wait) as directory:
            directory.set(key, seal(key, fact))

    def gap(self, now: float) -> Gap:
        """Find out which records may be missing: it was idle, began anew, or was restored from a backup."""
        with self._open_ledger() as directory:
            return self._find_gap(directory, now) or Gap(now, now)

    def keep_gap(self, gap: Gap) -> None:
        """Remember that records are missing: Alma shows a run that only almajob can have started."""
        with self._open_ledger() as directory:
            _keep_gap(directory, gap.join(_read_gap(directory)))

    def _find_gap(self, directory: CacheDirectory, now: float) -> Gap | None:
        """Find the time before ``now`` for which records may be missing; None for less than a day."""
        created = {row.id: row.created / 1000 for row in _list_rows(directory).values()}
        try:
            newest = read_own(self._newest, _LONGEST_ID).decode().strip()
        except (OSError, ValueError):
            newest = ""
        return find_gap(created, newest, _read_gap(directory), now)

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
        except NewerFormat:
            raise LedgerUnusable(
                f"The ledger {self.directory} was written by a newer almajob.",
                reason=f"This one knows formats up to {LEDGER_FORMAT}; nothing is started.",
                hint="Use the almajob that wrote it, or a newer one.",
            ) from None
        except (LockHeld, Damaged, sqlite3.Error, OSError, diskcache.Timeout) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> LedgerUnusable:
        is_held = isinstance(error, LockHeld)
        why = "another process has kept it locked all the time" if is_held else reason(error)
        advice = hint_of(error) or _GIVE_IT_ROOM
        if is_damage(error):
            advice = (
                "Look in Alma (Admin > Monitor Jobs) what was started lately; then restore a backup, or\n"
                f"mv {self.directory} {self.directory}.damaged\n"
                "What either lacks is searched for by its tag; runs of scheduled jobs have none."
            )
        elif is_held or is_locked(error):
            advice = (
                "Try again. If it stays so, this names the process:\n"
                f"fuser -v {self._lock} {self.directory / DBNAME}"
            )
        return LedgerUnusable(
            f"The ledger {self.directory} cannot be used.",
            reason=f"{why[:1].upper()}{why[1:]}. Without it a job could start twice, so nothing is started.",
            hint=advice,
        )


_GAP = checked_key(_FACT, "gap")


def _read_gap(directory: CacheDirectory) -> Gap | None:
    return Gap(**unseal(directory, _GAP)) if _GAP in directory else None


def _keep_gap(directory: CacheDirectory, gap: Gap) -> None:
    directory.set(_GAP, seal(_GAP, gap._asdict()))
