"""A whole ledger, from one place to another, into a file, and back from one.

What is written is one change of the ledger: whoever kills it finds what was there before, and half a ledger
is never there to start anything by. Doing it once more ends the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from almajob.errors import NotFound, Refused, UsageError
from almajob.store.ledger.ledger import TURN_SECONDS
from almajob.store.ledger.place import LedgerUnusable, Place
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.store.ledger.view import View
from almajob.store.upkeep.contents import ANNOUNCEMENT, ARCHIVED, FACT, Item, read_contents, split
from almajob.store.upkeep.export_file import EXPORT, Header, read_items, write_lines
from almajob.store.upkeep.merge import Merged, join, merge, refuse_conflicts


class _Undone(Exception):
    """A change that was only tried."""


def copy_ledger(source: Place, target: Place, *, is_trial: bool = False) -> Merged:
    """Bring all that a ledger has into another one; both are locked meanwhile: no start comes between.

    Args:
        is_trial: write nothing.

    Raises:
        NotFound: there is no ledger to copy.
        LedgersConflict: they contradict each other; nothing was written.
        LedgerUnusable: one of them cannot be used; nothing was written.
    """
    if source.name == target.name:
        raise UsageError("A ledger cannot be copied to itself.", hint="Name another place.")
    if not source.is_there:
        raise NotFound(
            f"There is no ledger at {source.name}.", hint="almajob ledger show names the one in use."
        )
    with source.change(TURN_SECONDS) as rows:
        return _bring(target, lambda: read_contents(SealedRows(rows)), is_trial=is_trial)


def import_file(target: Place, path: Path, *, is_trial: bool = False) -> Merged:
    """Bring all that a file has into a ledger; the file is read to its end before anything is written.

    Args:
        is_trial: write nothing.

    Raises:
        Refused: the file cannot be read.
        NotWhole: it is no export, or not all of one.
        LedgersConflict: it contradicts what is in the ledger; nothing was written.
        LedgerUnusable: the ledger cannot be used; nothing was written.
    """
    for _item in read_items(path):
        pass
    return _bring(target, lambda: read_items(path), is_trial=is_trial)


def export_lines(place: Place, made: str) -> Generator[bytes]:
    """Return the lines of a file with all that a ledger has at one moment; it is locked until the last one.

    Args:
        made: the time, ISO 8601 in UTC.

    Raises:
        LedgerUnusable: it cannot be read, or is damaged.
    """
    place.need()
    header = Header(EXPORT, made, place.name)
    if not place.is_there:
        yield from write_lines(header, ())
        return
    with place.read(TURN_SECONDS) as rows:
        yield from write_lines(header, read_contents(SealedRows(rows)))


def _bring(target: Place, read: Callable[[], Iterator[Item]], *, is_trial: bool) -> Merged:
    if is_trial and not target.is_there:
        return _count(read())
    merged = Merged()
    try:
        with target.change(TURN_SECONDS) as rows:
            sealed = SealedRows(rows)
            merged = merge(sealed, read())
            refuse_conflicts(merged.conflicts, target.name)
            if is_trial:
                raise _Undone
            sealed.flush()
    except _Undone:
        return merged
    with target.read(TURN_SECONDS) as rows:
        _compare(SealedRows(rows), read(), target.name)
    return merged


def _count(items: Iterator[Item]) -> Merged:
    """Count what would be brought into a ledger that is not there yet."""
    merged = Merged()
    for item in items:
        merged.facts += item.kind == FACT
        merged.announcements += item.kind == ANNOUNCEMENT
        merged.archived += item.kind == ARCHIVED
        merged.added += item.kind not in (FACT, ANNOUNCEMENT)
    return merged


def _compare(rows: SealedRows, items: Iterator[Item], name: str) -> None:
    """Compare what is in a ledger with what was brought into it; others may have gone on meanwhile.

    Raises:
        LedgerUnusable: it is not there.
    """
    view = View(rows)
    for some in split(items):
        rows.forget()
        records = [item.record for item in some if item.kind not in (FACT, ANNOUNCEMENT)]
        found = view.find_all([record.id for record in records])
        for record in records:
            kept = found.get(record.id)
            if kept is None or join(kept, record) is None or len(kept.trail) < len(record.trail):
                raise _not_kept(name, f"the record {record.id}")
        for fact, _value in (item.value for item in some if item.kind == FACT):
            if view.fact(fact) is None:
                raise _not_kept(name, f"the fact {fact!r}")


def _not_kept(name: str, what: str) -> Refused:
    return LedgerUnusable(
        f"The ledger {name} did not keep what was written into it.",
        reason=f"When it was read back, {what} was not there as it was written.",
        hint="Use the other one still, and look at the disk or the server.\n"
        "Then the same command goes on with what is missing.",
    )
