"""What the ledger knows at one moment: rows of another form are damage, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from almajob.store.errors import Damaged
from almajob.store.ledger import look_ups
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import Record, State, Transition
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.store.ledger.view import GAP, View, make_row, name_fact, name_record, name_stub
from tests.store.ledger.test_record import new
from tests.support.memory_place import MemoryPlace

ENDED = new(State.ADOPTED, id="ended")


@pytest.fixture
def rows() -> Iterator[SealedRows]:
    with MemoryPlace().change(0) as opened:
        yield SealedRows(opened)


def test_a_record_is_found_where_an_archive_left_something_of_it(rows: SealedRows) -> None:
    """And where it is not, there is no archive."""
    rows.put(make_row(ENDED, "/archive") | make_row(new(State.ADOPTED, id="here")))
    view = View(rows)
    assert view.find("ended") == ENDED
    assert view.find_archive("ended") == "/archive"
    assert (view.find_archive("here"), view.find_archive("none")) == ("", "")
    assert view.find("none") is None


@pytest.mark.parametrize("raw", ["x", [], {}, {"archive": "a"}, {"record": {}}])
def test_a_stub_of_another_form_is_damage(rows: SealedRows, raw: object) -> None:
    """Whatever it is."""
    rows.put({name_stub("r"): raw})
    with pytest.raises(Damaged):
        View(rows).find("r")
    with pytest.raises(Damaged):
        View(rows).find_archive("r")


@pytest.mark.parametrize("raw", [{}, {**ENDED.to_json(), "trail": []}])
def test_a_record_of_another_form_is_damage(rows: SealedRows, raw: object) -> None:
    """Also one whose states do not follow one another."""
    rows.put({name_record("r"): raw})
    with pytest.raises(Damaged, match="a record cannot be read"):
        View(rows).find("r")


@pytest.mark.parametrize("raw", ["x", [1], {"no": "gap"}, 7])
def test_a_gap_of_another_form_is_damage(rows: SealedRows, raw: object) -> None:
    """Whatever it is."""
    rows.put({name_fact(GAP): raw})
    with pytest.raises(Damaged, match="a fact is not as it was written"):
        View(rows).find_gap(1.0)


@pytest.mark.parametrize(("record", "opened"), [(ENDED, ["ended"]), (new(id="ended"), [])])
def test_a_record_of_another_time_than_the_list_of_the_open_ones_is_damage(
    rows: SealedRows, record: Record, opened: list[str]
) -> None:
    """One of the two was not written, or was put back."""
    rows.put(make_row(record) | {look_ups.name_row(look_ups.OPEN): opened})
    with pytest.raises(Damaged, match="older or newer than what belongs to it"):
        View(rows).find("ended")


def test_a_record_that_a_list_names_is_there(rows: SealedRows) -> None:
    """Or something is lost."""
    rows.put({look_ups.name_row(look_ups.of_key("k")): ["lost"]})
    with pytest.raises(Damaged, match="a record is missing"):
        View(rows).list_of_key("k")


def test_records_are_read_page_by_page() -> None:
    """Each goes on after the last one of that before it, until they are too old."""
    ledger = Ledger(MemoryPlace())
    for number in range(5):
        made_at = (Transition(State.PREPARED, float(number), "x"),)
        ledger.write(new(id=f"r{number}", run_key=f"k{number}", trail=made_at))
    last, pages = None, []
    with ledger.read() as view:
        while page := view.read_page(last, 2, since=1.0):
            pages.append([record.id for _number, record in page])
            last = (page[-1][0], page[-1][1].id)
        assert view.read_page(None, 2, environment="elsewhere") == []
    assert pages == [["r4", "r3"], ["r2", "r1"]]
