"""What must never be lost: one record for every run that was meant, on disk before anything is sent.

Nothing is ever thrown out or changed in silence: what is not exactly as it was written stops every start.
Where the ledger is kept is a matter of its place; all take turns to change it.

A ledger that was restored from a backup is whole, and lacks what came after. So a small file of this machine
names the newest record that was written from here, and the ledger keeps since when it may lack others.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from almajob.errors import Refused
from almajob.store.errors import Damaged
from almajob.store.ledger import look_ups, series
from almajob.store.ledger.announcements import Announcement, Announcer
from almajob.store.ledger.gap import Gap
from almajob.store.ledger.place import Place
from almajob.store.ledger.record import Record, State, alma_of, checksum
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.store.ledger.view import GAP, View, keys_of, make_row, name_fact, name_known
from almajob.system.private_files import make_private, open_own, read_own

LOG = logging.getLogger(__name__)

TURN_SECONDS = 30.0
"""How long a process waits for others that have the ledger."""
_LONGEST_ID = 64
_OF_START = frozenset({State.PREPARED, State.SENDING})
NEWS = "news"
NEWS_COUNT = "fact:news"
_MOST_NEXT = 16
_LATEST = "announced"
_MOST_LATEST = 256


class InstanceTaken(Refused):
    """The instance of a record is the run of another record: one instance is never two runs.

    Args:
        other: whose run it is.
    """

    kind = "instance_taken"

    def __init__(self, other: Record) -> None:
        super().__init__(
            f"Run {other.instance_id} is the one of another start: {other.id}.",
            hint=f"almajob runs show {other.id} has the details.",
        )
        self.other = other


class Ledger:
    """The ledger. Nothing is opened or made before it is used.

    Every method raises LedgerUnusable where the ledger cannot be read or is not as it was written; and where
    it is not certain to keep what it was given, which is on disk when a method returns. ``wait`` is how many
    seconds others may have it first; ``TURN_SECONDS`` where not given.

    Args:
        place: where it is kept.
        announcer: for observers; None where there are none, and nothing is announced.
    """

    def __init__(self, place: Place, announcer: Announcer | None = None) -> None:
        self.place = place
        self._announcer = announcer

    @contextlib.contextmanager
    def read(self, *, wait: float | None = None) -> Iterator[View]:
        """Read what it knows at one moment, in a block; keep the block short, as others wait."""
        with self.place.read(_turn(wait)) as rows:
            yield View(SealedRows(rows), self._read_newest)

    def write(self, record: Record) -> None:
        """Keep a record, which goes on where the one that is kept stands.

        Raises:
            InstanceTaken: its run is another record's; nothing was kept.
        """
        is_first_step = len(record.trail) == 1
        newest = self._read_newest() if is_first_step else ""
        with self._change(is_of_start=record.state in _OF_START) as rows:
            # One question, as a place may be far away.
            rows.get(_keys_of(record, newest, is_first_step=is_first_step))
            view = View(rows, lambda: newest)
            before = view.find(record.id)
            if before is None and not is_first_step:
                raise Damaged("a record is missing")
            if before is not None and record.trail[: len(before.trail)] != before.trail:
                raise OSError(errno.EBUSY, "a record was changed by another process meanwhile")
            news = self._list_news(before, record)
            keep_announcements(rows, news)
            if before is None and (gap := view.find_gap(record.created_at)) is not None:
                rows.put({name_fact(GAP): gap._asdict()})
            put_record(rows, before, record)
        if before is None:
            self._note_newest(record)
        self._announce(news)

    def amend(
        self, record: Record, *, wait: float | None = None, details: Any = None, **changes: Any
    ) -> None:
        """Keep something more of a record as it is kept now: another process may have written it meanwhile.

        Args:
            record: which; nothing happens where it is not kept.
            details: what the announcer may want to know besides.
            changes: attributes that are no part of its trail.
        """
        news: list[Announcement] = []
        with self._change(wait) as rows:
            view = View(rows)
            kept = view.find(record.id)
            if kept is not None:
                changed = replace(kept, **changes)
                news = self._list_news(kept, changed, details)
                keep_announcements(rows, news)
                put_record(rows, kept, changed, view.find_archive(record.id))
        self._announce(news)

    def keep_fact(self, name: str, fact: Any, *, wait: float | None = None) -> None:
        """Keep a fact that starts rely on, in the form of JSON."""
        with self._change(wait) as rows:
            rows.put({name_fact(name): fact})

    def keep_gap(self, gap: Gap) -> None:
        """Remember that records are missing: Alma shows a run that only almajob can have started."""
        with self._change() as rows:
            rows.put({name_fact(GAP): gap.join(View(rows).read_gap())._asdict()})

    @property
    def is_observed(self) -> bool:
        """Whether changes are announced to anybody."""
        return self._announcer is not None

    def announce_once(self, record: Record, name: str, details: Any, *, wait: float | None = None) -> None:
        """Announce something that changes nothing of a record, once for good.

        Args:
            record: which; nothing happens where it is not kept.
            name: of what is announced.
            details: from which the announcer makes it.
        """
        news: list[Announcement] = []
        fact = f"{name}:{record.id}"
        with self._change(wait) as rows:
            view = View(rows)
            kept = view.find(record.id)
            if kept is not None and view.fact(fact) is None:
                news = self._list_news(kept, kept, details)
                keep_announcements(rows, news)
                rows.put({name_fact(fact): True})
        self._announce(news)

    def announce_other(self, name: str, details: Any, *, wait: float | None = None) -> None:
        """Announce something that is of no record, once.

        Args:
            name: of what is announced; nothing happens where it is among the last that were.
            details: from which the announcer makes it.
        """
        news: list[Announcement] = []
        with self._change(wait) as rows:
            latest = View(rows).fact(_LATEST) or []
            if name not in latest and self._announcer is not None:
                news = list(self._announcer.list_other_news(details))
                keep_announcements(rows, news)
                rows.put({name_fact(_LATEST): [*latest, name][-_MOST_LATEST:]})
        self._announce(news)

    def count_announcements(self, *, wait: float | None = None) -> int:
        """Count the calls of observers that are still to be made."""
        with self.place.read(_turn(wait)) as rows:
            return len(SealedRows(rows).list(f"{NEWS}:"))

    def announcements(
        self, *, after: Mapping[str, int] = MappingProxyType({}), wait: float | None = None
    ) -> list[Announcement]:
        """Return what observers are to be called with next, in the order in which it was kept.

        Of what is kept for one observer it is the oldest, as starts need the ledger meanwhile.

        Args:
            after: the numbers, by observer, up to which nothing is wanted.
        """
        next_of: dict[str, list[str]] = {}
        with self.place.read(_turn(wait)) as rows:
            sealed = SealedRows(rows)
            keys = _leave_out(sealed.list(f"{NEWS}:"), after)
            for key in keys:
                next_of.setdefault(key.split(":")[1], []).append(key)
            chosen = {key for of_one in next_of.values() for key in of_one[:_MOST_NEXT]}
            found = sealed.get(key for key in keys if key in chosen)
        return sorted((Announcement(*value) for value in found.values()), key=lambda each: each.number)

    def list_all_announcements(self, observer: str, *, wait: float | None = None) -> list[Announcement]:
        """Return all that one observer is to be called with, in the order in which it was kept."""
        with self.place.read(_turn(wait)) as rows:
            sealed = SealedRows(rows)
            found = sealed.get(sealed.list(_news_number(observer, 0).rpartition(":")[0] + ":"))
        return sorted((Announcement(*value) for value in found.values()), key=lambda each: each.number)

    def has_announcements(
        self, *, after: Mapping[str, int] = MappingProxyType({}), wait: float | None = None
    ) -> bool:
        """Whether an observer is still to be called; see ``announcements``."""
        with self.place.read(_turn(wait)) as rows:
            sealed = SealedRows(rows)
            found = sealed.list(f"{NEWS}:") if after else sealed.list(f"{NEWS}:", limit=1)
            return bool(_leave_out(found, after))

    def note_call(self, announcement: Announcement) -> None:
        """Note that an observer is about to be called, if what this process has locked still is."""
        begun = announcement._replace(calls=announcement.calls + 1)
        with self._change(is_of_start=True) as rows:
            rows.put({_news_key(begun): list(begun)})

    def postpone_call(self, announcement: Announcement, message: Any) -> None:
        """Note that an observer wants to be called again later, with what is to be known then."""
        later = announcement._replace(calls=0, message=message)
        with self._change() as rows:
            rows.put({_news_key(later): list(later)})

    def remove_announcement(self, announcement: Announcement) -> None:
        """Note that an observer has been called, or never will be."""
        with self._change() as rows:
            rows.delete([_news_key(announcement)])

    @contextlib.contextmanager
    def _change(self, wait: float | None = None, *, is_of_start: bool = False) -> Iterator[SealedRows]:
        with self.place.change(_turn(wait), is_of_start=is_of_start) as rows:
            sealed = SealedRows(rows)
            yield sealed
            sealed.flush()

    def _list_news(self, before: Record | None, after: Record, details: Any = None) -> list[Announcement]:
        if self._announcer is None:
            return []
        try:
            return list(self._announcer.list_news(before, after, details))
        except Exception:
            # A bug of ours: no start fails for it.
            LOG.warning("Observers are not called for the run %s, because of a bug in almajob.", after.id)
            LOG.debug("It cannot be announced.", exc_info=True)
            return []

    def _announce(self, news: list[Announcement]) -> None:
        if news and self._announcer is not None:
            self._announcer.wake()

    def _read_newest(self) -> str:
        try:
            return read_own(self.place.newest, _LONGEST_ID).decode().strip()
        except (OSError, ValueError):
            return ""

    def _note_newest(self, record: Record) -> None:
        """Note which record was written last; where that fails, an older one's name does no harm."""
        with contextlib.suppress(OSError):
            # A place elsewhere has made no directory here.
            make_private(self.place.newest.parent)
            descriptor = open_own(self.place.newest, os.O_WRONLY)
            try:
                os.pwrite(descriptor, record.id.encode().ljust(_LONGEST_ID), 0)
            finally:
                os.close(descriptor)


