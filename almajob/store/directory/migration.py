"""A ledger of format 1, in which everything was found by reading all keys, in the form that is kept today.

It is one transaction of SQLite: until its end the old ledger is there, whatever happens.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almajob.store.directory.directory_rows import DirectoryRows
from almajob.store.diskcache_directory import CacheDirectory
from almajob.store.errors import Damaged, NewerFormat, UnsafeEntry
from almajob.store.ledger import look_ups, series
from almajob.store.ledger.announcements import Announcement
from almajob.store.ledger.ledger import keep_announcements
from almajob.store.ledger.record import checksum
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.store.ledger.view import make_record, name_fact, name_known, name_record
from almajob.store.schema import LEDGER_FORMAT
from almajob.text.busy import Busy, show_nothing

LOG = logging.getLogger(__name__)

_OLD = 1
_NEWS = "fact:news:"
# What is found by look-ups today.
_NEEDLESS = frozenset({"run keys that are not normal"})
_AT_ONCE = 1000


def migrate(directory: CacheDirectory, busy: Busy = show_nothing) -> None:
    """Write what is in an older format in today's; nothing happens where it is.

    Args:
        busy: shows people that it is done.

    Raises:
        NewerFormat: it is of an almajob after this one.
        Damaged: it is not as it was written.
    """
    others = [key for key in directory.list_ends() if not key.startswith(f"{LEDGER_FORMAT}:")]
    formats = set(map(_read_format, others))
    if any(number > LEDGER_FORMAT for number in formats):
        raise NewerFormat
    if _OLD in formats:
        done = Done()
        with busy(done.describe), directory.transact():
            _write_anew(directory, done)


@dataclass
class Done:
    """How far it is.

    Attributes:
        rows: that have been read.
        total: that there are; 0 where nobody knows yet.
    """

    rows: int = 0
    total: int = 0

    def describe(self) -> str:
        """Word it for people."""
        so_far = f": {self.rows:,} of {self.total:,} rows" if self.total else ""
        return f"Bringing the ledger into the form of this almajob, once{so_far}"


def _write_anew(directory: CacheDirectory, done: Done) -> None:
    keys = _list_keys(directory)
    done.total = len(keys)
    LOG.info("Bringing the ledger into the form of this almajob: %s rows.", f"{len(keys):,}")
    facts = {key: text for key, text in keys.items() if text.startswith("fact:")}
    # Those that are left are records, by the time at which they were made.
    records = sorted((key for key in keys if key not in facts), key=lambda key: key.split(":")[2:])
    del keys
    ids: set[str] = set()
    entries: dict[str, list[series.Entry]] = {}
    lists: dict[str, list[str]] = {}
    for some in _batches(records):
        put: dict[str, Any] = {}
        for raw in _read(directory, some):
            record = make_record(raw)
            ids.add(record.id)
            put[name_record(record.id)] = raw
            put[name_known(record.environment, record.job_id)] = True
            for name in look_ups.name_look_ups(record):
                lists.setdefault(name, []).append(record.id)
            for name in series.name_series(record):
                listed = entries.setdefault(name, [])
                latest = max(listed[-1].latest, record.created_at) if listed else record.created_at
                listed.append(series.Entry(record.id, record.created_at, latest))
        # What comes now takes their room.
        directory.delete_rows(some)
        _put(directory, put)
        done.rows += len(some)
    if len(ids) < len(records):
        raise Damaged("a record is there twice")
    for names in _batches(sorted(lists, key=look_ups.name_row)):
        _put(directory, {look_ups.name_row(name): lists[name] for name in names})
    rows = SealedRows(DirectoryRows(directory))
    for name, listed in entries.items():
        series.replace_all(rows, name, listed)
    _keep_facts(directory, rows, facts)
    rows.flush()
    directory.delete_rows(facts)
    done.rows += len(facts)


def _keep_facts(directory: CacheDirectory, rows: SealedRows, facts: Mapping[str, str]) -> None:
    """Keep facts, and the announcements in the order in which they were kept."""
    names = {key: text.removeprefix("fact:") for key, text in facts.items() if not text.startswith(_NEWS)}
    kept = dict(zip(names.values(), _read(directory, list(names)), strict=True))
    rows.put({name_fact(name): value for name, value in kept.items() if name not in _NEEDLESS})
    news = [key for key, text in facts.items() if text.startswith(_NEWS)]
    try:
        announcements = [Announcement(*value) for value in _read(directory, news)]
    except TypeError as error:
        raise Damaged("an announcement cannot be read") from error
    keep_announcements(rows, announcements)


def _batches(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))


def _put(directory: CacheDirectory, values: dict[str, Any]) -> None:
    rows = SealedRows(DirectoryRows(directory))
    rows.put(values)
    rows.flush()


def _list_keys(directory: CacheDirectory) -> dict[str, str]:
    """Return the keys of all rows, in the order in which they were kept, with what they say.

    Raises:
        Damaged: one is not as it was written, or they are not all there.
    """
    try:
        found, count = list(directory), len(directory)
    except (UnsafeEntry, TypeError, ValueError, AttributeError, LookupError) as error:
        raise Damaged("it cannot be listed") from error
    if len(found) != count or len(set(found)) != len(found):
        raise Damaged("rows are missing, or there twice")
    if any(_read_format(key) != _OLD for key in found):
        raise Damaged("rows of two formats are there")
    return {key: key.rpartition(":")[0].removeprefix(f"{_OLD}:") for key in found}


def _read_format(key: str) -> int:
    """Return the format in which a row is.

    Raises:
        Damaged: its key is not as it was written.
    """
    text, _, check = key.rpartition(":")
    number = text.partition(":")[0]
    if check != f"{zlib.crc32(text.encode()):08x}" or not (number.isascii() and number.isdigit()):
        raise Damaged("one of its keys is not as it was written")
    return int(number[:9])


def _read(directory: CacheDirectory, keys: Sequence[str]) -> Iterator[Any]:
    values = directory.read_rows(keys)
    for key in keys:
        found = values.get(key)
        if not isinstance(found, dict) or found.get("sum") != checksum([key, found.get("value")]):
            raise Damaged("a record is not as it was written")
        yield found["value"]
