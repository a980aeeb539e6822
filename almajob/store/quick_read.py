"""Reads of a cache directory for completions: by SQLite alone, without waiting and without writing.

Nothing is imported for it that takes long. What cannot be read is passed over.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import zlib

from almajob.store import schema

# typing itself takes a tenth of the time that a completion may take.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_LONGEST_WAIT = 0.2
_SIZE_LIMIT = 8 * 2**20
# Text keys and JSON values, which is all that store.diskcache_directory writes.
_QUERY = "SELECT value FROM Cache WHERE raw = 1 AND mode = 1 AND key LIKE ? ORDER BY {} DESC LIMIT ?"


def newest(directory: str, pattern: str, *, limit: int, by_key: bool = False) -> list[Any]:
    """Read the newest values whose keys are like a pattern.

    Args:
        directory: a cache directory.
        pattern: in SQL's way, with ``%`` for any text.
        by_key: their keys tell which are newer; else the time at which they were kept does.
    """
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
            if not schema.is_ours(connection):
                return []
            rows = connection.execute(_QUERY.format("key" if by_key else "store_time"), (pattern, limit))
            return _documents(value for (value,) in rows)
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
