"""The simple table: the same as cliff's, without what cliff loads for it."""

from __future__ import annotations

import argparse
import io
from typing import Any

import pytest
from cliff.formatters.table import TableFormatter
from hypothesis import given, settings
from hypothesis import strategies as st

from almajob.output import table_format
from almajob.output.columns import Length, Text, YesNo
from almajob.output.table_format import Table

WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
CELLS = st.one_of(
    WORDS.map(Text), st.integers(-(10**6), 10**6), st.booleans().map(YesNo), st.none().map(Length), WORDS
)
TABLES = st.integers(1, 5).flatmap(
    lambda count: st.tuples(
        st.lists(st.from_regex("[a-z_]{1,9}", fullmatch=True), min_size=count, max_size=count, unique=True),
        st.lists(st.tuples(*[CELLS] * count), min_size=1, max_size=6),
    )
)


def _options(**given_: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"max_width": 0, "fit_width": False, "print_empty": True, **given_})


@settings(max_examples=40)
@given(TABLES)
def test_a_simple_table_is_that_of_cliff(table: tuple[list[str], list[tuple[Any, ...]]]) -> None:
    """Byte for byte, of several things and of one."""
    names, rows = table
    theirs = io.StringIO()
    TableFormatter().emit_list(names, rows, theirs, _options())
    assert f"{table_format.draw_table(names, rows, None)}\n" == theirs.getvalue()
    theirs = io.StringIO()
    TableFormatter().emit_one(names, rows[0], theirs, _options())
    one = list(zip(names, rows[0], strict=True))
    assert f"{table_format.draw_table(('Field', 'Value'), one, None, is_left=True)}\n" == theirs.getvalue()


@pytest.mark.parametrize("text", ["\u4f5c", "e\u0301", "a\nb", "\t", "\x1b"])
def test_what_is_not_simple_is_left_to_cliff(text: str) -> None:
    """Wide characters, several lines, and what cannot be seen."""
    assert table_format.draw_table(["a"], [[text]], None) is None
    written = io.StringIO()
    Table().emit_list(["a"], [[Text(text)]], written, _options())
    assert len(written.getvalue().splitlines()) >= 5


def test_a_table_that_is_too_wide_is_left_to_cliff() -> None:
    """To the column: cliff folds its cells."""
    cell = ["x" * 46]
    assert table_format.draw_table(["a"], [cell], 50) is not None
    assert table_format.draw_table(["a"], [cell], 49) is None
    written = io.StringIO()
    Table().emit_list(["a"], [cell], written, _options(max_width=49))
    assert max(map(len, written.getvalue().splitlines())) <= 49
