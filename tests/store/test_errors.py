"""What a cache directory's failures are called, and which of them are damage."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing

import diskcache
import pytest

from almajob.store.errors import Damaged, UnsafeEntry, cause, is_damage, is_locked, reason


def _of_sqlite(statement: str) -> Exception:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1000)
        try:
            database.execute(statement).fetchall()
        except sqlite3.Error as error:
            return error
    raise AssertionError(statement)


def _called(name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError("what SQLite says.")
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("error", "damage", "locked", "words"),
    [
        (_of_sqlite("SELECT * FROM nowhere"), True, False, "its database is damaged"),
        (_of_sqlite("SELECT CAST(x'ff' AS TEXT)"), True, False, "its database is damaged"),
        (_of_sqlite("SELECT zeroblob(2000)"), True, False, "its database is damaged"),
        (_called("SQLITE_CORRUPT_INDEX"), True, False, "its database is damaged"),
        (_called("SQLITE_NOTADB"), True, False, "its database is damaged"),
        (_called("SQLITE_BUSY_SNAPSHOT"), False, True, "another process keeps its database locked"),
        (diskcache.Timeout(), False, True, "another process keeps its database locked"),
        (_called("SQLITE_IOERR_WRITE"), False, False, "what SQLite says"),
        (_called("SQLITE_FULL"), False, False, "what SQLite says"),
        (_called("SQLITE_READONLY_DIRECTORY"), False, False, "what SQLite says"),
        (Damaged("it is empty"), True, False, "it is empty"),
        (UnsafeEntry("its key is not text"), True, False, "its key is not text"),
        (OSError(errno.ENOSPC, "No space left on device"), False, False, "No space left on device"),
        (OSError(errno.ELOOP, "Too many levels"), False, False, "it is a symbolic link"),
        (OSError(), False, False, "OSError"),
        (ValueError(), False, False, "ValueError"),
    ],
)
def test_each_is_told_for_what_it_is(error: Exception, damage: bool, locked: bool, words: str) -> None:
    """Damage is moved away or restored; a lock is waited for; room and rights are given."""
    assert (is_damage(error), is_locked(error), reason(error)) == (damage, locked, words)


def _raised(first: sqlite3.Error, then: type[Exception]) -> Exception:
    try:
        try:
            raise first
        except sqlite3.Error:
            raise then from None
    except then as error:
        return error


def test_the_first_failure_is_the_cause() -> None:
    """diskcache says Timeout of all that keeps a transaction from beginning, and fails to roll back."""
    full = _called("SQLITE_FULL")
    assert cause(_raised(full, sqlite3.OperationalError)) is full
    assert cause(_raised(full, diskcache.Timeout)) is full
    alone = diskcache.Timeout()
    assert cause(alone) is alone
    value = _raised(full, ValueError)
    assert cause(value) is value
