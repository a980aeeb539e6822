"""Values alone, a row a line; whatever they contain."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence

from almajob.output.cell_values import text
from almajob.output.stream_writer import OfOne, OfSeveral, Row
from almajob.text.sanitize import visible


class Values(OfSeveral, OfOne):
    """A row's values with a blank between them; of one thing, a value a line.

    Line breaks and other control characters in a value are spelled out, so that a line stays a row.
    """

    def several(
        self, column_names: Sequence[str], rows: Iterable[Row], options: argparse.Namespace
    ) -> Iterator[str]:
        return (" ".join(visible(text(value)) for value in row) + "\n" for row in rows)

    def one(self, column_names: Sequence[str], row: Row, options: argparse.Namespace) -> Iterator[str]:
        return (visible(text(value)) + "\n" for value in row)
