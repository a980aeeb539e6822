"""What must never be lost: one record for every run that was meant, on disk before anything is sent.

Nothing is ever thrown out or changed in silence: what is not exactly as it was written stops every start. So
each key and each record carries a check, and the rows are counted, as SQLite itself would overlook a flipped
bit. All processes take turns, because SQLite's own waiting is not fair and can fail.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import diskcache

from almajob.errors import Refused
from almajob.store.drawers import Damaged, Drawer, Manner, make_private, open_drawer
from almajob.store.locks import Held, locked
from almajob.store.record import Record, checksum

FORMAT = 1
"""The first part of every key. What a newer almajob wrote is refused; a reader of older ones comes with 2."""
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
_TURN_SECONDS = 30.0
# SQLite's words for a database that is whole: its disk is full, it may only be read, somebody else has it.
_SOUND = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM")
_OPEN, _DONE, _FACT = "open", "done", "fact"


class LedgerUnusable(Refused):
    """The ledger cannot be read or written; so nothing may be started, and what was is not known."""

    is_retry_safe = False


class _NewerFormat(Damaged):
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


class Ledger:
    """The ledger of this user on this machine. Nothing is opened or made before it is used.

    Args:
        directory: of its own, in the state directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def records(self, wanted: Wanted = lambda _key: True) -> list[Record]:
        """Give the records that are wanted, oldest first.

        Args:
            wanted: decides by the row's key alone.

        Raises:
            LedgerUnusable: it cannot be read, or is not as it was written.
        """
        with self._opened() as drawer:
            found = [_record(drawer, key) for key in _keys(drawer) if (row := _row_key(key)) and wanted(row)]
        return sorted(found, key=lambda record: (record.created, record.id))

    def has(self, wanted: Wanted) -> bool:
        """Whether there is a record that is wanted.

        Raises:
            LedgerUnusable: it cannot be read.
        """
        with self._opened() as drawer:
            return any((row := _row_key(key)) and wanted(row) for key in _keys(drawer))

    def write(self, record: Record) -> None:
        """Keep a record; it is on disk when this returns.

        Raises:
            LedgerUnusable: it is not certain to be kept.
        """
        key = _key_of(record, is_open=record.is_open)
        other = _key_of(record, is_open=not record.is_open)
        with self._opened() as drawer:
            before = [found for found in (key, other) if found in drawer]
            if before:
                _refuse_fork(_record(drawer, before[0]), record)
            with drawer.transact():
                drawer.set(key, _sealed(key, record.to_json()))
                drawer.delete(other)

    def fact(self, name: str) -> Any:
        """Give a fact that was kept, or None.

        Raises:
            LedgerUnusable: it cannot be read.
        """
        key = _checked_key(_FACT, name)
        with self._opened() as drawer:
            return _unsealed(drawer, key) if key in _keys(drawer) else None

    def keep_fact(self, name: str, fact: Any) -> None:
        """Keep a fact that starts rely on, in the form of JSON.

        Raises:
            LedgerUnusable: it is not certain to be kept.
        """
        key = _checked_key(_FACT, name)
        with self._opened() as drawer:
            drawer.set(key, _sealed(key, fact))

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Drawer]:
        """Open the ledger for a moment, while no other process has it open."""
        try:
            make_private(self.directory.parent)
            lock = self.directory.with_name(f"{self.directory.name}.lock")
            with locked(lock, wait=_TURN_SECONDS), self._drawer() as drawer:
                yield drawer
        except Held:
            raise self._unusable("another process has kept it locked for half a minute") from None
        except _NewerFormat:
            raise LedgerUnusable(
                f"The ledger {self.directory} was written by a newer almajob.",
                why=f"This one knows formats up to {FORMAT}; nothing is started.",
                cure="Use the almajob that wrote it, or a newer one.",
            ) from None
        except (Damaged, sqlite3.Error, OSError, diskcache.Timeout) as error:
            cause = _cause(error)
            raise self._unusable(_reason(cause), is_damaged=_is_damage(cause)) from error

    def _drawer(self) -> Drawer:
        try:
            return open_drawer(self.directory, LEDGER)
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            # diskcache falls over settings that are not as it wrote them.
            raise Damaged(str(error)) from error

    def _unusable(self, why: str, *, is_damaged: bool = False) -> LedgerUnusable:
        cure = (
            "Restore it from a backup. If there is none: make sure in Alma (Admin > Monitor Jobs) that no "
            f"start is in doubt, then\nmv {self.directory} {self.directory}.damaged"
            if is_damaged
            else "Give almajob a disk with room and a directory that it may write to (ALMAJOB_STATE_DIR)."
        )
        return LedgerUnusable(
            f"The ledger {self.directory} cannot be used.",
            why=f"{why[:1].upper()}{why[1:]}. Without it a job could start twice, so nothing is started.",
            cure=cure,
        )


