"""What the ledger knows at one moment: records by their ids, keys, jobs and instances, and facts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from almajob.store.errors import Damaged
from almajob.store.ledger import look_ups, series
from almajob.store.ledger.gap import Gap, find_gap
from almajob.store.ledger.record import Record, checksum
from almajob.store.ledger.sealed_rows import SealedRows

GAP = "gap"
_RECORDS_AT_ONCE = 32


class View:
    """The records and facts of one moment. Nothing is found by reading all of them.

    Args:
        rows: of the ledger's place, in a block in which they can be read.
        read_newest: returns the id of the record that was written last from this machine, if that is known.
    """

    def __init__(self, rows: SealedRows, read_newest: Callable[[], str] = str) -> None:
        self._rows = rows
        self._read_newest = read_newest

    def find(self, record_id: str) -> Record | None:
        """Return the record of an id."""
        return self.find_all([record_id]).get(record_id)

    def find_all(self, ids: Sequence[str]) -> dict[str, Record]:
        """Return the records of those ids that are there; the list of the open ones must agree with them.

        Of one in an archive it is what the ledger still has.
        """
        found = self._rows.get([*keys_of(ids), look_ups.name_row(look_ups.OPEN)])
        opened = set(look_ups.read(self._rows, [look_ups.OPEN]))
        records = {}
        for record_id in ids:
            raw = found.get(name_record(record_id))
            if raw is None and (stub := found.get(name_stub(record_id))) is not None:
                raw = _need_stub(stub)["record"]
            if raw is not None:
                record = records[record_id] = make_record(raw)
                if record.is_open is not (record.id in opened):
                    raise Damaged("a record is older or newer than what belongs to it")
        return records

    def find_archive(self, record_id: str) -> str:
        """Return the path of the archive into which a record was moved; empty where it was not."""
        found = self._rows.get([name_stub(record_id)])
        return str(next((_need_stub(stub)["archive"] for stub in found.values()), ""))

    def list_of_key(self, run_key: str) -> list[Record]:
        """Return the records of a run key in all its forms and all sections, the oldest first."""
        return self._look_up([look_ups.of_key(run_key)])

    def list_of_job(self, job_id: str, since: float = 0.0) -> list[Record]:
        """Return the records of a job id, in whatever Alma, the oldest first.

        Args:
            since: made no earlier, in seconds since the epoch.
        """
        return self._list_back(series.series_of_job(job_id), since)

    def list_since(self, since: float) -> list[Record]:
        """Return the records that were made no earlier, in seconds since the epoch, the oldest first."""
        return self._list_back(series.ALL, since)

    def list_open(self, job_id: str = "") -> list[Record]:
        """Return the records whose outcome is still to be found out, the oldest first.

        Args:
            job_id: of this job only, in whatever Alma.
        """
        return self._look_up([look_ups.open_of_job(job_id) if job_id else look_ups.OPEN])

    def list_of_instance(self, instance_id: str) -> list[Record]:
        """Return the records whose run an instance is; where there are none, those whose it may be."""
        return self.list_claims([instance_id]) or self._look_up([look_ups.of_candidate(instance_id)])

    def list_claims(self, instance_ids: Iterable[str]) -> list[Record]:
        """Return the records whose runs some of these instances are, the oldest first."""
        return self._look_up(map(look_ups.of_instance, instance_ids))

    def read_back(self, *, environment: str = "", job_id: str = "") -> Iterator[Record]:
        """Read records, the last that was added first.

        Args:
            environment: of this section of the ini only.
            job_id: of this job only.
        """
        name = series.series_of_environment(environment) if environment else series.ALL
        name = series.series_of_job(job_id) if job_id else name
        ids = (entry.id for _number, entry in series.read_back(self._rows, name))
        at_once = 1
        while some := list(itertools.islice(ids, at_once)):
            for record in self._read(some):
                if environment in ("", record.environment):
                    yield record
            at_once = _RECORDS_AT_ONCE

    def read_page(
        self, last: tuple[int, str] | None, size: int, *, environment: str = "", since: float = 0.0
    ) -> list[tuple[int, Record]]:
        """Read some records with their numbers, the last that was added first.

        Args:
            last: the number and the id of the last one that was read before, in another block; None at first.
            size: how many, at most.
            environment: of this section of the ini only.
            since: in seconds since the epoch; where all before were made earlier, the list ends.
        """
        name = series.series_of_environment(environment) if environment else series.ALL
        entries = series.read_back(self._rows, name, before=last[0] + 1 if last else None)
        if last:
            # An archive may have taken out others meanwhile, so that the numbers are lower.
            entries = itertools.dropwhile(lambda numbered: numbered[1].id != last[1], entries)
            next(entries, None)
        page = itertools.takewhile(lambda numbered: numbered[1].latest >= since, entries)
        numbers = [(number, entry.id) for number, entry in itertools.islice(page, size)]
        records = self._read(record_id for _number, record_id in numbers)
        return [(number, record) for (number, _id), record in zip(numbers, records, strict=True)]

    def knows(self, environment: str, job_id: str) -> bool:
        """Whether there is, or was, a record of a job in a section of the ini."""
        return bool(self._rows.get([name_known(environment, job_id)]))

    def count(self, environment: str = "") -> int:
        """Count the records, of all sections of the ini or of one."""
        name = series.series_of_environment(environment) if environment else series.ALL
        return series.count(self._rows, name)

    def fact(self, name: str) -> Any:
        """Return a fact that was kept, or None."""
        return self._rows.get([name_fact(name)]).get(name_fact(name))

    def list_facts(self, beginning: str) -> dict[str, Any]:
        """Return the facts whose names begin so, by name."""
        found = self._rows.get(self._rows.list(name_fact(beginning)))
        return {key.removeprefix(name_fact("")): fact for key, fact in found.items()}

    def gap(self, now: float) -> Gap:
        """Find out which records may be missing: it was idle, began anew, or was restored from a backup."""
        return self.find_gap(now) or Gap(now, now)

    def find_gap(self, now: float) -> Gap | None:
        """Return the time before ``now`` for which records may be missing; None for less than a day."""
        newest, known = self._read_newest(), self.read_gap()
        last = next(series.read_back(self._rows, series.ALL), None)
        return find_gap(
            last[1].latest if last else 0.0,
            known,
            now,
            lacks_newest=bool(newest) and self.find(newest) is None,
        )

    def read_gap(self) -> Gap | None:
        """Return what was kept of it."""
        raw = self.fact(GAP)
        try:
            return None if raw is None else Gap(**raw)
        except TypeError as error:
            raise Damaged("a fact is not as it was written") from error

    def _list_back(self, name: str, since: float = 0.0) -> list[Record]:
        ids = []
        for _number, entry in series.read_back(self._rows, name):
            if entry.latest < since:
                break
            if entry.made_at >= since:
                ids.append(entry.id)
        return _by_time(self._read(ids))

    def _look_up(self, names: Iterable[str]) -> list[Record]:
        return _by_time(self._read(look_ups.read(self._rows, names)))

    def _read(self, ids: Iterable[str]) -> list[Record]:
        """Read records that are there for sure."""
        wanted = list(dict.fromkeys(ids))
        found = self.find_all(wanted)
        if len(found) < len(wanted):
            raise Damaged("a record is missing")
        return list(found.values())


def keys_of(ids: Iterable[str]) -> list[str]:
    """Return the keys of the rows in which records can be: their own, or what an archive left of them."""
    return [key for record_id in ids for key in (name_record(record_id), name_stub(record_id))]


def name_record(record_id: str) -> str:
    """Return the key of a record's row."""
    return f"record:{record_id}"


def name_stub(record_id: str) -> str:
    """Return the key of the row that is left of a record in an archive."""
    return f"stub:{record_id}"


def make_row(record: Record, archive: str = "") -> dict[str, Any]:
    """Return the row of a record.

    Args:
        archive: the path of the file into which it was moved, if it was.
    """
    if archive:
        return {name_stub(record.id): {"archive": archive, "record": record.to_json()}}
    return {name_record(record.id): record.to_json()}


def name_fact(name: str) -> str:
    """Return the key of a fact's row."""
    return f"fact:{name}"


def name_known(environment: str, job_id: str) -> str:
    """Return the key of the row that says that a section has had a record of a job."""
    return f"known:{checksum([environment, job_id])[:20]}"


def make_record(raw: Any) -> Record:
    """Read a record as it is kept.

    Raises:
        Damaged: it is none.
    """
    try:
        return Record.from_json(raw)
    except ValueError as error:
        raise Damaged(f"a record cannot be read: {error}") from error


def _need_stub(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict) or not raw.keys() >= {"archive", "record"}:
        raise Damaged("a row is not as it was written")
    return raw


def _by_time(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (record.created_at, record.id))
