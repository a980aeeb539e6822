"""Assignments for ``eval``, of which nothing can be run, whatever Alma has in its names."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence

from almajob.output.cell_values import text
from almajob.output.stream_writer import OfOne, Row

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"


class Shell(OfOne):
    """``name='value'``, a line each, in the quoting of sh, bash and zsh."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("shell")
        group.add_argument(
            "--prefix",
            type=prefix,
            default="",
            help="put this before the name of each variable: some shells keep names such as status for "
            "themselves",
        )

    def one(self, column_names: Sequence[str], row: Row, options: argparse.Namespace) -> Iterator[str]:
        for name, value in zip(column_names, row, strict=True):
            # A NUL cannot be in a variable.
            yield f"{variable(name, options.prefix)}={_quote(text(value).replace(chr(0), ''))}\n"


def _quote(value: str) -> str:
    """Put a value into quotes unless it is a simple word; for shlex ``=ls`` is one, for zsh it is a path."""
    if re.fullmatch(r"[A-Za-z0-9_@%+:,./-]+", value):
        return value
    return "'" + value.replace("'", "'\"'\"'") + "'"


def prefix(written: str) -> str:
    """Take the beginning of the names of variables; for ``type=``."""
    if written and not re.fullmatch(_NAME, written):
        raise argparse.ArgumentTypeError("a variable's name has letters, digits and _, and no digit first")
    return written


def variable(column: str, beginning: str = "") -> str:
    """Return the name of the variable for a column, in small letters but for what it begins with."""
    name = beginning + re.sub(r"[^A-Za-z0-9_]", "_", column).lower()
    return name if re.fullmatch(_NAME, name) else f"_{name}"
