"""The table: as cliff draws it for a pipe, and never wider than a terminal."""

from __future__ import annotations

import argparse
import io
from typing import Any

import pytest
from cliff.formatters.table import TableFormatter
from hypothesis import given, settings
from hypothesis import strategies as st

from almajob.output.columns import Identifier, Length, Name, Sentence, Text, Time, WordList, YesNo
from almajob.output.table_format import Table
from almajob.output.table_layout import find_room
from almajob.text.display_width import measure_width
from tests.support.screens import Screen

LETTERS = st.characters(min_codepoint=32, max_codepoint=126) | st.sampled_from("\u4f5c\u696d\u00e9\u00fc\n")
WORDS = st.text(LETTERS, max_size=12)
CELLS = st.one_of(
    *(WORDS.map(Text), st.integers(-(10**6), 10**6), st.booleans().map(YesNo), st.none().map(Length), WORDS),
    st.lists(st.text("ab", min_size=1), max_size=3).map(WordList),
)


def _tables(cells: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[list[str], list[tuple[Any, ...]]]]:
    name = st.from_regex("[a-z_]{1,9}", fullmatch=True)
    return st.integers(1, 5).flatmap(
        lambda count: st.tuples(
            st.lists(name, min_size=count, max_size=count, unique=True),
            st.lists(st.tuples(*[cells] * count), min_size=1, max_size=6),
        )
    )


def _options(**given_: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"max_width": 0, "fit_width": False, "print_empty": True, **given_})


def _list(names: list[str], rows: list[Any], width: int = 0, **more: Any) -> str:
    written = io.StringIO()
    Table().emit_list(names, rows, written, _options(max_width=width, **more))
    return written.getvalue()


def _show(names: list[str], row: Any, width: int = 0) -> str:
    written = io.StringIO()
    Table().emit_one(names, row, written, _options(max_width=width))
    return written.getvalue()


@settings(max_examples=60)
@given(_tables(CELLS))
def test_without_a_terminal_a_table_is_that_of_cliff(table: tuple[list[str], list[tuple[Any, ...]]]) -> None:
    """Byte for byte, of several things and of one, with wide characters and several lines."""
    names, rows = table
    # As a command hands them over: what is no number has a form for people.
    shown = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    theirs = io.StringIO()
    TableFormatter().emit_list(names, shown, theirs, _options())
    assert _list(names, shown) == theirs.getvalue()
    theirs = io.StringIO()
    TableFormatter().emit_one(names, shown[0], theirs, _options())
    assert _show(names, shown[0]) == theirs.getvalue()


IDS = st.text("0123456789", min_size=16, max_size=16).map(Identifier)
WIDE = st.text(st.sampled_from("ab \u4f5c\u696d\u0301\U0001f600"), max_size=60)
TIMES = st.datetimes().map(lambda moment: Time(moment.astimezone()))
KINDS = st.one_of(
    *(IDS, TIMES, WIDE.map(Text), WIDE.map(Name), WIDE.map(Sentence), st.integers(0, 10**9)),
    st.lists(IDS.map(Identifier.machine_readable), max_size=4).map(WordList),
)
ROWS = st.lists(KINDS, min_size=1, max_size=7)


@settings(max_examples=150)
@given(ROWS, st.integers(20, 160))
def test_no_line_is_wider_than_it_may_be_and_no_id_is_broken(cells: list[Any], width: int) -> None:
    """Whatever the cells and however narrow; all lines have the same width, as a terminal counts."""
    names = [f"column_{number}" for number in range(len(cells))]
    for written in (_list(names, [cells], width), _show(names, cells, max(width, 35))):
        columns = max(width, 35) if "Field" in written else width
        screen = Screen(columns, written.replace("\n", "\r\n"))
        assert screen.list_too_wide() == []
        assert len({measure_width(line) for line in written.splitlines()}) == 1
    shown = _list(names, [cells], width)
    for name, cell in zip(names, cells, strict=True):
        if isinstance(cell, Identifier) and name in shown:
            assert cell.human_readable() in shown
    assert names[0][: find_room(width, 1)] in shown
    one = _show(names, cells, max(width, 35))
    assert all(cell.human_readable() in one for cell in cells if isinstance(cell, Identifier))


def test_names_lose_their_ends_and_sentences_none() -> None:
    """What is cut is marked; what has to be read goes on below itself."""
    rows = [[Identifier("95"), Text("Export of all titles"), Sentence("No such set. Name another one.")]]
    assert _list(["id", "name", "problem"], rows, 42).splitlines()[3:-1] == [
        "| 95 | Export of all\u2026  | No such set.    |",
        "|    |                 | Name another    |",
        "|    |                 | one.            |",
    ]


def test_columns_are_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """In the order that the command declares; and what to type to see them."""
    caplog.set_level("INFO", "almajob")
    rows = [[Identifier("a" * 10), Identifier("b" * 10), Identifier("c" * 10)]]
    shown = _list(["x", "y", "z"], rows, 30, least_needed=("y",)).splitlines()[1]
    assert shown.split() == ["|", "x", "|", "z", "|"]
    assert caplog.messages[-1] == "1 column left out; -c shows it, -f json has all."
    _list(["x", "y", "z"], rows, 20)
    assert caplog.messages[-1] == "2 columns left out; -c shows them, -f json has all."
    _list(["x", "y", "z"], rows, 20, columns=["x", "y", "z"])
    assert caplog.messages[-1] == "2 columns left out: the terminal is too narrow. -f json has all."
    _list(["x", "y", "z"], rows)
    assert len(caplog.messages) == 3


def test_an_encoding_without_the_ellipsis_gets_dots() -> None:
    """And spelled-out names, which have their width, too."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    Table().emit_list(["name"], [[Text("\u00fc" * 20)]], stream, _options(max_width=30))
    stream.flush()
    written = stream.buffer.getvalue().decode()
    assert {len(line) for line in written.splitlines()} == {30}
    assert "\\xfc\\xf... |" in written


def test_a_length_is_headed_by_what_it_is() -> None:
    """The key of programs names a unit, which words have not."""
    assert "| duration " in _list(["seconds"], [[Length(3400.0)]])
    assert "| duration | 56 min 40 s |" in _show(["seconds"], [Length(3400.0)])
    assert "| seconds " in _list(["seconds"], [[3400]])
