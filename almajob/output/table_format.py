"""The table for people: as wide as its text for a file or a pipe, never wider than a terminal.

cliff's own needs a library with the widths of all the world's characters, and reading them takes as long as
everything else that a list does. What is drawn here for a pipe looks the same, which a test holds.
"""

from __future__ import annotations

import logging
import os
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import islice, repeat, zip_longest
from typing import Any, NamedTuple, TextIO

from cliff.formatters.base import ListFormatter, SingleFormatter

from almajob.output.columns import Cell, Tone, as_column
from almajob.output.formats import OUTPUT_OPTIONS, Names, Row, Rows, is_number, shown_text
from almajob.output.plain_values import ByClass
from almajob.output.table_layout import FORMS, Column, Layout, Shape, find_room, lay_out, order_leaving
from almajob.system.terminal import find_width, in_colour
from almajob.text.display_width import ELLIPSIS, measure_width, shorten_text, wrap_text
from almajob.text.redaction import redact_lines
from almajob.text.sanitize import is_simple, sanitize

LOG = logging.getLogger(__name__)

_AT_ONCE = 500
"""Lines that are written at once."""
_LONGEST = 5
"""Digits that the width of a terminal may have."""
_COLOURS = {Tone.GOOD: "32", Tone.WARNING: "33", Tone.BAD: "31", Tone.RUNNING: "36"}

_IS_CELL = ByClass(lambda kind: issubclass(kind, Cell))
_HAS_TONE = ByClass(lambda kind: issubclass(kind, Cell) and kind.tone is not Cell.tone)

Spell = Callable[[str], str]
"""Makes a text one that can be written to a stream, and obeyed by no terminal."""


class _Texts(NamedTuple):
    """A column of texts.

    Attributes:
        forms: of each cell, from the longest to the shortest.
        tones: of each cell.
    """

    heading: str
    forms: Sequence[tuple[str, ...]]
    tones: Sequence[Tone | None]
    shape: Shape
    least: int
    is_right: bool


class Table(ListFormatter, SingleFormatter):
    """A table and its options, which are those of cliff's."""

    def add_argument_group(self, parser: ArgumentParser) -> None:
        group = parser.add_argument_group(OUTPUT_OPTIONS)
        group.add_argument(
            "--max-width",
            metavar="COLUMNS",
            type=_columns,
            default=_read_columns("CLIFF_MAX_TERM_WIDTH"),
            help="table: the widest that it may be (default: the terminal's width, or CLIFF_MAX_TERM_WIDTH)",
        )
        group.add_argument(
            "--fit-width",
            action="store_true",
            default=bool(_read_columns("CLIFF_FIT_WIDTH")),
            help="table: fit the terminal's width even when stdout is not a terminal",
        )
        group.add_argument("--print-empty", action="store_true", help=SUPPRESS)

    def emit_list(self, column_names: Names, data: Rows, stdout: TextIO, parsed_args: Namespace) -> None:
        rows = list(data)
        if not rows and not parsed_args.print_empty:
            return
        spell = _make_speller(stdout)
        columns = [
            _read_column(name, [row[place] for row in rows], spell) for place, name in enumerate(column_names)
        ]
        are_wanted = bool(getattr(parsed_args, "columns", ()))
        least_needed = () if are_wanted else getattr(parsed_args, "least_needed", ())
        are_empty = [not any(each[0] for each in column.forms) for column in columns]
        layout = lay_out(
            list(map(_measure, columns)),
            _find_room(stdout, parsed_args),
            order_leaving([name.lower() for name in column_names], least_needed, are_empty),
            are_wanted=are_wanted,
        )
        lines = _draw(columns, layout, stdout, spell)
        # A terminal would get each line by itself.
        while block := "".join(islice(lines, _AT_ONCE)):
            stdout.write(block)
        _tell_left_out(len(columns) - len(layout.kept), are_wanted=are_wanted)

    def emit_one(self, column_names: Names, data: Row, stdout: TextIO, parsed_args: Namespace) -> None:
        spell, room = _make_speller(stdout), _find_room(stdout, parsed_args)
        cells = list(map(as_column, data))
        headings = [spell(_heading(name, cell)) for name, cell in zip(column_names, cells, strict=True)]
        values_room = None if room is None else find_room(room, 2) - max(map(measure_width, headings))
        all_forms = _redact_forms([_forms(cell, spell) for cell in cells])
        forms = [(_choose_form(each, values_room),) for each in all_forms]
        columns = [
            _Texts("Field", [(each,) for each in headings], [None] * len(cells), Shape.WHOLE, 0, False),
            _Texts("Value", forms, list(map(_tone, cells)), Shape.WRAPPED, 1, False),
        ]
        layout = lay_out(list(map(_measure, columns)), room, ())
        stdout.writelines(_draw(columns, layout, stdout, spell))


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


