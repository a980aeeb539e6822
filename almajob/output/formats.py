"""Our own formats of ``-f`` but the table: each gives texts, which are written; or that cannot be."""

from __future__ import annotations

import io
import json
import os
import re
import textwrap
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from json.encoder import encode_basestring_ascii
from typing import Any, Literal, TextIO

from cliff.formatters.base import ListFormatter, SingleFormatter

from almajob.errors import ResultLost
from almajob.output.plain_values import IS_COLUMN, PLAIN_TYPES, to_plain
from almajob.system import stdio
from almajob.text.redaction import redact_lines
from almajob.text.sanitize import sanitize

OUTPUT_OPTIONS = "output options"
"""The title of the options that belong to a format."""

ARRAY_FORMATS = frozenset({"json", "yaml"})
"""The formats of which programs expect the same form for one thing and for several."""
Names = Sequence[str]
Row = Sequence[Any]
Rows = Iterable[Row]

# Spreadsheets take a cell that begins so for a formula, and a formula can start programs:
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]"
_NUMBER = r"[+-]?[0-9]+([.,][0-9]+)?"
# The numbers that the module csv has for them; it is imported when it is used.
_QUOTING: dict[str, Literal[0, 1, 2, 3]] = {"minimal": 0, "all": 1, "nonnumeric": 2, "none": 3}
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_BLOCK = 1000
"""Objects of an array that are written at once."""
_AT_ONCE = 8192
"""Characters that are searched for keys at once: as many as Python keeps before it writes to a file."""


@contextmanager
def report_lost_result(stream: TextIO) -> Iterator[None]:
    """End the command where a result cannot be written, so that what was started is named.

    Raises:
        ResultLost: it cannot be written.
        BrokenPipeError: nobody reads it.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        stdio.discard(stream)
        raise ResultLost("The result cannot be written.", reason=f"{stdio.reason(error)}.") from None


def plain_value(value: Any) -> Any:
    """Return the value of a cell for programs: what JSON has a form for."""
    plain = value.machine_readable() if IS_COLUMN[type(value)] else value
    return plain if type(plain) in PLAIN_TYPES else to_plain(plain)


def shown_text(value: Any) -> str:
    """Return the value of a cell as people see it in a table."""
    return value.human_readable() if IS_COLUMN[type(value)] else str(value)


def text(value: Any) -> str:
    """Return the value as one text: empty for none, ``true`` and ``false``, JSON for what has parts."""
    return _text_of(plain_value(value))


def _text_of(plain: Any) -> str:
    if isinstance(plain, str):
        return plain
    return "" if plain is None else json.dumps(plain, ensure_ascii=False)


def is_number(value: Any) -> bool:
    """Whether it is a number, to which true and false do not belong."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _write(texts: Iterable[str], stdout: TextIO, *, keep: str = "\n") -> None:
    """Write texts as they are to a file or a pipe, but for keys; on a terminal nothing in them is obeyed.

    Each is written as soon as it is there, where Python would not keep it for a while itself.

    Args:
        keep: the control characters that are meant.
    """
    is_terminal, waiting, size = stdout.isatty(), list[str](), 0
    at_once = 0 if is_terminal or getattr(stdout, "write_through", False) else _AT_ONCE
    try:
        for text in texts:
            waiting.append(sanitize(text, keep=keep) if is_terminal else text)
            size += len(text)
            if size > at_once:
                stdout.write(redact_lines("".join(waiting)))
                waiting, size = [], 0
    finally:
        stdout.write(redact_lines("".join(waiting)))


class Csv(ListFormatter):
    """A header and a line for each row (RFC 4180), which a spreadsheet can open without running any of it."""

    def add_argument_group(self, parser: ArgumentParser) -> None:
        group = parser.add_argument_group(OUTPUT_OPTIONS)
        group.add_argument(
            "--quote",
            choices=sorted(_QUOTING),
            dest="quote_mode",
            default="nonnumeric",
            help="csv: which cells to quote (default: %(default)s)",
        )
        group.add_argument(
            "--csv-raw",
            action="store_true",
            help="csv: keep cells that a spreadsheet would read as formulas unchanged; by default they get a "
            "leading apostrophe",
        )

    def emit_list(self, column_names: Names, data: Rows, stdout: TextIO, parsed_args: Namespace) -> None:
        import csv

        writer = csv.writer(
            _Echo(),
            quoting=_QUOTING[parsed_args.quote_mode],
            lineterminator=os.linesep,
            # Only where nothing is quoted: a reader of RFC 4180 takes a backslash for one.
            escapechar="\\" if parsed_args.quote_mode == "none" else None,
        )
        guard = str if parsed_args.csv_raw else guard_formula

        def cell(value: Any) -> Any:
            plain = plain_value(value)
            return plain if is_number(plain) else guard(_text_of(plain))

        rows = chain([column_names], data)
        _write((str(writer.writerow(map(cell, row))) for row in rows), stdout)


class _Echo:
    """Return what is written to it: a row's text, from a library that only writes."""

    def write(self, written: str) -> str:
        return written


