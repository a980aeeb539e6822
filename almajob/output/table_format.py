"""The table for people: drawn at once where that is simple, else by cliff."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from cliff.formatters.base import ListFormatter, SingleFormatter

from almajob.output.table_drawing import drawn, room

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
        simple = drawn(column_names, rows, _room(stdout, parsed_args))
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
        simple = drawn(("Field", "Value"), rows, _room(stdout, parsed_args), is_left=True)
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