def _keys(drawer: Drawer) -> list[str]:
    try:
        keys, count = list(drawer), len(drawer)
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise Damaged("it cannot be listed") from error
    if len(keys) != count or len(set(keys)) != len(keys):
        raise Damaged("rows are missing, or there twice")
    for key in keys:
        text, _, check = key.rpartition(":")
        if check != _check(text):
            raise Damaged("one of its keys is not as it was written")
        if not text.startswith(f"{FORMAT}:"):
            raise _NewerFormat
    return keys


def _row_key(key: str) -> RowKey | None:
    _format, group, *rest, _check = key.split(":")
    if group == _FACT:
        return None
    try:
        created, environment, job_id, key_hash, record_id = rest
        return RowKey(group, int(created), environment, job_id, key_hash, record_id)
    except ValueError as error:
        raise Damaged("one of its keys is not as it was written") from error


def _key_of(record: Record, *, is_open: bool) -> str:
    return _checked_key(
        _OPEN if is_open else _DONE,
        *(f"{round(record.created * 1000):013d}", record.environment, record.job_id),
        *(key_hash(record.run_key), record.id),
    )


def key_hash(run_key: str) -> str:
    """Give what stands for a run key in the keys of rows."""
    return checksum(run_key)[:16]


def _checked_key(*parts: str) -> str:
    text = ":".join((str(FORMAT), *parts))
    return f"{text}:{_check(text)}"


def _check(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _sealed(key: str, value: Any) -> dict[str, Any]:
    return {"value": value, "sum": checksum([key, value])}


def _unsealed(drawer: Drawer, key: str) -> Any:
    try:
        sealed = drawer.get(key)
    except (TypeError, ValueError, OverflowError) as error:
        raise Damaged("a record cannot be read") from error
    if not isinstance(sealed, dict) or sealed.get("sum") != checksum([key, sealed.get("value")]):
        raise Damaged("a record is not as it was written")
    return sealed["value"]


def _record(drawer: Drawer, key: str) -> Record:
    try:
        return Record.from_json(_unsealed(drawer, key))
    except ValueError as error:
        raise Damaged(f"a record cannot be read: {error}") from error


def _refuse_fork(before: Record, after: Record) -> None:
    if after.trail[: len(before.trail)] != before.trail:
        raise OSError(errno.EBUSY, "a record was changed by another process meanwhile")


def _cause(error: Exception) -> Exception:
    """Find what went wrong first: on a full disk SQLite rolls back by itself, and diskcache fails to."""
    while isinstance(error, sqlite3.Error) and isinstance(error.__context__, sqlite3.Error):
        error = error.__context__
    return error


def _is_damage(error: Exception) -> bool:
    """Whether the ledger itself is not whole, and not only out of reach or out of room."""
    if isinstance(error, sqlite3.Error):
        return not (getattr(error, "sqlite_errorname", None) or "").startswith(_SOUND)
    return not isinstance(error, (OSError, diskcache.Timeout))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a symbolic link"
    if isinstance(error, sqlite3.Error) and _is_damage(error):
        # SQLite's own words may quote what is in the database.
        return "its database is damaged"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text or type(error).__name__).rstrip(".")
