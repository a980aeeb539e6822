"""The order of rows: by what the values are, and not by how they are written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.job_instances import Counter
from almajob.alma.models import Code
from almajob.output.columns import Counters, Fields, Identifier, Length, Progress, Text, Time, WordList, YesNo
from almajob.output.row_order import sort_rows

MOMENT = datetime(2026, 11, 22, tzinfo=UTC)
COUNTED = (Counter(Code("a", "A"), "1"),)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (Text("Export Physical items"), Text("Export Physical items labels")),
        (Text("clean pda"), Text("Users SYNCHRONIZE")),
        (Text("gift"), Text("Gift two")),
        (Text("\u00e9"), Text("\u00c9a")),
        (Identifier("9563643080000561"), Identifier("19563643080000561")),
        (9, 10),
        (9.5, 10),
        (Length(3.5), Length(20.0)),
        (Progress(9.0), Progress(101.3)),
        (Time(MOMENT), Time(MOMENT.replace(year=2027))),
        (Time("2025-10-05Z"), Time(MOMENT)),
        (MOMENT, MOMENT.replace(hour=1)),
        (YesNo(False), YesNo(True)),
        (WordList(("1", "2")), WordList(("1", "3"))),
        (Counters(()), Counters(COUNTED)),
        (Fields({"a": 1}), Fields({"b": 1})),
        # What is of two kinds has an order, too: nothing is too odd to be sorted.
        (5, Text("a")),
        (Text("a"), WordList(("a",))),
    ],
)
def test_values_have_an_order(less: Any, more: Any) -> None:
    """Texts without regard to case, numbers and times by their size; downwards the other way round."""
    rows = [[more], [less]]
    assert sort_rows(rows, [0]) == [[less], [more]]
    assert sort_rows(rows, [0], descending=True) == [[more], [less]]


@pytest.mark.parametrize("missing", [None, Time(None), Length(None), YesNo(None), Text(""), Progress(None)])
@pytest.mark.parametrize("descending", [False, True])
def test_what_is_missing_comes_last(missing: Any, descending: bool) -> None:
    """Whatever the direction."""
    rows = [[missing, 1], [Text("a"), 2], [missing, 3]]
    assert [row[1] for row in sort_rows(rows, [0], descending=descending)] == [2, 1, 3]


CELLS = st.one_of(
    *(st.none(), st.integers(-3, 3), st.booleans(), st.sampled_from(["", "a", "A", "b", "B", "10", "9"])),
    st.sampled_from(["", "a", "A", "b"]).map(Text),
)
ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=12)


@given(ROWS, st.booleans())
def test_sorting_keeps_all_rows_and_their_order_where_they_are_equal(
    rows: list[tuple[Any, Any]], descending: bool
) -> None:
    """Nothing is lost, a second time changes nothing, and equal ones stay as they came."""
    numbered = [(*row, number) for number, row in enumerate(rows)]
    once = sort_rows(numbered, [0, 1], descending=descending)
    assert sorted(row[2] for row in once) == list(range(len(rows)))
    assert sort_rows(once, [0, 1], descending=descending) == once
    same = sort_rows([("x", "X", number) for number in range(5)], [0, 1], descending=descending)
    assert [row[2] for row in same] == list(range(5))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))))
def test_the_first_column_counts_most(rows: list[tuple[int, int]]) -> None:
    """As Python sorts tuples."""
    assert sort_rows(rows, [0, 1]) == sorted(rows)
    assert sort_rows(rows, [1, 0], descending=True) == sorted(rows, key=lambda row: row[::-1], reverse=True)
