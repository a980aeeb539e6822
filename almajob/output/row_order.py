"""The order of rows: numbers and times by their size, texts without regard to case, what is missing last."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from almajob.output.columns import as_column
from almajob.output.formats import Row, is_number, plain_value

_DIGITS = 18
"""Of the longest number that is written as a text, as ids are."""


def sort_rows(rows: Iterable[Row], places: Sequence[int], *, descending: bool = False) -> list[Row]:
    """Sort rows by some of their cells, the first of which counts most; equal ones stay in their order.

    What is missing comes last, whatever the direction.
    """
    ordered = list(rows)
    for place in reversed(places):
        keyed = [(_sort_key(row[place]), row) for row in ordered]
        there = [(key, row) for key, row in keyed if key is not None]
        there.sort(key=lambda each: each[0], reverse=descending)
        ordered = [*(row for _key, row in there), *(row for key, row in keyed if key is None)]
    return ordered


def _sort_key(cell: Any) -> tuple[Any, ...] | None:
    """Return what a cell is compared by; None where it has no value."""
    value = plain_value(as_column(cell))
    if value is None or value == "":
        return None
    if is_number(value) or isinstance(value, bool):
        return 0, value
    if not isinstance(value, str):
        return 2, json.dumps(value, ensure_ascii=False).casefold()
    if value.isascii() and value.isdecimal() and len(value) <= _DIGITS:
        return 0, int(value)
    # Times are texts here, in a form whose order is that of time.
    return 1, value.casefold()
