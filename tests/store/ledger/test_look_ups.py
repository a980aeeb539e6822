"""Short lists of records: each stands where it is looked for, as it is now, and nowhere else."""

from __future__ import annotations

import pytest

from almajob.store.errors import Damaged
from almajob.store.ledger import look_ups
from almajob.store.ledger.look_ups import OPEN, of_candidate, of_instance, of_key, open_of_job
from almajob.store.ledger.record import Candidate, State
from almajob.store.ledger.sealed_rows import SealedRows
from tests.store.ledger.test_record import new
from tests.support.memory_place import MemoryPlace


def test_a_record_stands_where_it_is_looked_for() -> None:
    """By its key, while it is open by its job, with its run or what may be its run."""
    assert look_ups.name_look_ups(new()) == {of_key("k"), OPEN, open_of_job("S1")}
    started = new(State.ADOPTED, instance_id="7")
    assert look_ups.name_look_ups(started) == {of_key("k"), of_instance("7")}
    candidates = (Candidate("8", "x", "", ""), Candidate("9", "x", "", ""))
    doubtful = new(State.AMBIGUOUS, candidates=candidates)
    assert look_ups.name_look_ups(doubtful) == {
        *(of_key("k"), OPEN, open_of_job("S1"), of_candidate("8"), of_candidate("9")),
    }


def test_all_forms_of_a_run_key_are_one() -> None:
    """However it was typed; that of a period in whatever section."""
    assert of_key(" a  b ") == of_key("a b") != of_key("ab")
    one, other = (f"once-per-day:{name}:S1:0123456789:20261122" for name in ("sandbox", "lab"))
    assert of_key(one) == of_key(other)


def test_lists_of_like_names_are_different_ones() -> None:
    """A run key may be called like a run, or like a list."""
    names = [of_key("7"), of_instance("7"), of_candidate("7"), open_of_job("7"), OPEN, of_key("instance 7")]
    assert len({look_ups.name_row(name) for name in names}) == len(names)


def test_a_record_changes_its_lists() -> None:
    """The others stay as they are; what it stands in already it stands in once."""
    with MemoryPlace().change(0) as opened:
        rows = SealedRows(opened)
        look_ups.change(rows, "r1", frozenset(), frozenset({"a", "b"}))
        look_ups.change(rows, "r2", frozenset(), frozenset({"b", "c"}))
        assert look_ups.read(rows, ["a"]) == ["r1"]
        assert look_ups.read(rows, ["b"]) == ["r1", "r2"]
        assert look_ups.read(rows, ["c", "b", "none"]) == ["r2", "r1"]
        look_ups.change(rows, "r1", frozenset({"a", "b"}), frozenset({"b", "d"}))
        assert [look_ups.read(rows, [name]) for name in "abcd"] == [[], ["r1", "r2"], ["r2"], ["r1"]]
        look_ups.change(rows, "r1", frozenset(), frozenset({"d"}))
        assert look_ups.read(rows, ["d"]) == ["r1"]


def test_many_records_are_put_into_lists_at_once() -> None:
    """After those that are there."""
    with MemoryPlace().change(0) as opened:
        rows = SealedRows(opened)
        look_ups.extend(rows, {"a": ["r1"], "b": ["r2"]})
        look_ups.extend(rows, {"a": ["r3", "r4"], "c": []})
        assert [look_ups.read(rows, [name]) for name in "abc"] == [["r1", "r3", "r4"], ["r2"], []]


@pytest.mark.parametrize("raw", [None, "r1", 7, {"r1": 1}, [1], ["r1", None]])
def test_a_list_of_another_form_is_damage(raw: object) -> None:
    """Whatever it is."""
    with MemoryPlace().change(0) as opened:
        rows = SealedRows(opened)
        rows.put({look_ups.name_row("a"): raw})
        with pytest.raises(Damaged, match="a row is not as it was written"):
            look_ups.read(rows, ["a"])
