"""What reading or writing a cache directory can raise: whether that is damage, and its words for people."""

from __future__ import annotations

import errno
import sqlite3

import diskcache


class Damaged(Exception):
    """What is at the path is no cache directory, or not any more."""


class NewerFormat(Damaged):
    """A row is in a format that came after this almajob."""


class UnsafeEntry(OSError):
    """A row that almajob did not write. ``Cache.get`` takes an OSError for a miss."""


Failures = (
    *(sqlite3.Error, OSError, diskcache.Timeout),
    *(TypeError, ValueError, OverflowError, AttributeError, LookupError),
)
"""All that reading or writing a diskcache directory can raise, tampered columns and settings included."""
_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")
# SQLite's words for a database that is whole: its disk is full, it may only be read, somebody else has it.
_SOUND = (
    *_LOCKED,
    *("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM", "SQLITE_NOMEM"),
)


def cause(error: Exception) -> Exception:
    """Find what went wrong first.

    On a full disk SQLite rolls back by itself, and diskcache fails to. And diskcache calls everything that
    keeps a transaction from beginning a ``Timeout``.
    """
    while isinstance(error, (sqlite3.Error, diskcache.Timeout)) and isinstance(
        error.__context__, sqlite3.Error
    ):
        error = error.__context__
    return error


def is_damage(error: Exception) -> bool:
    """Whether the directory itself is not whole, and not only out of reach, out of room or in use."""
    error = cause(error)
    if isinstance(error, sqlite3.Error):
        # Text that is none (no UTF-8) has no name among SQLite's errors.
        return not _name(error).startswith(_SOUND)
    return isinstance(error, (Damaged, UnsafeEntry))


def is_locked(error: Exception) -> bool:
    """Whether another process has the directory's database locked."""
    error = cause(error)
    if isinstance(error, sqlite3.Error):
        return _name(error).startswith(_LOCKED)
    return isinstance(error, diskcache.Timeout)


def reason(error: Exception) -> str:
    """Describe an error in a few words, without a full stop."""
    error = cause(error)
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a symbolic link"
    if isinstance(error, sqlite3.Error) and is_damage(error):
        # SQLite's own words may quote what is in the database.
        return "its database is damaged"
    if is_locked(error):
        return "another process keeps its database locked"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text or type(error).__name__).rstrip(".")


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or ""