def _find_room(stdout: TextIO, options: Namespace) -> int | None:
    """Return how wide a table may be; None where that does not matter."""
    if options.max_width > 0:
        return int(options.max_width)
    return find_width(stdout, *((sys.stderr, sys.stdin) if options.fit_width else ()))


def _make_speller(stdout: TextIO) -> Spell:
    """Return what spells out control characters, and what the stream's encoding has not."""
    encoding = getattr(stdout, "encoding", None) or "utf-8"
    if encoding.lower().replace("-", "") == "utf8":
        return partial(sanitize, keep="\n")
    return lambda text: sanitize(text, keep="\n").encode(encoding, "backslashreplace").decode(encoding)


def _read_column(name: str, values: Sequence[Any], spell: Spell) -> _Texts:
    """Read a column; it gives way only where all of its cells do, but for those without a text."""
    # The same value may be in many rows: it is looked at once.
    ids = list(map(id, values))
    distinct = dict(zip(ids, values, strict=True))
    cells = list(map(as_column, distinct.values()))
    forms = _redact_forms([_forms(cell, spell) for cell in cells])
    tones = list(map(_tone, cells))
    filled = [cell for cell, texts in zip(cells, forms, strict=True) if texts[0]]
    ours = [cell for cell in filled if _IS_CELL[type(cell)]]
    shapes = {cell.shape for cell in ours} | ({Shape.WHOLE} if len(ours) < len(filled) else set())
    order = (Shape.WHOLE, Shape.WRAPPED, Shape.CUT)
    return _Texts(
        spell(_heading(name, cells[0]) if cells else name),
        _repeat(forms, distinct, ids),
        _repeat(tones, distinct, ids),
        next((shape for shape in order if shape in shapes), Shape.WHOLE),
        max([cell.least for cell in ours], default=0),
        # As cliff does, by the first row.
        is_right=bool(cells) and is_number(cells[0]),
    )


def _repeat(found: list[Any], distinct: Collection[int], ids: Sequence[int]) -> list[Any]:
    """Return for each value what was found for it, where that was done once for each that is distinct."""
    if len(distinct) == len(ids):
        return found
    return list(map(dict(zip(distinct, found, strict=True)).__getitem__, ids))


def _forms(cell: Any, spell: Spell) -> tuple[str, ...]:
    forms: tuple[str, ...] = cell.forms() if _IS_CELL[type(cell)] else (shown_text(cell),)
    # Most are of one form, in which nothing is to be spelled.
    return forms if len(forms) == 1 and is_simple(forms[0]) else tuple(map(spell, forms))


