"""Numbered lists of records: the newest first, in whatever rows they are, and none is ever missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from almajob.store.errors import Damaged
from almajob.store.ledger import series
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.store.ledger.series import CHUNK, Entry
from tests.store.ledger.test_record import new
from tests.support.memory_place import MemoryPlace, Shared, Step


@pytest.fixture
def rows() -> Iterator[SealedRows]:
    with MemoryPlace().change(0) as opened:
        yield SealedRows(opened)


def _append(rows: SealedRows, count: int, first: int = 1) -> list[Entry]:
    for number in range(first, first + count):
        series.append(rows, ["a", "b"], f"r{number}", float(number))
    return [Entry(f"r{number}", float(number), float(number)) for number in range(1, first + count)]


@pytest.mark.parametrize("count", [0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 11 * CHUNK + 5])
def test_a_series_is_read_back_from_its_end(rows: SealedRows, count: int) -> None:
    """All of it, with its numbers; or from a number on, whichever row that is in."""
    entries = _append(rows, count)
    numbered = list(enumerate(entries, 1))[::-1]
    assert series.count(rows, "a") == series.count(rows, "b") == count
    assert list(series.read_back(rows, "a")) == list(series.read_back(rows, "b")) == numbered
    assert list(series.read_back(rows, "c")) == []
    for before in {1, 2, CHUNK, CHUNK + 1, CHUNK + 2, count, count + 1, count + 9}:
        assert list(series.read_back(rows, "a", before=before)) == numbered[max(count + 1 - before, 0) :]


def test_the_latest_time_stays_where_clocks_are_put_back(rows: SealedRows) -> None:
    """Also where the next one begins another row."""
    for number in range(CHUNK + 2):
        series.append(rows, ["a"], f"r{number}", 100.0 - number)
    assert {entry.latest for _number, entry in series.read_back(rows, "a")} == {100.0}
    series.append(rows, ["a"], "last", 200.0)
    assert next(series.read_back(rows, "a")) == (CHUNK + 3, Entry("last", 200.0, 200.0))


@pytest.mark.parametrize("before", [0, 5, CHUNK, 3 * CHUNK + 1])
@pytest.mark.parametrize("after", [0, 5, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_a_series_is_numbered_anew(rows: SealedRows, before: int, after: int) -> None:
    """With fewer or more than it had; what is added then comes after them, and no row is left over."""
    _append(rows, before)
    entries = [Entry(f"r{number}", float(number), float(number)) for number in range(1, after + 1)]
    series.replace_all(rows, "a", entries)
    assert [entry for _number, entry in series.read_back(rows, "a")] == entries[::-1]
    assert len(rows.list("chunk:")) == max(before - 1, 0) // CHUNK + max(after - 1, 0) // CHUNK
    assert [entry for _number, entry in series.read_back(rows, "a")] == entries[::-1]
    assert [entry for _, entry in series.read_back(rows, "a")] == entries[::-1]
    assert _append(rows, 40, after + 1) == [entry for _, entry in series.read_back(rows, "a")][::-1]


def test_a_row_that_is_missing_is_damage() -> None:
    """Those after it are read."""
    shared = Shared()
    with MemoryPlace(shared).change(0) as opened:
        rows = SealedRows(opened)
        _append(rows, 3 * CHUNK)
        rows.flush()
    for key in [key for key in shared.rows if ":00000001:" in key]:
        del shared.rows[key]
    with MemoryPlace(shared).read(0) as opened:
        found = series.read_back(SealedRows(opened), "a")
        assert [next(found)[0] for _ in range(2 * CHUNK)] == list(range(3 * CHUNK, CHUNK, -1))
        with pytest.raises(Damaged, match="a row is missing"):
            next(found)


def test_adding_one_reads_and_writes_as_much_whatever_the_length() -> None:
    """One question, and one answer with two rows of each series; the first of a chunk has one row more."""
    steps: list[Step] = []
    place = MemoryPlace(on_step=steps.append)
    for number in range(3 * CHUNK):
        steps.clear()
        with place.change(0) as opened:
            rows = SealedRows(opened)
            series.append(rows, ["a"], f"r{number}", 1.0)
            rows.flush()
        assert steps == [Step.CHANGE, Step.GET, Step.PUT, Step.COMMIT, Step.COMMITTED]
    assert len(place.shared.rows) == 2 + 2


def test_a_record_stands_among_all_and_those_of_its_section_and_its_job() -> None:
    """Whatever they are called: a section and a job of one name have two."""
    names = series.name_series(new(environment="S1", job_id="S1"))
    assert names == (series.ALL, series.series_of_environment("S1"), series.series_of_job("S1"))
    assert len({series.name_head(name) for name in names}) == 3


@pytest.mark.parametrize("count", [0, 1, CHUNK, CHUNK + 1, 9 * CHUNK + 3])
def test_a_series_is_read_from_its_beginning(rows: SealedRows, count: int) -> None:
    """All of it; it has as many rows as are said of it."""
    entries = _append(rows, count)
    assert list(series.read(rows, "a")) == entries
    assert list(series.read(rows, "c")) == []
    assert len(rows.list("chunk:")) == 2 * series.count_chunks(count)


def test_records_are_added_taken_out_and_sorted(rows: SealedRows) -> None:
    """Many at once, as one by one; what is left is numbered anew."""
    added = [(f"r{number}", float(number % 7)) for number in range(CHUNK + 9)]
    series.extend(rows, {"a": added, "b": added[:3]})
    one_by_one = SealedRows(_Nothing())
    for record_id, made_at in added:
        series.append(one_by_one, ["a"], record_id, made_at)
    assert list(series.read(rows, "a")) == list(series.read(one_by_one, "a"))
    series.remove(rows, "a", {"r1", "r2", f"r{CHUNK}"})
    left = [record_id for record_id, _ in added if record_id not in {"r1", "r2", f"r{CHUNK}"}]
    assert [entry.id for entry in series.read(rows, "a")] == left
    series.sort(rows, "a")
    times = [(entry.made_at, entry.id) for entry in series.read(rows, "a")]
    assert times == sorted(times)
    assert all(entry.latest == entry.made_at for entry in series.read(rows, "a"))
    assert [entry.id for entry in series.read(rows, "b")] == ["r0", "r1", "r2"]


class _Nothing:
    """A place that has nothing, and keeps nothing."""

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        return {}

    def list(self, prefix: str, *, limit: int | None = None, after: str = "") -> list[str]:
        return []

    def put(self, rows: Mapping[str, Any]) -> None:
        raise AssertionError("it is not written")

    def delete(self, keys: Iterable[str]) -> None:
        raise AssertionError("nothing is deleted")


@pytest.mark.parametrize(
    "head",
    [
        *(None, "x", 7, [], [1], [1, []], [2, [["r", 1.0, 1.0]]], ["1", [["r", 1.0, 1.0]]], [1, "r"]),
        *([1, [["r", 1.0]]], [1, [["r", "x", 1.0]]], [1, [None]], [0, [["r", 1.0, 1.0]]]),
    ],
)
def test_a_head_of_another_form_is_damage(rows: SealedRows, head: object) -> None:
    """Whatever it is; and so is a chunk."""
    rows.put({series.name_head("a"): head})
    with pytest.raises(Damaged, match="a row is not as it was written"):
        series.count(rows, "a")
    with pytest.raises(Damaged, match="a row is not as it was written"):
        series.append(rows, ["a"], "r", 1.0)


def test_a_chunk_that_is_missing_or_none_is_damage(rows: SealedRows) -> None:
    """Read from either end."""
    _append(rows, CHUNK + 1)
    rows.put({each: [["r", 1.0, 1.0]] for each in rows.list("chunk:")})
    for read in (series.read, series.read_back):
        with pytest.raises(Damaged, match="a row is not as it was written"):
            list(read(rows, "a"))
    rows.delete(rows.list("chunk:"))
    for read in (series.read, series.read_back):
        with pytest.raises(Damaged, match="a row is missing"):
            list(read(rows, "a"))
