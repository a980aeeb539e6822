"""The table for people: drawn at once where that is simple, else by cliff.

cliff's own table needs the widths of all the world's characters, and reading them takes as long as everything
else that a list does. What is drawn here looks the same, which a test holds.
"""

from __future__ import annotations

import logging
import os
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from typing import TextIO

from cliff.formatters.base import ListFormatter, SingleFormatter

from almajob.output.formats import Names, Row, Rows, is_number, shown_text

LOG = logging.getLogger(__name__)

_LONGEST = 5
"""Digits that the width of a terminal may have."""


class Table(ListFormatter, SingleFormatter):
    """A table, as cliff draws it, and its options."""

    def add_argument_group(self, parser: ArgumentParser) -> None:
        group = parser.add_argument_group("table")
        group.add_argument(
            "--max-width",
            metavar="COLUMNS",
            type=_columns,
            default=_read_columns("CLIFF_MAX_TERM_WIDTH"),
            help="fold cells so that the table is no wider; default: as wide as the terminal, or what the "
            "variable CLIFF_MAX_TERM_WIDTH says",
        )
        group.add_argument(
            "--fit-width",
            action="store_true",
            default=bool(_read_columns("CLIFF_FIT_WIDTH")),
            help="fold cells to the width of the terminal also where stdout is none",
        )
        # What it asked for is done in any case.
        group.add_argument("--print-empty", action="store_true", help=SUPPRESS)

    def emit_list(self, column_names: Names, data: Rows, stdout: TextIO, parsed_args: Namespace) -> None:
        rows = list(data)
        drawn = draw_table(column_names, rows, find_room(stdout, parsed_args))
        if drawn is not None:
            stdout.write(f"{drawn}\n")
            return
        from cliff.formatters.table import TableFormatter

        parsed_args.print_empty = True
        TableFormatter().emit_list(column_names, rows, stdout, parsed_args)

    def emit_one(self, column_names: Names, data: Row, stdout: TextIO, parsed_args: Namespace) -> None:
        rows = list(zip(column_names, data, strict=True))
        drawn = draw_table(("Field", "Value"), rows, find_room(stdout, parsed_args), is_left=True)
        if drawn is not None:
            stdout.write(f"{drawn}\n")
            return
        from cliff.formatters.table import TableFormatter

        TableFormatter().emit_one(column_names, data, stdout, parsed_args)


def _columns(written: str) -> int:
    """Take a width; for ``type=``."""
    if not (written.isascii() and written.isdecimal() and len(written) <= _LONGEST):
        raise ArgumentTypeError("must be a number of columns")
    return int(written)


def _read_columns(variable: str) -> int:
    """Read one of cliff's variables; what is no number is none, and warned of."""
    try:
        return _columns(os.environ.get(variable, "0"))
    except ArgumentTypeError:
        LOG.warning("%s is not a whole number and is ignored.", variable)
        return 0


def find_room(stdout: TextIO, options: Namespace) -> int | None:
    """Return how wide a table may be, as cliff does; None where that does not matter."""
    if options.max_width > 0:
        return int(options.max_width)
    if options.fit_width or stdout.isatty():
        try:
            return os.get_terminal_size().columns
        except OSError:
            pass
    # cliff would look at sys.stdout, which is a terminal although the shell writes to a file.
    options.max_width = sys.maxsize
    return None


def draw_table(
    column_names: Names, rows: Sequence[Row], widest: int | None, *, is_left: bool = False
) -> str | None:
    """Draw a table; return None where it is not simple, or wider than it may be.

    Args:
        widest: None where its width does not matter.
        is_left: numbers stand to the left, too.
    """
    texts = [list(column_names), *([shown_text(cell) for cell in row] for row in rows)]
    if not rows or not all(text.isascii() and text.isprintable() for row in texts for text in row):
        return None
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    if widest is not None and sum(widths) + 3 * len(widths) + 1 > widest:
        return None
    # As cliff does, by the first row.
    justify = [str.rjust if is_number(cell) and not is_left else str.ljust for cell in rows[0]]
    line = f"+{'+'.join('-' * (width + 2) for width in widths)}+"
    header, *body = (
        f"| {' | '.join(put(text, width) for put, text, width in zip(justify, row, widths, strict=True))} |"
        for row in texts
    )
    return "\n".join([line, header, line, *body, line])
