"""Numbered lists of records, to which one is only ever added: of all, of a section of the ini, of a job.

The newest are read without the others, and one that is missing is noticed: the list's head counts them. The
head has the newest themselves, and each time there are enough of them they move to a row of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from almajob.store.errors import Damaged
from almajob.store.ledger.record import Record, checksum
from almajob.store.ledger.sealed_rows import SealedRows

ALL = "all"
ARCHIVED = "archived"
"""The series of records that were moved into an archive; they stand in no other."""
CHUNK = 32
"""How many entries a row has."""
_CHUNKS_AT_ONCE = 8


class Entry(NamedTuple):
    """One record's place in a series.

    Attributes:
        id: the record's.
        made_at: when it was made, in seconds since the epoch.
        latest: the latest such time of it and of any before it: clocks are put back, and those of two
            machines differ.
    """

    id: str
    made_at: float
    latest: float


def name_series(record: Record) -> tuple[str, ...]:
    """Name the series in which a record stands."""
    return (ALL, series_of_environment(record.environment), series_of_job(record.job_id))


def series_of_environment(environment: str) -> str:
    """Name the series of the records of one section of the ini."""
    return f"environment {environment}"


def series_of_job(job_id: str) -> str:
    """Name the series of a job's records, in whatever Alma: ids are alike in many."""
    return f"job {job_id}"


def name_head(name: str) -> str:
    """Return the key of a series' head, for who reads several rows at once."""
    return f"series:{checksum(name)[:20]}"


def append(rows: SealedRows, names: Iterable[str], record_id: str, made_at: float) -> None:
    """Add a record to series."""
    extend(rows, {name: [(record_id, made_at)] for name in names})


def extend(rows: SealedRows, added: Mapping[str, Iterable[tuple[str, float]]]) -> None:
    """Add records to series.

    Args:
        added: to each, in this order: the record's id, and when it was made, in seconds since the epoch.
    """
    rows.get(map(name_head, added))
    for name, records in added.items():
        length, newest = _read_head(rows, name)
        for record_id, made_at in records:
            latest = max(newest[-1].latest, made_at) if newest else made_at
            if len(newest) == CHUNK:
                rows.put({_name_chunk(name, length // CHUNK): [list(entry) for entry in newest]})
                newest = []
            newest = [*newest, Entry(record_id, made_at, latest)]
            length += 1
        rows.put({name_head(name): [length, [list(entry) for entry in newest]]})


def count(rows: SealedRows, name: str) -> int:
    """Count the records of a series."""
    return _read_head(rows, name)[0]


def read_back(rows: SealedRows, name: str, *, before: int | None = None) -> Iterator[tuple[int, Entry]]:
    """Read a series with its numbers, the newest first, a little at a time.

    Args:
        before: a number; those below it only.
    """
    length, newest = _read_head(rows, name)
    end = length + 1 if before is None else min(before, length + 1)
    head_begins = length - len(newest)
    for number in range(end - 1, head_begins, -1):
        yield number, newest[number - head_begins - 1]
    at_once = 1
    last = (min(end - 1, head_begins) - 1) // CHUNK + 1
    while last > 0:
        wanted = range(last, max(last - at_once, 0), -1)
        keys = {chunk: _name_chunk(name, chunk) for chunk in wanted}
        found = rows.get(keys.values())
        for chunk, key in keys.items():
            if key not in found:
                raise Damaged("a row is missing")
            entries = _make_entries(found[key], CHUNK)
            for place in range(CHUNK, 0, -1):
                number = (chunk - 1) * CHUNK + place
                if number < end:
                    yield number, entries[place - 1]
        last, at_once = wanted[-1] - 1, _CHUNKS_AT_ONCE


def read(rows: SealedRows, name: str) -> Iterator[Entry]:
    """Read a whole series, the oldest first, some at a time."""
    length, newest = _read_head(rows, name)
    chunks = (length - len(newest)) // CHUNK
    for start in range(1, chunks + 1, _CHUNKS_AT_ONCE):
        keys = [_name_chunk(name, chunk) for chunk in range(start, min(start + _CHUNKS_AT_ONCE, chunks + 1))]
        found = rows.get(keys)
        if len(found) < len(keys):
            raise Damaged("a row is missing")
        for key in keys:
            yield from _make_entries(found[key], CHUNK)
    yield from newest


def count_chunks(length: int) -> int:
    """Count the rows, besides its head, that a series of so many records has."""
    return max(length - 1, 0) // CHUNK


def remove(rows: SealedRows, name: str, ids: Collection[str]) -> None:
    """Take records out of a series, and number it anew."""
    replace_all(rows, name, [entry for entry in read(rows, name) if entry.id not in ids])


def sort(rows: SealedRows, name: str) -> None:
    """Number a series anew, by the times at which its records were made."""
    latest, entries = 0.0, []
    for entry in sorted(read(rows, name), key=lambda entry: (entry.made_at, entry.id)):
        latest = max(latest, entry.made_at)
        entries.append(entry._replace(latest=latest))
    replace_all(rows, name, entries)


def replace_all(rows: SealedRows, name: str, entries: Sequence[Entry]) -> None:
    """Number a series anew, where records were taken out of it."""
    listed = [list(entry) for entry in entries]
    full = max(len(listed) - 1, 0) // CHUNK
    for chunk in range(1, full + 1):
        rows.put({_name_chunk(name, chunk): listed[(chunk - 1) * CHUNK : chunk * CHUNK]})
    length, newest = _read_head(rows, name)
    rows.delete(_name_chunk(name, chunk) for chunk in range(full + 1, (length - len(newest)) // CHUNK + 1))
    rows.put({name_head(name): [len(listed), listed[full * CHUNK :]]})


def _read_head(rows: SealedRows, name: str) -> tuple[int, list[Entry]]:
    """Return how many records there are, and the newest of them."""
    found = list(rows.get([name_head(name)]).values())
    if not found:
        return 0, []
    try:
        ((length, newest),) = found
        return length, _make_entries(newest, length - max(length - 1, 0) // CHUNK * CHUNK)
    except (TypeError, ValueError) as error:
        raise Damaged("a row is not as it was written") from error


def _make_entries(raw: Any, count: int) -> list[Entry]:
    """Read entries as they are kept.

    Raises:
        Damaged: they are none, or not so many.
    """
    try:
        entries = [Entry(str(record_id), made_at + 0.0, latest + 0.0) for record_id, made_at, latest in raw]
    except (TypeError, ValueError) as error:
        raise Damaged("a row is not as it was written") from error
    if len(entries) != count:
        raise Damaged("a row is not as it was written")
    return entries


def _name_chunk(name: str, number: int) -> str:
    return f"chunk:{checksum(name)[:20]}:{number:08d}"
