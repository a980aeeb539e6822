"""A diskcache Disk that holds JSON inside the database, and never unpickles or follows a file name.

Stock diskcache, JSONDisk included, believes the ``mode`` and ``filename`` columns of the database: a planted
row makes it run code (CVE-2025-69872), read a file elsewhere, or delete one. Here such a row is a miss.
"""

from __future__ import annotations

import errno
import json
import zlib
from typing import Any

import diskcache
from diskcache.core import MODE_RAW, UNKNOWN

from almajob.store.errors import UnsafeEntry

SIZE_LIMIT = 16 * 2**20
"""Bytes that a value may have as JSON. What unpacks to more was made to fill the memory."""
_COMPRESSED_FROM = 4096


class JsonDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
    """Text keys, JSON values, one row each. ``refused`` counts the rows that were passed over."""

    refused = 0

    def put(self, key: object) -> tuple[str, bool]:
        if not isinstance(key, str):
            raise TypeError("a key of the store is text")
        return key, True

    def get(self, key: object, raw: object) -> str:
        if not raw or not isinstance(key, str):
            raise self._unsafe("its key is not text")
        return key

    def store(self, value: object, read: bool, key: object = UNKNOWN) -> tuple[int, int, None, object]:
        if read:
            raise TypeError("the store takes no streams")
        text = json.dumps(value, separators=(",", ":"))
        data = text.encode()
        if len(data) > SIZE_LIMIT:
            raise OSError(errno.EFBIG, f"a value is larger than {SIZE_LIMIT >> 20} MiB")
        return 0, MODE_RAW, None, zlib.compress(data, 1) if len(data) > _COMPRESSED_FROM else text

    def fetch(self, mode: object, filename: object, value: object, read: bool) -> Any:
        if mode != MODE_RAW or filename is not None or read:
            raise self._unsafe("it is kept in a way that almajob does not use")
        try:
            return json.loads(_inflate(value) if isinstance(value, bytes) else str(value))
        except (ValueError, RecursionError, zlib.error) as error:
            raise self._unsafe("its value cannot be read") from error

    def remove(self, file_path: object) -> None:
        """Remove nothing: no value of this store has a file of its own."""

    def _unsafe(self, reason: str) -> UnsafeEntry:
        self.refused += 1
        return UnsafeEntry(reason)


def _inflate(value: bytes) -> bytes:
    inflate = zlib.decompressobj()
    data = inflate.decompress(value, SIZE_LIMIT)
    if inflate.unconsumed_tail:
        raise ValueError("too large")
    return data
