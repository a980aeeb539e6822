"""How a table fits into a terminal: which columns are shown, in which form, and how wide each is.

First texts give way: the words in brackets of a time, then the ends of names, then the seconds of a time.
Then whole columns are left out. What must be copied, such as an id, is whole or not there at all.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FORMS = 4
"""How many forms a cell may have, from the longest to the shortest."""
_FRAME = 3
"""What a column takes besides its text, and a table one more."""
_UTMOST = 6
"""What is left of a text in a column that was asked for."""
_STEPS = ((0, False), (1, False), (1, True), *((form, True) for form in range(2, FORMS)))
"""What is tried before a column is left out: a form of the cells, and whether texts give way."""


class Shape(enum.Enum):
    """What a cell does where it has too little room."""

    WHOLE = "stays as it is"
    CUT = "loses its end"
    WRAPPED = "goes on in the next line"


class Column(NamedTuple):
    """A column before its width is known.

    Attributes:
        widths: that it takes where nothing is cut or wrapped, for each form of its cells.
        shape: what its cells do where they have too little room.
        least: the width below which a column is left out rather than this one narrowed.
    """

    widths: tuple[int, ...]
    shape: Shape
    least: int


class Layout(NamedTuple):
    """A decision.

    Attributes:
        kept: the places of the columns that are shown.
        form: of their cells.
        widths: of the columns that are shown.
    """

    kept: tuple[int, ...]
    form: int
    widths: tuple[int, ...]


def lay_out(
    columns: Sequence[Column], room: int | None, leaving: Sequence[int], *, are_wanted: bool = False
) -> Layout:
    """Decide how a table fits.

    Args:
        room: how wide it may be; None where that does not matter.
        leaving: the places of columns that may be left out, in that order.
        are_wanted: whether a person asked for these columns: texts are narrowed to the utmost before one
            is left out.
    """
    kept = list(range(len(columns)))
    if room is None:
        return Layout(tuple(kept), 0, tuple(column.widths[0] for column in columns))
    if are_wanted:
        columns = [column._replace(least=min(column.least, _UTMOST)) for column in columns]
    for place in (None, *leaving):
        if place is not None:
            kept.remove(place)
        shown = [columns[each] for each in kept]
        for form, gives_way in _STEPS:
            widths = _fit(shown, form, room, gives_way=gives_way)
            if widths:
                return Layout(tuple(kept), form, widths)
    # Nothing more can be left out: what is whole elsewhere is broken here.
    return Layout(tuple(kept), FORMS - 1, _squeeze(shown, room))


def order_leaving(names: Sequence[str], least_needed: Sequence[str], are_empty: Sequence[bool]) -> list[int]:
    """Return the places of columns in the order in which they are left out: all but the first.

    Those without a value go before all others, those that are not named in ``least_needed`` last and from the
    right.
    """
    ranks = {name: rank for rank, name in enumerate(least_needed)}
    places = range(len(names) - 1, 0, -1)
    return sorted(places, key=lambda place: (not are_empty[place], ranks.get(names[place], len(ranks))))


def find_room(room: int, count: int) -> int:
    """Return what is left of a width for the texts of so many columns."""
    return room - _FRAME * count - 1


def _fit(columns: Sequence[Column], form: int, room: int, *, gives_way: bool) -> tuple[int, ...]:
    """Return the widths with which the columns fit; none where they do not."""
    wanted = [column.widths[form] for column in columns]
    least = [
        min(width, column.least) if gives_way and column.shape is not Shape.WHOLE else width
        for column, width in zip(columns, wanted, strict=True)
    ]
    spare = find_room(room, len(columns)) - sum(least)
    return tuple(_widen(least, wanted, spare)) if spare >= 0 else ()


def _widen(least: Sequence[int], wanted: Sequence[int], spare: int) -> Iterator[int]:
    """Share out what is left among those that want more; the widest are cut to the same width."""
    limit, room = max(wanted, default=0), sum(least) + spare
    while sum(map(max, least, (min(high, limit) for high in wanted))) > room:
        limit -= 1
    for low, high in zip(least, wanted, strict=True):
        yield max(low, min(high, limit))


def _squeeze(columns: Sequence[Column], room: int) -> tuple[int, ...]:
    """Return equal shares of the room, or less where less is wanted."""
    share = max(find_room(room, len(columns)) // len(columns), 1)
    return tuple(min(column.widths[-1], share) for column in columns)
