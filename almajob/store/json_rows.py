"""How values stand in the rows of a cache directory: as JSON, packed where it is long.

A long list stands in several rows, its parts, that are all there or not there at all. Each has with it how
many there are, and a check of all of them together: what is left of a list, what two processes have mixed,
and what the disk has changed, is no list.
"""

from __future__ import annotations

import json
import zlib

# typing itself takes a tenth of the time that a completion may take.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

SIZE_LIMIT = 16 * 2**20
"""Bytes that a value may have as JSON. What unpacks to more was made to fill the memory."""
LIST_LIMIT = 4 * SIZE_LIMIT
"""Bytes that the parts of a list may have together."""
MOST_PARTS = 1000
_COMPRESSED_FROM = 4096

# The key of a part is that of the list, a sign, and the part's number; so the parts are found in their order,
# between two keys.
_READ = (
    "SELECT tag, mode = 1 AND filename IS NULL, expire_time, value FROM Cache"
    " WHERE raw = 1 AND key >= ? || '#' AND key < ? || '$' ORDER BY key LIMIT ?"
)
DELETE = "DELETE FROM Cache WHERE raw = 1 AND key >= ? || '#' AND key < ? || '$'"
"""Removes a list, whose key is given twice."""
EXPIRY = "SELECT expire_time FROM Cache WHERE raw = 1 AND mode = 1 AND (tag IS NULL OR key LIKE '%#0000')"
"""Tells when each entry expires; a list is one."""
NEWEST = "SELECT key FROM Cache WHERE raw = 1 AND key LIKE ? || '#0000' ORDER BY store_time DESC LIMIT 1"
"""Tells the first part of the newest list whose key is like a pattern."""


class NotWhole(ValueError):
    """What a row or a list has is not all there, or not as it was."""


def encode(value: object) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def pack(text: bytes) -> bytes | str:
    """Return JSON as a row has it."""
    return zlib.compress(text, 1) if len(text) > _COMPRESSED_FROM else text.decode()


def unpack(value: object, room: int = SIZE_LIMIT) -> bytes:
    """Return the JSON that a row has.

    Args:
        room: how many bytes it may have.

    Raises:
        NotWhole: it has more, or cannot be unpacked.
    """
    if isinstance(value, bytes):
        try:
            text = zlib.decompressobj().decompress(value, room + 1)
        except zlib.error as error:
            raise NotWhole("it cannot be unpacked") from error
    elif isinstance(value, str):
        text = value.encode()
    else:
        raise NotWhole("it is not text")
    if len(text) > room:
        raise NotWhole("it is too large")
    return text


def name_part(key: str, number: int) -> str:
    """Return the key of a part of a list."""
    return f"{key}#{number:04}"


def name_list(part: str) -> str:
    """Return the key of the list whose part has this one."""
    return part.rpartition("#")[0]


def sign(parts: Sequence[bytes]) -> str:
    """Return what each part of a list has with it: how many there are, and the check of all of them."""
    check = 0
    for part in parts:
        # With its length, as it also matters where each ends.
        check = zlib.crc32(part, zlib.crc32(b"%d" % len(part), check))
    return f"{len(parts)}:{check:08x}"


def read_list(execute: Callable[..., Iterable[tuple[Any, ...]]], key: str) -> tuple[list[bytes], list[Any]]:
    """Read the parts of a list as JSON, and when each expires; nothing where there is none.

    Args:
        execute: asks the database; one question, so that no other process comes between.

    Raises:
        NotWhole: some of it is missing or damaged.
        sqlite3.Error: the database cannot be read.
    """
    found = list(execute(_READ, (key, key, MOST_PARTS + 1)))
    if not all(is_ours for _tag, is_ours, *_rest in found):
        raise NotWhole("it is kept in a way that almajob does not use")
    parts: list[bytes] = []
    room = LIST_LIMIT
    for *_rest, value in found:
        parts.append(unpack(value, min(room, SIZE_LIMIT)))
        room -= len(parts[-1])
    if found and {tag for tag, *_rest in found} != {sign(parts)}:
        raise NotWhole("parts of it are missing or damaged")
    return parts, [expires for _tag, _is_ours, expires, _value in found]
