"""Where no key may be: the search through whatever a test wrote, also inside databases and packed files."""

from __future__ import annotations

import base64
import contextlib
import functools
import lzma
import os
import re
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from tests.support.fake_alma import KEY

KEYS = (KEY, "simulator-sandbox-key", "simulator-production-key")
"""The keys of the whole suite, of which no byte may be written anywhere."""
# Files that a test wrote to hold a key, and programs that it wrote to show one.
_MAY_HOLD_KEYS = {".ini", ".key", ".py", ".pyc"}
_UNPACKERS: dict[bytes, Callable[[bytes], bytes]] = {b"x": zlib.decompress, b"\xfd7zXZ": lzma.decompress}


def spellings(key: str) -> Iterator[bytes]:
    """Return the forms a key could be written in: as it is, in an address, in hex, in base64 anywhere."""
    yield key.encode()
    yield quote(key, "").encode()
    yield key.encode().hex().encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + key.encode())
        # Without the characters that depend on what stands before and behind.
        yield encoded[-(-offset * 4 // 3) : (offset + len(key)) * 8 // 6]


def key_in(written: str | bytes, keys: Iterable[str] = KEYS) -> str:
    """Name the key that stands in what was written, in whichever form; empty where none does.

    A long one also in other case, in escapes, parted by blanks, quotes or comments, and half of it.
    """
    data = written.encode("utf-8", "surrogateescape") if isinstance(written, str) else written
    texts = [_letters(reading) for reading in _readings(data)]
    for key in keys:
        spelled, disguised = _patterns(key)
        if any(part in data for part in spelled) or any(part in text for part in disguised for text in texts):
            return key
    return ""


@functools.cache
def _patterns(key: str) -> tuple[tuple[bytes, ...], frozenset[bytes]]:
    """Return what a key is searched by: in what was written as it is, and in the letters of its readings."""
    spelled, letters = tuple(spellings(key)), _letters(key.encode())
    # Of fewer letters there are words in every other message.
    disguised = set(map(_letters, spelled)) if len(letters) >= 15 else set()
    if len(letters) > 32:
        disguised |= {letters[: len(letters) // 2], letters[len(letters) // 2 :]}
    return spelled, frozenset(disguised)


def _readings(data: bytes) -> Iterator[bytes]:
    """Return what was written, and how it reads when its escapes are undone, once, twice and three times."""
    yield data
    # Of text in UTF-16.
    data = data.replace(b"\0", b"")
    for _ in range(3):
        before = data
        for escape, undone in _UNDONE:
            data = re.sub(escape, undone, data)
        if data == before:
            return
        yield data


def _character(found: re.Match[bytes]) -> bytes:
    digits = next(filter(None, found.groups()))
    number = int(digits, 10 if found[0].startswith(b"&#") and found[0][2:3] not in b"xX" else 16)
    return bytes([number]) if number < 128 else b" "


_UNDONE: list[tuple[bytes, Callable[[re.Match[bytes]], bytes] | bytes]] = [
    (rb"(?s)<!\[CDATA\[|\]\]>|<!--.*?-->|<\?.*?\?>", b""),
    (rb"%([0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})", _character),
    (rb"&#0{0,40}([0-9]{1,7});?|&#[xX]0{0,40}([0-9a-fA-F]{1,6});?", _character),
    (rb"\\[nrt]|&(?:nbsp|shy|Tab|NewLine);", b" "),
    (rb"&amp;", b"&"),
]


_MARKS = bytes(set(range(256)) - set(b"0123456789abcdefghijklmnopqrstuvwxyz"))


def _letters(data: bytes) -> bytes:
    """Leave of a text what tells one key from another, but for its case."""
    return data.lower().translate(None, _MARKS)


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
    """Return what a database holds: its pages have long values in pieces."""
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
