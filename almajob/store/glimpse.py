"""A glimpse of what a drawer holds, for completions: by SQLite alone, without waiting and without writing.

It must not be long, so nothing is imported for it that takes long. What cannot be read is passed over.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import zlib

# typing itself takes a tenth of the time that a completion may take.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LONGEST_WAIT = 0.2
_SIZE_LIMIT = 64 * 2**20
# Text keys and JSON values, which is all that store.disk writes.
_QUERY = "SELECT value FROM Cache WHERE raw = 1 AND mode = 1 AND key LIKE ? ORDER BY {} DESC LIMIT ?"


def newest(drawer: str, pattern: str, *, limit: int, by_key: bool = False) -> list[Any]:
    """Read the newest values whose keys are like a pattern.

    Args:
        drawer: its directory.
        pattern: in SQL's way, with ``%`` for any text.
        limit: how many at most.
        by_key: their keys tell which are newer; else the time at which they were kept does.
    """
    database = os.path.join(drawer, "cache.db")
    address = database.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        found = os.lstat(drawer)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            return []
        connection = sqlite3.connect(f"file:{address}?mode=ro", uri=True, timeout=_LONGEST_WAIT)
        try:
            rows = connection.execute(_QUERY.format("key" if by_key else "store_time"), (pattern, limit))
            return [_document(value) for (value,) in rows]
        finally:
            connection.close()
    except (sqlite3.Error, OSError, ValueError, RecursionError, zlib.error):
        return []


def _document(value: object) -> Any:
    if isinstance(value, bytes):
        value = zlib.decompressobj().decompress(value, _SIZE_LIMIT)
    return json.loads(value) if isinstance(value, (str, bytes)) else None