def guard_formula(written: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would take for a formula."""
    if written[:1].isalnum():
        return written
    return f"'{written}" if re.match(_FORMULA, written) and not re.fullmatch(_NUMBER, written) else written


class Json(ListFormatter, SingleFormatter):
    """An array of objects; of one thing, an object (RFC 8259); written whole or not at all."""

    def add_argument_group(self, parser: ArgumentParser) -> None:
        group = parser.add_argument_group(OUTPUT_OPTIONS)
        group.add_argument("--noindent", action="store_true", help="json: print everything on one line")

    def emit_list(self, column_names: Names, data: Rows, stdout: TextIO, parsed_args: Namespace) -> None:
        if parsed_args.noindent:
            _write([f"{json.dumps([_flat(column_names, row) for row in data])}\n"], stdout)
            return
        heads = _list_heads(column_names, "  ")
        objects = [_object(heads, row, "  ") for row in data]
        blocks = (",\n".join(objects[begin : begin + _BLOCK]) for begin in range(0, len(objects), _BLOCK))
        texts = chain.from_iterable(zip(chain(["[\n"], repeat(",\n")), blocks, strict=False))
        _write(chain(texts, ["\n]\n"]) if objects else ["[]\n"], stdout)

    def emit_one(self, column_names: Names, data: Row, stdout: TextIO, parsed_args: Namespace) -> None:
        is_flat = parsed_args.noindent
        written = (
            json.dumps(_flat(column_names, data)) if is_flat else _object(_list_heads(column_names), data)
        )
        _write([f"{written}\n"], stdout)


def _list_heads(column_names: Names, margin: str = "") -> list[str]:
    """Return what stands before each value of an object."""
    return [f"{margin}  {json.dumps(name)}: " for name in column_names]


def _object(heads: Sequence[str], row: Row, margin: str = "") -> str:
    """Write an object as json does with an indent, but with its fast encoder, which knows none."""
    lines = [f"{head}{_value(plain_value(value), margin)}" for head, value in zip(heads, row, strict=True)]
    body = ",\n".join(lines)
    return f"{margin}{{\n{body}\n{margin}}}"


def _value(value: Any, margin: str) -> str:
    if type(value) is str:
        # What json itself comes to, at once.
        return encode_basestring_ascii(value)
    has_parts = isinstance(value, (dict, list)) and value
    return json.dumps(value, indent=2).replace("\n", f"\n{margin}  ") if has_parts else json.dumps(value)


def _flat(column_names: Names, row: Row) -> dict[str, Any]:
    return {name: plain_value(value) for name, value in zip(column_names, row, strict=True)}


class Yaml(ListFormatter, SingleFormatter):
    """A list of mappings; of one thing, a mapping; written whole or not at all."""

    def add_argument_group(self, parser: ArgumentParser) -> None:
        """Take no options."""

    def emit_list(self, column_names: Names, data: Rows, stdout: TextIO, parsed_args: Namespace) -> None:
        written = [_yaml(column_names, row, parsed_args) for row in data]
        _write([f"- {textwrap.indent(row, '  ')[2:]}" for row in written] or ["[]\n"], stdout)

    def emit_one(self, column_names: Names, data: Row, stdout: TextIO, parsed_args: Namespace) -> None:
        _write([_yaml(column_names, data, parsed_args)], stdout)


def _yaml(column_names: Names, row: Row, parsed_args: Namespace) -> str:
    """Write a mapping with cliff's formatter: for one thing, it keeps the order of the columns."""
    from cliff.formatters.yaml_format import YAMLFormatter

    written = io.StringIO()
    YAMLFormatter().emit_one(column_names, list(map(plain_value, row)), written, parsed_args)
    return written.getvalue()


class Values(ListFormatter, SingleFormatter):
    """A row's values with a tab between them; of one thing, a value a line.

    Tabs, line breaks and other control characters in a value are spelled out, so that a line stays a row.
    """

    def add_argument_group(self, parser: ArgumentParser) -> None:
        """Take no options."""

    def emit_list(self, column_names: Names, data: Rows, stdout: TextIO, parsed_args: Namespace) -> None:
        lines = ("\t".join(sanitize(text(value)) for value in row) + "\n" for row in data)
        _write(lines, stdout, keep="\n\t")

    def emit_one(self, column_names: Names, data: Row, stdout: TextIO, parsed_args: Namespace) -> None:
        _write((sanitize(text(value)) + "\n" for value in data), stdout)


class Shell(SingleFormatter):
    """``name='value'`` for ``eval``, a line each, in the quoting of sh, bash and zsh: nothing is run."""

    def add_argument_group(self, parser: ArgumentParser) -> None:
        group = parser.add_argument_group(OUTPUT_OPTIONS)
        group.add_argument(
            "--prefix",
            type=prefix,
            default="",
            metavar="PREFIX",
            help="shell: add this prefix to each variable's name, as some shells reserve names such as "
            "status",
        )

    def emit_one(self, column_names: Names, data: Row, stdout: TextIO, parsed_args: Namespace) -> None:
        for name, value in zip(column_names, data, strict=True):
            # A NUL cannot be in a variable.
            written = _quote(text(value).replace("\0", ""))
            _write([f"{variable(name, parsed_args.prefix)}={written}\n"], stdout)


def _quote(value: str) -> str:
    """Put a value into quotes unless it is a simple word; for shlex ``=ls`` is one, for zsh it is a path."""
    if re.fullmatch(r"[A-Za-z0-9_@%+:,./-]+", value):
        return value
    return "'" + value.replace("'", "'\"'\"'") + "'"


def prefix(written: str) -> str:
    """Take the beginning of the names of variables; for ``type=``."""
    if written and not re.fullmatch(_VARIABLE, written):
        raise ArgumentTypeError("a variable's name has letters, digits and _, and no digit first")
    return written


def variable(column: str, beginning: str = "") -> str:
    """Return the name of the variable for a column, in small letters but for what it begins with."""
    name = beginning + re.sub(r"[^A-Za-z0-9_]", "_", column).lower()
    return name if re.fullmatch(_VARIABLE, name) else f"_{name}"