def _turn(wait: float | None) -> float:
    return TURN_SECONDS if wait is None else wait


def _keys_of(record: Record, newest: str, *, is_first_step: bool) -> list[str]:
    """Return the keys of all that is read to write a record."""
    names = {*look_ups.name_look_ups(record), look_ups.OPEN, look_ups.open_of_job(record.job_id)}
    keys = [*keys_of([record.id]), *map(look_ups.name_row, names)]
    if is_first_step:
        keys += [*keys_of([newest]), name_known(record.environment, record.job_id), name_fact(GAP)]
        keys += map(series.name_head, series.name_series(record))
    return keys


def put_record(rows: SealedRows, before: Record | None, record: Record, archive: str = "") -> None:
    """Keep a record and whatever it is found by, in place of what it was found by before.

    Args:
        archive: the path of the file into which it was moved, if it was.

    Raises:
        InstanceTaken: its run is another record's.
    """
    old = frozenset() if before is None else look_ups.name_look_ups(before)
    new = look_ups.name_look_ups(record)
    if record.instance_id and look_ups.of_instance(record.instance_id) not in old:
        _refuse_taken(rows, record)
    rows.put(make_row(record, archive))
    look_ups.change(rows, record.id, old, new)
    if before is None:
        rows.put({name_known(record.environment, record.job_id): True})
        series.append(rows, series.name_series(record), record.id, record.created_at)


