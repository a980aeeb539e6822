"""The table for people: drawn at once where that is simple, else by cliff.

cliff's own table needs the widths of all the world's characters, and reading them takes as long as everything
else that a list does. What is drawn here looks the same, which a test holds.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from cliff.formatters.base import ListFormatter, SingleFormatter

from almajob.output.cell_values import human, is_number

LOG = logging.getLogger(__name__)

_LONGEST = 5
"""Digits that the width of a terminal may have."""


class Table(ListFormatter, SingleFormatter):
    """A table, as cliff draws it, and its options."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("table")
        group.add_argument(
            "--max-width",
            metavar="COLUMNS",
            type=_columns,
            default=_whole_number("CLIFF_MAX_TERM_WIDTH"),
            help="fold cells so that the table is no wider; default: as wide as the terminal, or what the "
            "variable CLIFF_MAX_TERM_WIDTH says",
        )
        group.add_argument(
            "--fit-width",
            action="store_true",
            default=bool(_whole_number("CLIFF_FIT_WIDTH")),
            help="fold cells to the width of the terminal also where stdout is none",
        )
        # What it asked for is done in any case.
        group.add_argument("--print-empty", action="store_true", help=argparse.SUPPRESS)

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        rows = list(data)
        simple = draw_table(column_names, rows, _room(stdout, parsed_args))
        if simple is not None:
            stdout.write(f"{simple}\n")
            return
        from cliff.formatters.table import TableFormatter

        parsed_args.print_empty = True
        TableFormatter().emit_list(column_names, rows, stdout, parsed_args)

    def emit_one(
        self,
        column_names: Sequence[str],
        data: Sequence[Any],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        rows = list(zip(column_names, data, strict=True))
        simple = draw_table(("Field", "Value"), rows, _room(stdout, parsed_args), is_left=True)
        if simple is not None:
            stdout.write(f"{simple}\n")
            return
        from cliff.formatters.table import TableFormatter

        TableFormatter().emit_one(column_names, data, stdout, parsed_args)


def _room(stdout: TextIO, parsed_args: argparse.Namespace) -> int | None:
    found = room(parsed_args.max_width, fit_width=parsed_args.fit_width, is_terminal=stdout.isatty())
    if found is None:
        # cliff would look at sys.stdout, which is a terminal although the shell writes to a file.
        parsed_args.max_width = sys.maxsize
    return found


def _columns(written: str) -> int:
    """Take a width; for ``type=``."""
    if not _is_width(written):
        raise argparse.ArgumentTypeError("must be a number of columns")
    return int(written)


def _whole_number(variable: str) -> int:
    """Read one of cliff's variables; what is no number is none, and warned of."""
    said = os.environ.get(variable, "0")
    if _is_width(said):
        return int(said)
    LOG.warning("%s is not a whole number and is ignored.", variable)
    return 0


def _is_width(written: str) -> bool:
    return written.isascii() and written.isdecimal() and len(written) <= _LONGEST


def draw_table(
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
    """Return how wide a table may be, as cliff does; None where that does not matter.

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
