"""Reads of a cache directory for completions: by SQLite alone, without waiting and without writing.

Nothing is imported for it that takes long. What cannot be read is passed over.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import zlib

from almajob.store import json_rows, schema

# typing itself takes a tenth of the time that a completion may take.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_LONGEST_WAIT = 0.2
_SIZE_LIMIT = 8 * 2**20
# Text keys and JSON values, which is all that store.diskcache_directory writes.
# A range of keys, as their index has no use for LIKE.
_QUERY = (
    "SELECT value FROM Cache WHERE key >= ? AND key < ? AND raw = 1 AND mode = 1 ORDER BY key DESC LIMIT ?"
)


def newest(directory: str, prefix: str, *, limit: int) -> list[Any]:
    """Read values whose keys begin with a prefix, the last in the order of their characters first.

    Args:
        directory: a cache directory.
        prefix: what tells the newest comes directly after it.
    """
    keys = (prefix, f"{prefix}\U0010ffff")
    return _ask(directory, lambda execute: _documents(value for (value,) in execute(_QUERY, (*keys, limit))))


def newest_list(directory: str, pattern: str) -> list[bytes]:
    """Read the newest long list whose key is like a pattern: its parts, as JSON.

    Args:
        directory: a cache directory.
        pattern: in SQL's way, with ``%`` for any text.
    """

    def read(execute: Callable[..., Any]) -> list[bytes]:
        found = execute(json_rows.NEWEST, (pattern,)).fetchone()
        return json_rows.read_list(execute, json_rows.name_list(found[0]))[0] if found else []

    return _ask(directory, read)


def _ask(directory: str, read: Callable[[Callable[..., Any]], list[Any]]) -> list[Any]:
    """Ask the database of a cache directory; nothing is found where that cannot be."""
    database = os.path.join(directory, "cache.db")
    address = database.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        found = os.lstat(directory)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            return []
        # A link would lead elsewhere, a pipe keep us waiting.
        if not stat.S_ISREG(os.lstat(database).st_mode):
            return []
        connection = sqlite3.connect(f"file:{address}?mode=ro", uri=True, timeout=_LONGEST_WAIT)
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _SIZE_LIMIT)
            return read(connection.execute) if schema.is_ours(connection) else []
        finally:
            connection.close()
    except (sqlite3.Error, OSError, ValueError, RecursionError, zlib.error):
        return []


def _documents(values: Iterable[object]) -> list[Any]:
    """Read JSON, as much as all of it together may be."""
    found, room = [], _SIZE_LIMIT
    for value in values:
        text = zlib.decompressobj().decompress(value, room) if isinstance(value, bytes) else str(value)
        room -= len(text)
        if room <= 0:
            break
        found.append(json.loads(text))
    return found