def _refuse_taken(rows: SealedRows, record: Record) -> None:
    """Refuse that one instance of one Alma is the run of two records."""
    if record.is_attached:
        return
    for other in View(rows).list_claims([record.instance_id]):
        if alma_of(other.identity) == alma_of(record.identity) and not other.is_attached:
            raise InstanceTaken(other)


def _news_key(announcement: Announcement) -> str:
    return _news_number(announcement.observer, announcement.number)


def _news_number(observer: str, number: int) -> str:
    return f"{NEWS}:{checksum(observer)[:16]}:{number:012d}"


def _leave_out(keys: Collection[str], after: Mapping[str, int]) -> list[str]:
    """Leave out what has a number up to which nothing is wanted, by observer."""
    last = {key.rpartition(":")[0]: key for key in (_news_number(*each) for each in after.items())}
    return [key for key in keys if key > last.get(key.rpartition(":")[0], "")]


def keep_announcements(rows: SealedRows, news: Iterable[Announcement]) -> None:
    """Keep announcements that are new, each with a number of its own."""
    if news := list(news):
        kept = int(rows.get([NEWS_COUNT]).get(NEWS_COUNT, 0))
        numbered = [each._replace(number=number) for number, each in enumerate(news, kept + 1)]
        rows.put({NEWS_COUNT: kept + len(numbered)})
        rows.put({_news_key(each): list(each) for each in numbered})
