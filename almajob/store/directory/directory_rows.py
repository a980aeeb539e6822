"""The rows of a ledger in a diskcache directory.

The second copy of a row has a number of its own, far from the others, and is found by it: neither a damaged
page of the table nor one of its index has both, or leads to both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from almajob.store.diskcache_directory import CacheDirectory
from almajob.store.ledger.place import SECOND


class DirectoryRows:
    """The rows of a diskcache directory; see ``store.ledger.place.Rows``."""

    def __init__(self, directory: CacheDirectory) -> None:
        self._directory = directory

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        wanted = list(keys)
        numbers = _number(wanted)
        found = self._directory.read_rows(key for key in wanted if key not in numbers)
        return found | self._directory.read_numbered(numbers)

    def list(self, prefix: str, *, limit: int | None = None, after: str = "") -> list[str]:
        return self._directory.list_keys(prefix, limit, after)

    def put(self, rows: Mapping[str, Any]) -> None:
        self._directory.write_rows(rows, _number(rows))

    def delete(self, keys: Iterable[str]) -> None:
        self._directory.delete_rows(keys)


def _number(keys: Iterable[str]) -> dict[str, int]:
    """Return the numbers of rows that are second copies: below zero, where SQLite puts no row by itself."""
    return {key: _hash(key) for key in keys if key.partition(":")[2].startswith(SECOND)}


def _hash(key: str) -> int:
    return -1 - int.from_bytes(hashlib.sha256(key.encode()).digest()[:7])
