"""Where no key may be: the search through whatever a test wrote, also inside databases and packed files."""

from __future__ import annotations

import base64
import contextlib
import lzma
import os
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from tests.fake_alma import KEY

KEYS = (KEY, "simulator-sandbox-key", "simulator-production-key")
"""The keys of the whole suite, of which no byte may be written anywhere."""
# Files that a test wrote to hold a key, and programs that it wrote to show one.
_MAY_HOLD_KEYS = {".ini", ".key", ".py", ".pyc"}
_UNPACKERS: dict[bytes, Callable[[bytes], bytes]] = {b"x": zlib.decompress, b"\xfd7zXZ": lzma.decompress}


def spellings(key: str) -> Iterator[bytes]:
    """Give the forms in which a key could be written: as it is, in an address, in base64 at any place."""
    yield key.encode()
    yield quote(key, "").encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + key.encode())
        # Without the characters that depend on what stands before and behind.
        yield encoded[-(-offset * 4 // 3) : (offset + len(key)) * 8 // 6]


def key_in(written: str | bytes, keys: Iterable[str] = KEYS) -> str:
    """Name the key that stands in what was written, in whichever form; empty where none does."""
    data = written.encode("utf-8", "surrogateescape") if isinstance(written, str) else written
    return next((key for key in keys for spelled in spellings(key) if spelled in data), "")


def assert_no_key_below(directory: Path, keys: Collection[str] = KEYS) -> None:
    """Search every file below a directory, but those that were made to hold a key."""
    for path in directory.rglob("*"):
        assert not key_in(path.name, keys), path
        if path.is_file() and path.suffix not in _MAY_HOLD_KEYS and os.access(path, os.R_OK):
            for part in _parts(path):
                assert not key_in(part, keys), path


def _parts(path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    yield data
    if data.startswith(b"SQLite format 3"):
        yield from _cells(path)
    yield from _unpacked(data)


def _cells(path: Path) -> Iterator[bytes]:
    """Give what a database holds: its pages have long values in pieces."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as database,
    ):
        database.text_factory = bytes
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table.decode()}"'):
                for cell in row:
                    if isinstance(cell, bytes):
                        yield cell
                        yield from _unpacked(cell)


def _unpacked(data: bytes) -> Iterator[bytes]:
    for beginning, unpack in _UNPACKERS.items():
        if data.startswith(beginning):
            with contextlib.suppress(zlib.error, lzma.LZMAError):
                yield unpack(data)
