"""Rows that notice silent damage: SQLite itself would overlook a flipped bit, and a row that is gone.

Each key carries a check, and each value one that says under which key it belongs. A row that no other one
names is there twice, far apart: what only one of the two has is damage.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from almajob.store.errors import Damaged
from almajob.store.ledger.place import SECOND, Rows
from almajob.store.ledger.record import checksum
from almajob.store.schema import LEDGER_FORMAT

# The rows of records, what an archive left of one, and the chunks of series are named by others; the rest is
# there twice.
_NAMED = frozenset({"record", "stub", "chunk"})


class SealedRows:
    """The rows of one moment, by keys without their check.

    What was read is remembered, and what is put is kept back for ``flush``: a place may be far away. Every
    method raises Damaged where something is not as it was written.

    Args:
        rows: of the place, in a block in which nobody else changes them.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._known: dict[str, list[Any]] = {}
        self._unwritten: dict[str, Any] = {}

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the values of those keys that are there; nobody may change them."""
        wanted = list(dict.fromkeys(keys))
        new = {key: [_seal_key(copy) for copy in _copies(key)] for key in wanted if key not in self._known}
        if new:
            there = self._rows.get([copy for copies in new.values() for copy in copies])
            for key, copies in new.items():
                values = [_unseal(copy, there[copy]) for copy in copies if copy in there]
                if values and (len(values) < len(copies) or any(value != values[0] for value in values)):
                    raise Damaged(f"one of two rows is missing or differs: {key}")
                self._known[key] = values[:1]
        return {key: value for key in wanted for value in self._known[key]}

    def list(self, prefix: str, *, limit: int | None = None) -> list[str]:
        """Return the keys that begin so, in the order of their characters.

        Args:
            prefix: the group and a colon, at least.
            limit: how many, at most; all where not given.
        """
        self.flush()
        first, *others = [
            [open_key(key) for key in self._rows.list(f"{LEDGER_FORMAT}:{copy}", limit=limit)]
            for copy in _copies(prefix)
        ]
        if any([key.removeprefix(SECOND) for key in keys] != first for keys in others):
            raise Damaged(f"one of two rows is missing: {prefix}")
        return first

    def put(self, rows: Mapping[str, Any]) -> None:
        """Keep values, in place of those that are there."""
        for key, value in rows.items():
            if self._known.get(key) != [value]:
                self._known[key] = [value]
                self._unwritten[key] = value

    def delete(self, keys: Iterable[str]) -> None:
        """Delete the rows of those keys that are there."""
        self.flush()
        gone = list(keys)
        self._known |= {key: [] for key in gone}
        self._rows.delete([_seal_key(copy) for key in gone for copy in _copies(key)])

    def flush(self) -> None:
        """Write what was put."""
        if self._unwritten:
            sealed = [
                (_seal_key(copy), value) for key, value in self._unwritten.items() for copy in _copies(key)
            ]
            self._unwritten = {}
            self._rows.put({key: _seal(key, value) for key, value in sealed})

    def forget(self) -> None:
        """Write what was put, and forget what was read: of a whole ledger not all is kept in memory."""
        self.flush()
        self._known.clear()


def _copies(key: str) -> tuple[str, ...]:
    return (key,) if key.partition(":")[0] in _NAMED else (key, f"{SECOND}{key}")


def _seal_key(key: str) -> str:
    text = f"{LEDGER_FORMAT}:{key}"
    return f"{text}:{_check(text)}"


def open_key(sealed: str) -> str:
    """Return a key of the place without its check.

    Raises:
        Damaged: it is not as it was written.
    """
    text, _, check = sealed.rpartition(":")
    if check != _check(text):
        raise Damaged("one of its keys is not as it was written")
    return text.partition(":")[2]


def _check(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _seal(key: str, value: Any) -> dict[str, Any]:
    return {"value": value, "sum": checksum([key, value])}


def _unseal(key: str, found: Any) -> Any:
    if not isinstance(found, dict) or found.get("sum") != checksum([key, found.get("value")]):
        raise Damaged("a record is not as it was written")
    return found["value"]