def _redact_forms(forms: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Blank out keys in the forms of many cells, before any is cut: the half of a key would not be found."""
    longest = "\n".join(each[0] for each in forms)
    if redact_lines(longest) == longest:
        return forms
    return [tuple(map(redact_lines, each)) for each in forms]


def _tone(cell: Any) -> Tone | None:
    return cell.tone if _HAS_TONE[type(cell)] else None


def _heading(name: str, cell: Any) -> str:
    return cell.headings.get(name, name) if isinstance(cell, Cell) else name


def _choose_form(forms: tuple[str, ...], room: int | None) -> str:
    """Return the longest form that fits, else the shortest."""
    if room is None:
        return forms[0]
    return next((text for text in forms if _measure_lines(text) <= room), forms[-1])


def _measure(column: _Texts) -> Column:
    count = max(map(len, column.forms), default=1)
    heading = measure_width(column.heading)
    widths = [
        max(heading, _measure_widest([each[min(form, len(each) - 1)] for each in column.forms]))
        for form in range(count)
    ]
    widths += widths[-1:] * (FORMS - count)
    return Column(tuple(widths), column.shape, column.least)


def _measure_widest(texts: Sequence[str]) -> int:
    if is_simple("".join(texts)):
        return max(map(len, texts), default=0)
    return max(map(_measure_lines, texts), default=0)


def _measure_lines(text: str) -> int:
    return max(map(measure_width, text.split("\n"))) if "\n" in text else measure_width(text)


def _draw(columns: Sequence[_Texts], layout: Layout, stdout: TextIO, spell: Spell) -> Iterator[str]:
    """Draw a table, line by line."""
    ellipsis = ELLIPSIS if spell(ELLIPSIS) == ELLIPSIS else "..."
    line = f"+{'+'.join('-' * (width + 2) for width in layout.widths)}+\n"
    shown = [
        _draw_column(columns[place], width, layout.form, ellipsis, stdout)
        for place, width in zip(layout.kept, layout.widths, strict=True)
    ]
    blanks = [" " * width for width in layout.widths]
    rows = zip(*shown, strict=True)
    yield line
    yield from _draw_row(next(rows), blanks)
    yield line
    for row in rows:
        # Most rows are of one line.
        if max(map(len, row)) == 1:
            yield f"| {' | '.join([lines[0] for lines in row])} |\n"
        else:
            yield from _draw_row(row, blanks)
    yield line


def _draw_row(cells: Sequence[Sequence[str]], blanks: Sequence[str]) -> Iterator[str]:
    for parts in zip_longest(*cells):
        filled = (blank if part is None else part for part, blank in zip(parts, blanks, strict=True))
        yield f"| {' | '.join(filled)} |\n"


def _draw_column(
    column: _Texts, width: int, form: int, ellipsis: str, stdout: TextIO
) -> Iterator[Sequence[str]]:
    """Draw the cells of a column, its heading first: the lines of each, as wide as the column."""
    put = str.rjust if column.is_right else str.ljust

    def pad(text: str, tone: Tone | None) -> str:
        shown = text if tone is None else in_colour(text, _COLOURS[tone], stdout)
        # The marks of a colour, and what is put upon another character, take no room; a wide one takes two.
        return put(shown, width + len(shown) - measure_width(text))

    yield [pad(each, None) for each in _fit_text(column.heading, width, Shape.CUT, ellipsis)]
    texts = [forms[min(form, len(forms) - 1)] for forms in column.forms]
    if not any(column.tones) and max(map(len, texts), default=0) <= width and is_simple("".join(texts)):
        # What comes of it is the same, and sooner.
        yield from zip(map(put, texts, repeat(width)), strict=True)
        return
    for text, tone in zip(texts, column.tones, strict=True):
        lines = _fit_text(text, width, column.shape, ellipsis)
        yield [pad(each, tone) for each in lines]


def _fit_text(text: str, width: int, shape: Shape, ellipsis: str) -> Sequence[str]:
    """Return the lines of a text, none wider than the column."""
    if shape is Shape.CUT and "\n" not in text:
        return [shorten_text(text, width, ellipsis)]
    return wrap_text(text, width)


def _tell_left_out(count: int, *, are_wanted: bool) -> None:
    """Log for a person that the terminal had no room for all columns."""
    if not count:
        return
    columns = f"{count} column{'s' if count > 1 else ''} left out"
    if are_wanted:
        LOG.info("%s: the terminal is too narrow. -f json has all.", columns)
    else:
        LOG.info("%s; -c shows %s, -f json has all.", columns, "them" if count > 1 else "it")
