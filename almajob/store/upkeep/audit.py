"""Read all rows of a ledger: whether each is as it was written, and named by what should name it.

Starts read only what they need, so that damage elsewhere would show on the day on which it matters.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from almajob.store.errors import Damaged, UnsafeEntry
from almajob.store.ledger import look_ups, series
from almajob.store.ledger.announcements import Announcement
from almajob.store.ledger.gap import Gap
from almajob.store.ledger.ledger import NEWS, NEWS_COUNT, TURN_SECONDS
from almajob.store.ledger.place import SECOND, Place, Rows
from almajob.store.ledger.record import Record
from almajob.store.ledger.sealed_rows import SealedRows, open_key
from almajob.store.ledger.view import GAP, make_record, name_fact, name_known, name_record, name_stub
from almajob.store.upkeep.contents import split

_T = TypeVar("_T")

_GROUPS = frozenset({"record", "stub", "chunk", "series", "ids", "known", "fact", "news"})
_COUNTED = frozenset({"listed", "entries"})
_MOST = 50
_AT_ONCE = 1000


@dataclass
class Audit:
    """What was read, and what is wrong with it.

    Attributes:
        records, open, archived, facts, announcements: how many of each were read.
        rows: of the place.
        problems: what is wrong, the first ones in words.
        count: how many problems there are.
    """

    records: int = 0
    open: int = 0
    archived: int = 0
    facts: int = 0
    announcements: int = 0
    rows: int = 0
    problems: list[str] = field(default_factory=list)
    count: int = 0

    def note(self, problem: str) -> None:
        """Note something that is wrong."""
        self.count += 1
        if len(self.problems) < _MOST:
            self.problems.append(problem)


def audit(place: Place) -> Audit:
    """Read a whole ledger; whoever wants to change it waits meanwhile.

    Raises:
        LedgerUnusable: it cannot be read at all.
    """
    if not place.is_there:
        return Audit()
    with place.read(TURN_SECONDS) as rows:
        return _Reading(rows).read()


class _Reading:
    """An audit that goes on: from the lists to all that they name, then all rows, which must be no more."""

    def __init__(self, rows: Rows) -> None:
        self._opened = rows
        self._rows = SealedRows(rows)
        self._audit = Audit()
        self._expected: Counter[str] = Counter()
        self._members: dict[str, Counter[str]] = {}
        self._known: set[str] = set()
        self._unread: set[str] = set()
        self._damaged: set[str] = set()
        # Where a list or a record cannot be read it is not known which rows should be there.
        self._is_partial = False

    def read(self) -> Audit:
        self._read_records(series.ALL)
        self._read_records(series.ARCHIVED)
        for name, ids in self._members.items():
            self._compare_series(name, ids)
        self._read_facts()
        self._read_announcements()
        self._read_rows()
        return self._audit

    def _read_records(self, name: str) -> None:
        is_archive = name == series.ARCHIVED
        name_row = name_stub if is_archive else name_record
        for ids in split(self._list_entries(name)):
            found = self._get(list(map(name_row, ids)))
            raws = {record_id: found.get(name_row(record_id)) for record_id in ids}
            read = [self._read_record(record_id, raw, is_archive) for record_id, raw in raws.items()]
            self._follow([each for each in read if each is not None])

    def _read_record(self, record_id: str, raw: Any, is_archive: bool) -> tuple[Record, str] | None:
        """Read a record and the path of its archive, if it is in one."""
        try:
            if raw is None:
                raise Damaged("it is missing, or not as it was written")
            record = make_record(raw["record"] if is_archive else raw)
            if record.id != record_id:
                raise Damaged(f"it is the record {record.id}")
        except (Damaged, LookupError, TypeError) as error:
            self._audit.note(f"the record {record_id} cannot be read: {error}")
            self._unread.add(record_id)
            self._is_partial = True
            return None
        self._audit.archived += is_archive
        self._audit.records += not is_archive
        self._audit.open += record.is_open
        return record, str(raw["archive"]) if is_archive else ""

    def _follow(self, records: list[tuple[Record, str]]) -> None:
        """Look for all rows by which these records are found."""
        lists: dict[str, set[str]] = {}
        known = set()
        for record, archive in records:
            for name in look_ups.name_look_ups(record):
                lists.setdefault(name, set()).add(record.id)
            for name in () if archive else series.name_series(record):
                if name != series.ALL:
                    self._members.setdefault(name, Counter())[record.id] += 1
            known.add(name_known(record.environment, record.job_id))
        for key in known - self._known - self._get(list(known - self._known)).keys():
            self._audit.note(f"a row is missing or damaged: {key}")
        self._known |= known
        found = self._get(list(map(look_ups.name_row, lists)))
        for name, ids in lists.items():
            self._expected["listed"] += len(ids)
            listed = found.get(look_ups.name_row(name), ())
            for record_id in ids.difference(listed if isinstance(listed, list) else ()):
                self._audit.note(f"the record {record_id} is not in the list {name!r}")

    def _compare_series(self, name: str, ids: Counter[str]) -> None:
        listed = Counter(self._list_entries(name))
        for record_id in ids - listed:
            self._audit.note(f"the record {record_id} is not in {_name_list(name)}")
        for record_id in listed - ids:
            if record_id not in self._unread:
                self._audit.note(f"the record {record_id} does not belong in {_name_list(name)}")

    def _list_entries(self, name: str) -> list[str]:
        try:
            entries = list(series.read(self._rows, name))
            count = series.count(self._rows, name)
        except (Damaged, UnsafeEntry) as error:
            self._audit.note(f"{_name_list(name)} is damaged: {error}")
            self._is_partial = True
            return []
        self._rows.forget()
        for before, after in itertools.pairwise(entries):
            if not before.latest <= after.latest >= after.made_at:
                self._audit.note(f"{_name_list(name)} is not in its order at {after.id}")
        self._expected["chunk"] += series.count_chunks(count)
        self._expected["entries"] += count
        return [entry.id for entry in entries]

    def _read_facts(self) -> None:
        for some in split(self._list("fact:")):
            for key, value in self._get(some).items():
                self._audit.facts += key != NEWS_COUNT
                if key == name_fact(GAP):
                    self._check(lambda raw: Gap(**raw), value, "the note of what the ledger lacks")

    def _read_announcements(self) -> None:
        keys = self._list(f"{NEWS}:")
        self._audit.announcements = len(keys)
        kept = self._get([NEWS_COUNT]).get(NEWS_COUNT, 0)
        for some in split(keys):
            for key, value in self._get(some).items():
                announcement = self._check(lambda raw: Announcement(*raw), value, f"the announcement {key}")
                if announcement is not None and not 0 < announcement.number <= kept:
                    self._audit.note(f"an announcement has a number that was never given: {key}")

    def _check(self, make: Callable[[Any], _T], raw: Any, what: str) -> _T | None:
        try:
            return make(raw)
        except TypeError:
            self._audit.note(f"{what} cannot be read")
            return None

    def _read_rows(self) -> None:
        """Read all rows, with their checks, and count them: what nothing names is too much."""
        found: Counter[str] = Counter()
        for keys in self._list_raw():
            self._audit.rows += len(keys)
            opened = [key for key in map(self._open, keys) if key]
            found.update(key.partition(":")[0] for key in opened)
            for key, value in self._get([key for key in opened if not key.startswith(SECOND)]).items():
                if key.startswith("ids:"):
                    found["listed"] += len(value) if isinstance(value, list) else 0
                if key.startswith("series:"):
                    found["entries"] += value[0] if isinstance(value, list) else 0
        self._compare_counts(found)

    def _compare_counts(self, found: Counter[str]) -> None:
        for group in [group.removeprefix(SECOND) for group in found if group.startswith(SECOND)]:
            if (more := found[f"{SECOND}{group}"] - found[group]) > 0:
                self._audit.note(f"{more} second rows of the kind {group!r} have no first one")
        for group in {group.removeprefix(SECOND) for group in found} - _GROUPS - _COUNTED:
            self._audit.note(f"{found[group]} rows of the kind {group!r} are of no kind that almajob writes")
        if self._is_partial:
            return
        self._expected["record"] = self._audit.records
        self._expected["stub"] = self._audit.archived
        self._expected["known"] = len(self._known)
        for group in ("record", "stub", "known", "chunk"):
            if (more := found[group] - self._expected[group]) > 0:
                self._audit.note(f"{more} rows of the kind {group!r} are there that nothing names")
        for what in sorted(_COUNTED):
            if found[what] != self._expected[what]:
                self._audit.note(f"{found[what]} {what} are there instead of {self._expected[what]}")

    def _list_raw(self) -> Iterator[list[str]]:
        last = ""
        while keys := self._opened.list("", limit=_AT_ONCE, after=last):
            yield keys
            last = keys[-1]

    def _open(self, sealed: str) -> str:
        try:
            return open_key(sealed)
        except Damaged:
            self._audit.note(f"a row has a key that almajob did not write: {sealed!r}")
            return ""

    def _list(self, prefix: str) -> list[str]:
        try:
            return self._rows.list(prefix)
        except Damaged as error:
            self._audit.note(str(error))
            return []

    def _get(self, keys: list[str]) -> dict[str, Any]:
        """Return the values that are as they were written; note the others."""
        self._rows.forget()
        try:
            return self._rows.get(keys)
        except (Damaged, UnsafeEntry):
            found: dict[str, Any] = {}
            for key in keys:
                try:
                    found |= self._rows.get([key])
                except (Damaged, UnsafeEntry):
                    self._note_damage(key)
            return found

    def _note_damage(self, key: str) -> None:
        if key not in self._damaged:
            self._damaged.add(key)
            self._audit.note(f"a row is not as it was written, or one of its two copies is missing: {key}")


def describe(problems: Iterable[str], count: int, most: int = 3) -> str:
    """Write the first problems in a line or two."""
    shown = [f"{problem[:1].upper()}{problem[1:]}." for problem in list(problems)[:most]]
    more = count - len(shown)
    return " ".join([*shown, *([f"And {more} more."] if more > 0 else [])])


def _name_list(name: str) -> str:
    if name in (series.ALL, series.ARCHIVED):
        return f"the list of {'archived' if name == series.ARCHIVED else 'all'} records"
    return f"the list of the {name}"
