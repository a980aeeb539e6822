"""Rows that notice damage: one that is gone, changed, moved or planted is refused, or harms nobody."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from almajob.store.errors import Damaged
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.sealed_rows import SealedRows
from tests.store.ledger.everything import COUNT, ask, fill
from tests.store.ledger.test_record import new
from tests.support.memory_place import MemoryPlace, Shared, Step
from tests.support.thoroughness import sample

Kept = dict[str, str]


@contextlib.contextmanager
def _opened(kept: Kept, steps: list[Step] | None = None) -> Iterator[SealedRows]:
    """Open rows; what is done in the block is kept."""
    place = MemoryPlace(Shared(kept), on_step=(steps if steps is not None else []).append)
    with place.change(0) as rows:
        yield SealedRows(rows)
    kept |= place.shared.rows
    for key in kept.keys() - place.shared.rows.keys():
        del kept[key]


@pytest.fixture
def kept() -> Kept:
    """A record and a fact."""
    made: Kept = {}
    with _opened(made) as rows:
        rows.put({"record:r1": {"x": 1}, "fact:a": [1, "ä"], "fact:b": None})
        rows.flush()
    return made


def test_a_value_is_read_as_it_was_put(kept: Kept) -> None:
    """By the key that it was put under; what others name is there once, what nobody names twice."""
    with _opened(kept) as rows:
        assert rows.get(["record:r1", "fact:a", "fact:b", "fact:c"]) == {
            "record:r1": {"x": 1},
            "fact:a": [1, "ä"],
            "fact:b": None,
        }
        assert rows.list("fact:") == ["fact:a", "fact:b"]
        assert rows.list("fact:", limit=1) == ["fact:a"]
        assert rows.list("record:") == ["record:r1"]
        assert rows.list("other:") == []
    assert len(kept) == 5
    # As almajobs that are out there wrote it.
    assert "2:record:r1:338f5748" in kept
    assert {key.rpartition(":")[0] for key in kept} >= {"2:fact:a", "2:~fact:a"}


def test_what_is_put_is_read_at_once_and_written_at_the_end(kept: Kept) -> None:
    """A place may be far away: what is known is not asked again, and what is the same not written."""
    steps: list[Step] = []
    with _opened(kept, steps) as rows:
        rows.get(["fact:a", "fact:c"])
        rows.put({"fact:a": 2, "fact:b": 3})
        assert rows.get(["fact:a", "fact:b", "fact:c"]) == {"fact:a": 2, "fact:b": 3}
        rows.put({"fact:b": 4})
        rows.flush()
        rows.put({"fact:a": 2})
        rows.flush()
    assert steps == [Step.CHANGE, Step.GET, Step.PUT, Step.COMMIT, Step.COMMITTED]
    with _opened(kept) as rows:
        assert rows.get(["fact:a", "fact:b"]) == {"fact:a": 2, "fact:b": 4}


def test_what_was_read_is_forgotten(kept: Kept) -> None:
    """Then it is asked again; what was put before is written."""
    steps: list[Step] = []
    with _opened(kept, steps) as rows:
        rows.get(["fact:a"])
        rows.put({"fact:b": 3})
        rows.forget()
        assert rows.get(["fact:a", "fact:b"]) == {"fact:a": [1, "ä"], "fact:b": 3}
    assert steps[1:4] == [Step.GET, Step.PUT, Step.GET]


def test_what_is_deleted_is_gone_with_both_its_rows(kept: Kept) -> None:
    """Also when it was put just before; and what is put is listed before it is written."""
    with _opened(kept) as rows:
        rows.put({"fact:c": 1, "fact:d": 1})
        rows.delete(["fact:a", "fact:c", "fact:none"])
        assert rows.get(["fact:a", "fact:c"]) == {}
        rows.put({"fact:e": 1})
        assert rows.list("fact:") == ["fact:b", "fact:d", "fact:e"]
    assert len(kept) == 1 + 3 * 2


def _seal(key: str, value: Any) -> Kept:
    """Return the rows of one key, with the right checks."""
    made: Kept = {}
    with _opened(made) as rows:
        rows.put({key: value})
        rows.flush()
    return made


@pytest.mark.parametrize("part", ["2:fact:a", "2:~fact:a"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        "x",
        ["value"],
        {},
        {"value": [1, "ä"]},
        {"value": [1, "ä"], "sum": "0" * 64},
        {"value": [1, "ä"], "sum": "f" * 64},
    ],
)
def test_a_value_that_is_not_as_it_was_sealed_is_damage(kept: Kept, part: str, value: Any) -> None:
    """Another value, or another check, of either row."""
    key = next(key for key in kept if key.startswith(f"{part}:"))
    kept[key] = json.dumps(value)
    with _opened(kept) as rows, pytest.raises(Damaged, match="a record is not as it was written"):
        rows.get(["fact:a"])


def test_a_row_of_another_key_or_another_time_is_damage(kept: Kept) -> None:
    """The rows of two keys changed places; one of two rows is older than the other, or gone."""
    ours = [key for key in kept if key.endswith("fact:a", 0, -9)]
    other = next(key for key in kept if key.endswith("fact:b", 0, -9))
    swapped = {**kept, ours[0]: kept[other]}
    with _opened(swapped) as rows, pytest.raises(Damaged, match="not as it was written"):
        rows.get(["fact:a"])
    older = {**kept, ours[1]: _seal("fact:a", "old")[ours[1]]}
    with _opened(older) as rows, pytest.raises(Damaged, match="is missing or differs: fact:a"):
        rows.get(["fact:a"])
    for key in ours:
        lacking = {name: value for name, value in kept.items() if name != key}
        with _opened(lacking) as rows, pytest.raises(Damaged, match="is missing or differs: fact:a"):
            rows.get(["fact:b", "fact:a"])
        with _opened(lacking) as rows, pytest.raises(Damaged, match="is missing: fact:"):
            rows.list("fact:")


@pytest.mark.parametrize("check", ["00000000", "ffffffff", ""])
def test_a_key_with_another_check_is_damage(kept: Kept, check: str) -> None:
    """Whether it is less or more."""
    kept[f"2:fact:a:{check}"] = "1"
    with _opened(kept) as rows, pytest.raises(Damaged, match="one of its keys is not as it was written"):
        rows.list("fact:")


def _delete(kept: Kept, key: str) -> None:
    del kept[key]


def _spoil(kept: Kept, key: str) -> None:
    kept[key] = kept[key].replace("a", "b", 1)


def _rename(kept: Kept, key: str) -> None:
    kept[f"{key[:-9]}x{key[-9:]}"] = kept.pop(key)


def _empty(kept: Kept, key: str) -> None:
    kept[key] = json.dumps({**json.loads(kept[key]), "value": None})


def _age(kept: Kept, key: str) -> None:
    """Put back what the row was two starts before, as a write that never reached the disk leaves it."""
    kept[key] = _early()[key] if key in _early() else kept[key]


def _early() -> Kept:
    if not _EARLY:
        place = MemoryPlace()
        fill(Ledger(place), COUNT - 2)
        _EARLY.update(place.shared.rows)
    return _EARLY


_EARLY: Kept = {}


@pytest.mark.parametrize("damage", [_delete, _spoil, _rename, _empty, _age])
def test_whatever_happens_to_any_one_row_nothing_is_lost_in_silence(
    damage: Callable[[Kept, str], None],
) -> None:
    """Each question that a start asks has the right answer, or is refused; and so is the next start."""
    place = MemoryPlace()
    fill(Ledger(place))
    with Ledger(place).read() as view:
        answers = ask(view)
    whole = dict(place.shared.rows)
    noticed = 0
    for key in sample(sorted(whole)):
        place.shared.rows = dict(whole)
        damage(place.shared.rows, key)
        try:
            with Ledger(place).read() as view:
                assert ask(view) == answers, key
        except LedgerUnusable:
            noticed += 1
    assert noticed > len(sample(sorted(whole))) * (0.02 if damage is _age else 0.9)


def test_rows_that_change_places_are_noticed() -> None:
    """Any two neighbours, in the order of their keys."""
    place = MemoryPlace()
    fill(Ledger(place))
    whole = dict(place.shared.rows)
    for one, other in sample(list(itertools.pairwise(sorted(whole)))):
        place.shared.rows = {**whole, one: whole[other], other: whole[one]}
        with pytest.raises(LedgerUnusable), Ledger(place).read() as view:
            ask(view)


def test_planted_rows_are_not_there() -> None:
    """A record, an entry or a list with the right checks that nothing names, and text that is nothing."""
    place = MemoryPlace()
    fill(Ledger(place))
    with Ledger(place).read() as view:
        answers = ask(view)
    record = new(id="planted").to_json()
    for key, value in (("record:planted", record), ("ids:0", ["planted"]), ("chunk:0:1", []), ("x:", 0)):
        place.shared.rows |= _seal(key, value)
    place.shared.rows |= {"2:record:planted too": "{}", "1": "[]", "": "null"}
    with Ledger(place).read() as view:
        assert ask(view) == answers
