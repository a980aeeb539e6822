"""Values alone, a row a line; whatever they contain."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from cliff.formatters.base import ListFormatter, SingleFormatter

from almajob.formatters.cells import text
from almajob.visible import visible


class Values(ListFormatter, SingleFormatter):
    """A row's values with a blank between them; of one thing, a value a line.

    Line breaks and other control characters in a value are spelled out, so that a line stays a row.
    """

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Take no options."""

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        for row in data:
            stdout.write(" ".join(visible(text(value)) for value in row) + "\n")

    def emit_one(
        self,
        column_names: Sequence[str],
        data: Sequence[Any],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        for value in data:
            stdout.write(visible(text(value)) + "\n")
