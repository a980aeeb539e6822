"""Which columns of a table are shown, in which form, and how wide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.output.table_layout import FORMS, Column, Layout, Shape, find_room, lay_out, order_leaving


def _whole(*widths: int) -> Column:
    return Column(widths * FORMS if len(widths) == 1 else widths, Shape.WHOLE, 0)


def _text(width: int, least: int = 12) -> Column:
    return Column((width,) * FORMS, Shape.CUT, least)


ID, TIME, NAME = _whole(16), _whole(37, 25, 22, 16), _text(60)
COLUMNS = st.builds(
    Column,
    st.lists(st.integers(0, 60), min_size=FORMS, max_size=FORMS).map(lambda all_: tuple(sorted(all_)[::-1])),
    st.sampled_from(Shape),
    st.integers(1, 30),
)


@pytest.mark.parametrize(
    ("room", "layout"),
    [
        # Without a terminal, and where there is room for all: as it is.
        (None, Layout((0, 1, 2), 0, (16, 60, 37))),
        (123, Layout((0, 1, 2), 0, (16, 60, 37))),
        # How long ago a time was goes first, then the end of the name, then the seconds, then the offset.
        (122, Layout((0, 1, 2), 1, (16, 60, 25))),
        (110, Layout((0, 1, 2), 1, (16, 59, 25))),
        (63, Layout((0, 1, 2), 1, (16, 12, 25))),
        (62, Layout((0, 1, 2), 2, (16, 14, 22))),
        (59, Layout((0, 1, 2), 3, (16, 17, 16))),
        # Then whole columns, and what is left has their room.
        (53, Layout((0, 1), 1, (16, 30))),
        (34, Layout((0,), 0, (16,))),
        (20, Layout((0,), 0, (16,))),
        # What has no room alone is broken: nothing of it is lost.
        (19, Layout((0,), 3, (15,))),
        (1, Layout((0,), 3, (1,))),
    ],
)
def test_a_table_gives_way_step_by_step(room: int | None, layout: Layout) -> None:
    """To the column."""
    assert lay_out([ID, NAME, TIME], room, [2, 1]) == layout


def test_what_was_asked_for_is_narrowed_to_the_utmost() -> None:
    """Before a column of it is left out."""
    assert lay_out([ID, NAME, TIME], 50, [2, 1]).kept == (0, 1)
    assert lay_out([ID, NAME, TIME], 50, [2, 1], are_wanted=True) == Layout((0, 1, 2), 3, (16, 8, 16))


def test_columns_are_left_out_by_their_importance() -> None:
    """First those without a value, then as they are named, then from the right; never the first."""
    order = order_leaving(["a", "b", "c", "d", "e"], ["a", "d", "b"], [True, False, True, False, False])
    assert order == [2, 3, 1, 4]


@given(st.lists(COLUMNS, min_size=1, max_size=8), st.integers(1, 200), st.booleans())
def test_whatever_the_columns_they_fit(columns: list[Column], room: int, wanted: bool) -> None:
    """What must be whole is, as long as it fits alone; no room is wasted, and more of it shows no less."""
    leaving = order_leaving([""] * len(columns), [], [False] * len(columns))
    layout = lay_out(columns, room, leaving, are_wanted=wanted)
    shown = [columns[place] for place in layout.kept]
    assert layout.kept[0] == 0
    widest = [column.widths[layout.form] for column in shown]
    assert all(width <= most for width, most in zip(layout.widths, widest, strict=True))
    if find_room(room, 1) >= max(columns[0].widths):
        assert sum(layout.widths) <= find_room(room, len(shown))
        for column, width in zip(shown, layout.widths, strict=True):
            assert width == column.widths[layout.form] or column.shape is not Shape.WHOLE
    more = lay_out(columns, room + 1, leaving, are_wanted=wanted)
    assert len(more.kept) >= len(layout.kept)
