"""Whatever is missing, altered or too much in a ledger is found by an audit, and named."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.store.upkeep.archive import archive
from almajob.store.upkeep.audit import Audit, audit, describe
from tests.store.ledger.everything import COUNT, fill
from tests.support.memory_place import MemoryPlace
from tests.support.thoroughness import sample


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> MemoryPlace:
    """A ledger with all that one can hold, archived records as well."""
    place = MemoryPlace()
    fill(Ledger(place))
    archive(place, 20.0, tmp_path_factory.mktemp("archives") / "file", made="2026-11-29T12:00:00.000Z")
    return place


def _find(place: MemoryPlace, rows: dict[str, str]) -> Audit:
    kept = place.shared.rows
    place.shared.rows = rows
    try:
        return audit(place)
    finally:
        place.shared.rows = kept


def _put(place: MemoryPlace, key: str, value: object) -> dict[str, str]:
    """Return the rows as they would be with one more, or another, that is whole."""
    kept = dict(place.shared.rows)
    with place.change(1) as rows:
        sealed = SealedRows(rows)
        sealed.put({key: value})
        sealed.flush()
    changed, place.shared.rows = place.shared.rows, kept
    return changed


def _alter(text: str) -> Iterator[str]:
    """Alter a row, with a check that is right and with one that is not."""
    document = json.loads(text)
    yield json.dumps({**document, "value": "something else"})
    yield json.dumps({"value": document["value"], "sum": "0"})
    yield json.dumps("nothing")


def test_a_sound_ledger_has_no_problems(place: MemoryPlace) -> None:
    """And all of it was read."""
    found = audit(place)
    assert (found.problems, found.count, found.rows) == ([], 0, len(place.shared.rows))
    assert found.records + found.archived == COUNT
    assert found.facts == 2


def test_each_row_that_is_missing_or_altered_is_noticed(place: MemoryPlace) -> None:
    """Whichever it is, in words that name it or what lacks it."""
    rows = place.shared.rows
    unnoticed = []
    for key in sample(sorted(rows)):
        without = {other: value for other, value in rows.items() if other != key}
        unnoticed += [] if _find(place, without).count else [f"missing: {key}"]
        for text in _alter(rows[key]):
            unnoticed += [] if _find(place, {**rows, key: text}).count else [f"altered: {key}"]
    assert unnoticed == []


@pytest.mark.parametrize("key", ["record:x", "stub:x", "known:x", f"chunk:{20 * '0'}:00000001"])
def test_what_nothing_names_is_noticed(place: MemoryPlace, key: str) -> None:
    """Rows that are whole, and belong to nothing."""
    group = key.partition(":")[0]
    found = _find(place, _put(place, key, True))
    assert found.problems == [f"1 rows of the kind {group!r} are there that nothing names"]


def test_what_almajob_did_not_write_is_noticed(place: MemoryPlace) -> None:
    """Of a kind that it does not know, or without a check."""
    found = _find(place, _put(place, "odd:x", True))
    assert found.problems == ["1 rows of the kind 'odd' are of no kind that almajob writes"]
    found = _find(place, {**place.shared.rows, "2:x": "1"})
    assert found.problems == ["a row has a key that almajob did not write: '2:x'"]


def test_a_list_with_one_too_many_is_noticed(place: MemoryPlace) -> None:
    """One that no look-up would notice."""
    key = next(each for each in place.shared.rows if each.startswith("2:ids:"))
    name = key.removeprefix("2:").rpartition(":")[0]
    with place.read(1) as rows:
        listed = SealedRows(rows).get([name])[name]
    assert _find(place, _put(place, name, [*listed, "r999"])).count


def test_the_first_problems_are_told() -> None:
    """And how many more there are."""
    assert describe(["a row is missing", "x", "y", "z"], 70) == "A row is missing. X. Y. And 67 more."
    assert describe([], 0) == ""
