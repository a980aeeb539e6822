"""CSV that a spreadsheet can open without running what stands in it."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Literal

from almajob.output.cell_values import is_number, machine, text
from almajob.output.stream_writer import OfSeveral, Row

# Spreadsheets take a cell that begins so for a formula, and a formula can start programs:
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]"
_NUMBER = r"[+-]?[0-9]+([.,][0-9]+)?"
# The numbers that the module csv has for them; it is imported when it is used.
_QUOTING: dict[str, Literal[0, 1, 2, 3]] = {"minimal": 0, "all": 1, "nonnumeric": 2, "none": 3}


class Csv(OfSeveral):
    """A header and a line for each row (RFC 4180)."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("CSV")
        group.add_argument(
            "--quote",
            choices=sorted(_QUOTING),
            dest="quote_mode",
            default="nonnumeric",
            help="which cells are quoted; default: %(default)s",
        )
        group.add_argument(
            "--csv-raw",
            action="store_true",
            help="leave cells as they are that a spreadsheet would take for formulas; "
            "otherwise an apostrophe is put before them",
        )

    def several(
        self, column_names: Sequence[str], rows: Iterable[Row], options: argparse.Namespace
    ) -> Iterator[str]:
        import csv

        writer = csv.writer(
            _Echo(),
            quoting=_QUOTING[options.quote_mode],
            lineterminator=os.linesep,
            # Only where nothing is quoted: a reader of RFC 4180 takes a backslash for one.
            escapechar="\\" if options.quote_mode == "none" else None,
        )
        for row in chain([column_names], rows):
            yield str(writer.writerow([_cell(value, is_raw=options.csv_raw) for value in row]))


class _Echo:
    """Return what is written to it: a row's text, from a library that only writes."""

    def write(self, written: str) -> str:
        return written


def _cell(value: Any, *, is_raw: bool) -> Any:
    plain = machine(value)
    if is_number(plain):
        return plain
    written = text(plain)
    return written if is_raw else guard_formula(written)


def guard_formula(written: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would take for a formula."""
    return f"'{written}" if re.match(_FORMULA, written) and not re.fullmatch(_NUMBER, written) else written
