"""All that a ledger has, one thing after another: what a copy, an export and an import consist of."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from almajob.store.errors import Damaged
from almajob.store.ledger import series
from almajob.store.ledger.announcements import Announcement
from almajob.store.ledger.ledger import NEWS, NEWS_COUNT
from almajob.store.ledger.record import Record
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.store.ledger.view import name_fact, name_record, name_stub

_T = TypeVar("_T")

RECORD, ARCHIVED, FACT, ANNOUNCEMENT = "record", "archived", "fact", "announcement"
ARCHIVES = "archives"
"""The fact that lists the archives of a ledger."""
AT_ONCE = 500
"""How many records are read or written at once: as much as is in memory of a ledger of any size."""
_FACT = "fact:"


class Item(NamedTuple):
    """One thing that a ledger has.

    Attributes:
        kind: RECORD, ARCHIVED (what is left of a record in an archive), FACT or ANNOUNCEMENT.
        value: in the form of JSON.
    """

    kind: str
    value: Any

    @property
    def record(self) -> Record:
        """The record, whole or what is left of it.

        Raises:
            ValueError: it is none.
        """
        raw = self.value["record"] if self.kind == ARCHIVED else self.value
        return Record.from_json(raw)

    @property
    def archive(self) -> str:
        """The path of the archive in which the record is; empty where it is in none."""
        return str(self.value["archive"]) if self.kind == ARCHIVED else ""

    @property
    def announcement(self) -> Announcement:
        """The announcement."""
        return Announcement(*self.value)


def read_contents(rows: SealedRows) -> Iterator[Item]:
    """Read all that a ledger has, some at a time: what archives left, records, facts, announcements.

    Records come in the order in which they were added.
    """
    for ids in split(entry.id for entry in series.read(rows, series.ARCHIVED)):
        yield from (Item(ARCHIVED, stub) for stub in read_rows(rows, map(name_stub, ids)))
    for ids in split(entry.id for entry in series.read(rows, series.ALL)):
        yield from (Item(RECORD, record) for record in read_rows(rows, map(name_record, ids)))
    for names in split(key.removeprefix(_FACT) for key in rows.list(_FACT) if key != NEWS_COUNT):
        values = read_rows(rows, map(name_fact, names))
        yield from (Item(FACT, list(fact)) for fact in zip(names, values, strict=True))
    for keys in split(rows.list(f"{NEWS}:")):
        yield from (Item(ANNOUNCEMENT, value) for value in read_rows(rows, keys))


def split(items: Iterable[_T], size: int = AT_ONCE) -> Iterator[list[_T]]:
    """Split what may be long into lists that are not."""
    rest = iter(items)
    while some := list(itertools.islice(rest, size)):
        yield some


def read_rows(rows: SealedRows, keys: Iterable[str]) -> list[Any]:
    """Return the values of rows that are there for sure; they are not kept in memory.

    Raises:
        Damaged: one is missing.
    """
    wanted = list(keys)
    found = rows.get(wanted)
    rows.forget()
    if len(found) < len(wanted):
        raise Damaged("a row is missing")
    return [found[key] for key in wanted]
