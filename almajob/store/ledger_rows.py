"""The rows of the ledger: keys and values that carry a check, as SQLite would overlook a flipped bit."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

from almajob.store.diskcache_directory import CacheDirectory
from almajob.store.errors import Damaged, UnsafeEntry
from almajob.store.ledger_record import Record, checksum

FORMAT = 1
"""The first part of every key. What a newer almajob wrote is refused; a reader of older ones comes with 2."""
_OPEN, _DONE, FACT = "open", "done", "fact"


class NewerFormat(Damaged):
    """A row is in a format that came after this almajob."""


class RowKey(NamedTuple):
    """What the key of a record's row says of it, so that few values need be read.

    Attributes:
        group: open or done.
        created: milliseconds since the epoch.
        key_hash: stands for the run key.
    """

    group: str
    created: int
    environment: str
    job_id: str
    key_hash: str
    id: str

    @property
    def is_open(self) -> bool:
        """Whether the record's outcome is still to be found out."""
        return self.group == _OPEN


def keys(directory: CacheDirectory) -> list[str]:
    """Return the keys of all rows.

    Raises:
        Damaged: one is not as it was written, or they are not all there; NewerFormat, if one is newer.
    """
    try:
        found, count = list(directory), len(directory)
    except (UnsafeEntry, TypeError, ValueError, AttributeError, LookupError) as error:
        raise Damaged("it cannot be listed") from error
    if len(found) != count or len(set(found)) != len(found):
        raise Damaged("rows are missing, or there twice")
    for key in found:
        text, _, check = key.rpartition(":")
        if check != _check(text):
            raise Damaged("one of its keys is not as it was written")
        if not text.startswith(f"{FORMAT}:"):
            raise NewerFormat
    return found


def row_key(key: str) -> RowKey | None:
    """Read the key of a record's row; None for a fact's."""
    _format, group, *rest, _check = key.split(":")
    if group == FACT:
        return None
    try:
        created, environment, job_id, key_hash, record_id = rest
        return RowKey(group, int(created), environment, job_id, key_hash, record_id)
    except ValueError as error:
        raise Damaged("one of its keys is not as it was written") from error


def keys_of(record: Record) -> tuple[str, str]:
    """Return the key of a record, and the one that it has when it is open, or not any more."""
    rest = (f"{round(record.created_at * 1000):013d}", record.environment, record.job_id)
    both = [
        checked_key(group, *rest, key_hash(record.run_key), record.id)
        for group in ((_OPEN, _DONE) if record.is_open else (_DONE, _OPEN))
    ]
    return both[0], both[1]


def find_record(directory: CacheDirectory, record: Record) -> Record | None:
    """Return a record as it is kept now."""
    return next((read(directory, key) for key in keys_of(record) if key in directory), None)


def key_hash(run_key: str) -> str:
    """Return what stands for a run key in the keys of rows."""
    return checksum(run_key)[:16]


def checked_key(*parts: str) -> str:
    """Make a key that carries a check."""
    text = ":".join((str(FORMAT), *parts))
    return f"{text}:{_check(text)}"


def _check(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def seal(key: str, value: Any) -> dict[str, Any]:
    """Return a value with its check, which says under which key it belongs."""
    return {"value": value, "sum": checksum([key, value])}


def unseal(directory: CacheDirectory, key: str) -> Any:
    """Read the value under a key.

    Raises:
        Damaged: it is not as it was written.
    """
    found = directory.get(key)
    if not isinstance(found, dict) or found.get("sum") != checksum([key, found.get("value")]):
        raise Damaged("a record is not as it was written")
    return found["value"]


def read(directory: CacheDirectory, key: str) -> Record:
    """Read a record.

    Raises:
        Damaged: it is not as it was written.
    """
    try:
        return Record.from_json(unseal(directory, key))
    except ValueError as error:
        raise Damaged(f"a record cannot be read: {error}") from error
