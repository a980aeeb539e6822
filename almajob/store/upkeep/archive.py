"""Move old records into a file; what answers a command, or keeps a run from being another's, stays behind.

The file is on the disk, and was read back, before anything leaves the ledger. Whoever is killed in between
has the records twice, and the same command goes on.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from almajob.errors import Refused
from almajob.store.ledger import series
from almajob.store.ledger.ledger import TURN_SECONDS
from almajob.store.ledger.place import Place
from almajob.store.ledger.record import Record
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.store.ledger.view import View, make_row, name_fact, name_record
from almajob.store.upkeep.contents import ARCHIVES, RECORD, Item, read_rows, split
from almajob.store.upkeep.export_file import (
    ARCHIVE,
    Header,
    explain_failure,
    read_header,
    read_items,
    read_record,
    write_lines,
)
from almajob.store.upkeep.merge import join, leave_stub
from almajob.system.atomic_write import new_file


class ArchiveFile(NamedTuple):
    """One archive of a ledger.

    Attributes:
        path: of the file, on the machine that made it.
        host: that machine.
        made: when, ISO 8601 in UTC.
        records: how many are in it.
    """

    path: str
    host: str
    made: str
    records: int


class Archived(NamedTuple):
    """What was done.

    Attributes:
        records: how many were moved.
        left: how many records are in the ledger still.
        is_resumed: whether the file was there already, from a command that did not come to its end.
    """

    records: int
    left: int
    is_resumed: bool


def count_old(place: Place, before: float) -> Archived:
    """Count the records that would be moved, and those that would stay.

    Args:
        before: seconds since the epoch.

    Raises:
        LedgerUnusable: it cannot be read.
    """
    if not place.is_there:
        return Archived(0, 0, is_resumed=False)
    with place.read(TURN_SECONDS) as opened:
        rows = SealedRows(opened)
        count = len(_choose(rows, before))
        return Archived(count, series.count(rows, series.ALL) - count, is_resumed=False)


def archive(place: Place, before: float, path: Path, *, made: str) -> Archived:
    """Move the records that ended before a time into a file; none that is open, and not the newest.

    Args:
        before: seconds since the epoch.
        path: absolute; a file that is there is finished if it is an archive of this ledger's records.
        made: the time now, ISO 8601 in UTC.

    Raises:
        Refused: something else is there, or the file cannot be written; nothing leaves the ledger.
        LedgerUnusable: the ledger cannot be used; likewise.
    """
    with place.change(TURN_SECONDS) as opened:
        rows = SealedRows(opened)
        ids = _choose(rows, before)
        is_resumed = bool(ids) and os.path.lexists(path)
        if is_resumed:
            ids = _find_unfinished(rows, path, set(ids))
        elif ids:
            lines = write_lines(
                Header(ARCHIVE, made, place.name), (Item(RECORD, raw) for raw in _read(rows, ids))
            )
            with explain_failure(path, "written"), new_file(path, mode=0o600) as file:
                file.writelines(lines)
        if ids:
            _check_file(rows, path, ids)
            _move(rows, ids, str(path))
            _note_file(rows, ArchiveFile(str(path), platform.node(), made, len(ids)))
            rows.flush()
        return Archived(len(ids), series.count(rows, series.ALL), is_resumed)


def list_archives(view: View) -> list[ArchiveFile]:
    """List the archives of a ledger, the oldest first."""
    return [ArchiveFile(*each) for each in view.fact(ARCHIVES) or []]


def find_in_archive(path: Path, stub: Record) -> Record | None:
    """Find a record in its archive, by what the ledger still has of it; None where it is not there.

    Raises:
        Refused: the file cannot be read.
    """
    wanted = stub.id.encode()
    with explain_failure(path, "read"), path.open("rb") as file:
        for line in file:
            if wanted in line and (record := read_record(line)) is not None and record.id == stub.id:
                return join(record, stub)
    return None


def _choose(rows: SealedRows, before: float) -> list[str]:
    """Choose the records that may go, the oldest first."""
    chosen: dict[str, Record] = {}
    last, newest = "", None
    for ids in split(entry.id for entry in series.read(rows, series.ALL)):
        rows.forget()
        for record in View(rows).find_all(ids).values():
            last = record.id
            if newest is None or record.created_at >= newest.created_at:
                newest = record
            if not record.is_open and _find_end(record) < before:
                chosen[record.id] = record
    # By the newest it is seen whether others are missing; of each section it is what @last means.
    kept = {last, newest.id if newest else ""}
    for environment in {record.environment for record in chosen.values()}:
        of_environment = series.read_back(rows, series.series_of_environment(environment))
        kept |= {entry.id for _number, entry in [next(of_environment)]}
    return [record_id for record_id in chosen if record_id not in kept]


def _find_end(record: Record) -> float:
    """Return when a run ended, as far as that is known, or its outcome was found out."""
    return max(record.trail[-1].at, record.created_at + (record.lasted or 0.0))


def _read(rows: SealedRows, ids: Iterable[str]) -> Iterator[Any]:
    for some in split(ids):
        yield from read_rows(rows, map(name_record, some))


def _find_unfinished(rows: SealedRows, path: Path, chosen: set[str]) -> list[str]:
    """Find those of the chosen records that are in a file already, as they are in the ledger.

    Raises:
        Refused: none is, or it is no archive.
    """
    ids = _find_same(rows, path) if read_header(path).kind == ARCHIVE else []
    ids = [record_id for record_id in ids if record_id in chosen]
    if not ids:
        raise Refused(f"{path} is there already.", hint="Name another file.")
    return ids


def _check_file(rows: SealedRows, path: Path, ids: list[str]) -> None:
    """Read a file back, and compare it with what is to leave the ledger.

    Raises:
        Refused: something is not in it.
    """
    if not set(ids) <= set(_find_same(rows, path)):
        raise Refused(
            f"{path} is not as it was written, so nothing was taken out of the ledger.",
            hint="Look at the disk; then name another file.",
        )


def _find_same(rows: SealedRows, path: Path) -> list[str]:
    """Return the ids of those records in a file that are just so in the ledger."""
    ids = []
    for some in split(item.value for item in read_items(path) if item.kind == RECORD):
        there = rows.get(name_record(raw["id"]) for raw in some)
        rows.forget()
        ids += [raw["id"] for raw in some if there.get(name_record(raw["id"])) == raw]
    return ids


def _move(rows: SealedRows, ids: list[str], path: str) -> None:
    """Leave of records in the ledger what is needed of them."""
    names: dict[str, set[str]] = {}
    for some in split(ids):
        put: dict[str, Any] = {}
        moved: list[tuple[str, float]] = []
        for record in View(rows).find_all(some).values():
            put |= make_row(leave_stub(record), path)
            moved.append((record.id, record.created_at))
            for name in series.name_series(record):
                names.setdefault(name, set()).add(record.id)
        rows.delete(map(name_record, some))
        rows.put(put)
        series.extend(rows, {series.ARCHIVED: moved})
        rows.forget()
    for name, gone in names.items():
        series.remove(rows, name, gone)
        rows.forget()


def _note_file(rows: SealedRows, file: ArchiveFile) -> None:
    listed = [each for each in list_archives(View(rows)) if (each.path, each.host) != (file.path, file.host)]
    rows.put({name_fact(ARCHIVES): [list(each) for each in [*listed, file]]})
