"""A table drawn at once where that is simple: text without accents or line breaks, and room enough.

cliff's own table needs the widths of all the world's characters, and reading them takes as long as everything
else that a list does. What is drawn here looks the same, which a test holds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from almajob.output.cell_values import human, is_number


def drawn(
    column_names: Sequence[str], rows: Sequence[Sequence[Any]], widest: int | None, *, is_left: bool = False
) -> str | None:
    """Draw a table.

    Args:
        column_names: the header.
        rows: cells in the order of the columns.
        widest: how wide it may be; None where that does not matter.
        is_left: numbers stand to the left, too.

    Returns:
        The table; None where it is not simple.
    """
    texts = [list(column_names), *([human(cell) for cell in row] for row in rows)]
    if not rows or not all(text.isascii() and text.isprintable() for row in texts for text in row):
        return None
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    if widest is not None and sum(widths) + 3 * len(widths) + 1 > widest:
        return None
    # As cliff does, by the first row.
    to_the_right = [not is_left and is_number(cell) for cell in rows[0]]
    line = f"+{'+'.join('-' * (width + 2) for width in widths)}+"
    header, *body = (_line(row, widths, to_the_right) for row in texts)
    return "\n".join([line, header, line, *body, line])


def _line(row: Sequence[str], widths: Sequence[int], to_the_right: Sequence[bool]) -> str:
    cells = (
        text.rjust(width) if is_right else text.ljust(width)
        for text, width, is_right in zip(row, widths, to_the_right, strict=True)
    )
    return f"| {' | '.join(cells)} |"


def room(max_width: int, *, fit_width: bool, is_terminal: bool) -> int | None:
    """Say how wide a table may be, as cliff does; None where that does not matter.

    Args:
        max_width: of ``--max-width``; 0 where it was not given.
        fit_width: ``--fit-width`` was given.
        is_terminal: stdout is one.
    """
    if max_width > 0:
        return max_width
    if not fit_width and not is_terminal:
        return None
    try:
        return os.get_terminal_size().columns
    except OSError:
        return None
