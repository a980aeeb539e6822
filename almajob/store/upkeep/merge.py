"""Bring what another ledger has into this one: all of it, or nothing where the two contradict each other.

A record that both have goes on where the one of them stands that has come further. What cannot both be true
is a conflict: then one of the ledgers does not know of a start of the other, and a person has to look.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from almajob.errors import LedgersConflict
from almajob.store.ledger import look_ups, series
from almajob.store.ledger.gap import Gap
from almajob.store.ledger.ledger import InstanceTaken, keep_announcements, put_record
from almajob.store.ledger.record import Record, State, alma_of
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.store.ledger.view import GAP, View, make_row, name_fact, name_known
from almajob.store.upkeep.contents import ANNOUNCEMENT, ARCHIVES, FACT, Item, split

_MOST_SHOWN = 3
_JOINED = frozenset({GAP, ARCHIVES})
# What is learned of a record after its last step; the rest is settled by its trail.
_LEARNED = ("is_told", "end_status", "lasted", "missing_at", "missing_at_alma")


@dataclass
class Merged:
    """What became of what was brought in.

    Attributes:
        added: records that were not there.
        changed: those that had come further, or of which more was known.
        same: those that were there.
        archived: of those that were added, which are in an archive.
        facts, announcements: that were not there.
        kept_facts: that differ; those that were there are kept.
        conflicts: what contradicts what is there.
    """

    added: int = 0
    changed: int = 0
    same: int = 0
    archived: int = 0
    facts: int = 0
    announcements: int = 0
    kept_facts: int = 0
    conflicts: list[str] = field(default_factory=list)


def merge(rows: SealedRows, items: Iterable[Item]) -> Merged:
    """Bring items into a ledger, within one change; the caller undoes it where there are conflicts.

    Args:
        rows: of the ledger, in a block in which they can be changed.
        items: in the order of ``read_contents``.
    """
    return _Merging(rows).merge(items)


def refuse_conflicts(conflicts: list[str], name: str) -> None:
    """Refuse, where two ledgers contradict each other.

    Args:
        conflicts: what cannot both be true.
        name: of the ledger into which the other was to be brought.

    Raises:
        LedgersConflict: with the first of them.
    """
    if not conflicts:
        return
    more = len(conflicts) - _MOST_SHOWN
    shown = [*conflicts[:_MOST_SHOWN], *([f"And {more} more."] if more > 0 else [])]
    raise LedgersConflict(
        f"This does not fit what is in the ledger {name}; nothing was written.",
        reason=" ".join(shown),
        hint="Look in Alma (Admin > Monitor Jobs) which is right, and use that ledger alone.",
    )


def join(kept: Record, other: Record) -> Record | None:
    """Return what two records of one id say together; None where they contradict each other."""
    steps, others = _list_steps(kept), _list_steps(other)
    ahead, behind = (other, kept) if len(others) > len(steps) else (kept, other)
    if _list_steps(ahead)[: len(behind.trail)] != _list_steps(behind):
        return None
    learned = {name: getattr(ahead, name) or getattr(behind, name) for name in _LEARNED}
    if len(steps) == len(others):
        # What an open start may be is looked up anew each time.
        learned["candidates"] = other.candidates if kept.is_open else kept.candidates
        if _shorten(replace(kept, **learned)) != _shorten(replace(other, **learned)):
            return None
    return replace(ahead, **learned)


def leave_stub(record: Record) -> Record:
    """Return what stays of a record in the ledger when it goes into an archive.

    That is all that answers a command, or keeps its run from becoming another's.
    """
    *first, last = record.trail
    return replace(record, baseline=(), trail=(*(replace(step, reason="") for step in first), last))


def _join_facts(name: str, kept: Any, other: Any) -> Any:
    """Return what two ledgers know; of what is learned anew every time, what the one that is there knows."""
    if name == GAP:
        return Gap(**kept).join(Gap(**other))._asdict()
    if name == ARCHIVES:
        return [*kept, *(each for each in other if each not in kept)]
    return kept


def _shorten(record: Record) -> Record:
    """Return a record without what an archive takes away."""
    return replace(leave_stub(record), trail=())


def _list_steps(record: Record) -> list[tuple[State, float]]:
    return [(step.state, step.at) for step in record.trail]


class _Merging:
    """A merge that goes on."""

    def __init__(self, rows: SealedRows) -> None:
        self._rows = rows
        self._view = View(rows)
        self._merged = Merged()
        last = next(series.read_back(rows, series.ALL), None)
        self._latest = last[1].latest if last else 0.0
        self._was_empty = last is None and not series.count(rows, series.ARCHIVED)
        self._seen: set[str] = set()
        self._touched: set[str] = set()
        self._disordered: set[str] = set()
        self._doubts: list[tuple[str, str]] = []

    def merge(self, items: Iterable[Item]) -> Merged:
        for some in split(items):
            self._rows.forget()
            records = [item for item in some if item.kind not in (FACT, ANNOUNCEMENT)]
            self._merge_records(records)
            self._merge_facts(item.value for item in some if item.kind == FACT)
            self._merge_announcements(item for item in some if item.kind == ANNOUNCEMENT)
        for name in sorted(self._disordered):
            series.sort(self._rows, name)
        # What both have is no contradiction, however it came about.
        self._merged.conflicts += [text for other, text in self._doubts if other not in self._seen]
        return self._merged

    def _merge_records(self, items: list[Item]) -> None:
        coming = {item.record.id: item for item in items}
        self._seen |= coming.keys()
        there = self._view.find_all(list(coming))
        new = [item for record_id, item in coming.items() if record_id not in there]
        for record_id, kept in there.items():
            self._merge_record(kept, coming[record_id].record)
        if new and not self._was_empty:
            self._doubt_claims([item.record for item in new])
            self._doubt_keys([item.record for item in new])
        if new:
            self._add(new)

    def _merge_record(self, kept: Record, other: Record) -> None:
        archive = self._view.find_archive(kept.id)
        joined = join(kept, other)
        if joined is None:
            self._merged.conflicts.append(f"The record {kept.id} has gone two ways.")
            return
        joined = leave_stub(joined) if archive else joined
        if joined == kept:
            self._merged.same += 1
            return
        try:
            put_record(self._rows, kept, joined, archive)
        except InstanceTaken as taken:
            self._merged.conflicts.append(f"{taken.message} It is also that of {kept.id}.")
            return
        self._merged.changed += 1
        self._touched.add(kept.id)

    def _doubt_claims(self, records: list[Record]) -> None:
        """Note where the run of a new record is that of another that was there."""
        claimed = self._view.list_claims(record.instance_id for record in records if record.instance_id)
        of_instance: dict[str, list[Record]] = {}
        for other in claimed:
            of_instance.setdefault(other.instance_id, []).append(other)
        for record in records:
            for other in of_instance.get(record.instance_id, ()):
                is_same = alma_of(other.identity) == alma_of(record.identity)
                if is_same and not (other.is_attached or record.is_attached):
                    text = f"Run {record.instance_id} is that of two starts: {other.id} and {record.id}."
                    self._doubts.append((other.id, text))

    def _doubt_keys(self, records: list[Record]) -> None:
        """Note where a run key of a new record stands for another start that was there."""
        for record in records:
            if record.state is State.NOT_STARTED:
                continue
            for other in self._view.list_of_key(record.run_key):
                is_here = other.environment == record.environment
                is_here |= alma_of(other.identity) == alma_of(record.identity)
                if is_here and other.state is not State.NOT_STARTED:
                    text = (
                        f"The run key {record.run_key!r} is that of two starts: {other.id} and {record.id}."
                    )
                    self._doubts.append((other.id, text))

    def _add(self, items: list[Item]) -> None:
        add_records(self._rows, items)
        records = [item.record for item in items]
        self._touched |= {record.id for record in records}
        self._merged.added += len(items)
        self._merged.archived += sum(bool(item.archive) for item in items)
        for item, record in zip(items, records, strict=True):
            if self._latest and record.created_at < self._latest:
                self._disordered |= set(_name_series(record, item.archive))

    def _merge_facts(self, facts: Iterable[tuple[str, Any]]) -> None:
        for name, value in facts:
            kept = self._view.fact(name)
            wanted = value if kept is None else _join_facts(name, kept, value)
            if wanted != kept:
                self._rows.put({name_fact(name): wanted})
                self._merged.facts += 1
            elif value != kept and name not in _JOINED:
                self._merged.kept_facts += 1

    def _merge_announcements(self, items: Iterable[Item]) -> None:
        """Keep the announcements of what was new: whatever was there has been announced there."""
        announcements = (item.announcement for item in items)
        new = [each for each in announcements if each.event.rpartition(":")[0] in self._touched]
        keep_announcements(self._rows, new)
        self._merged.announcements += len(new)


def add_records(rows: SealedRows, items: list[Item]) -> None:
    """Add records that are not there, in this order."""
    put: dict[str, Any] = {}
    lists: dict[str, list[str]] = {}
    added: dict[str, list[tuple[str, float]]] = {}
    for record, archive in ((item.record, item.archive) for item in items):
        put |= make_row(record, archive)
        put[name_known(record.environment, record.job_id)] = True
        for name in look_ups.name_look_ups(record):
            lists.setdefault(name, []).append(record.id)
        for name in _name_series(record, archive):
            added.setdefault(name, []).append((record.id, record.created_at))
    rows.put(put)
    look_ups.extend(rows, lists)
    series.extend(rows, added)


def _name_series(record: Record, archive: str) -> tuple[str, ...]:
    return (series.ARCHIVED,) if archive else series.name_series(record)
