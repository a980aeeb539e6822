"""What our formatters are made of: they give texts, and these are written; or that cannot be."""

from __future__ import annotations

import argparse
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from cliff.formatters.base import ListFormatter, SingleFormatter

from almajob.errors import ResultLost
from almajob.system import stdio as stdout
from almajob.text.sanitize import visible

Row = Sequence[Any]


@contextmanager
def writing(stream: TextIO) -> Iterator[None]:
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
        stdout.drop(stream)
        raise ResultLost("The result cannot be written.", reason=f"{stdout.reason(error)}.") from None


class OfSeveral(ListFormatter):
    """A format for several things; each text is written as soon as it is there."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Take no options."""

    @abstractmethod
    def several(
        self, column_names: Sequence[str], rows: Iterable[Row], options: argparse.Namespace
    ) -> Iterable[str]:
        """Return the texts of which the result is made."""

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Row],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        _write(self.several(column_names, data, parsed_args), stdout)


class OfOne(SingleFormatter):
    """A format for one thing."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Take no options."""

    @abstractmethod
    def one(self, column_names: Sequence[str], row: Row, options: argparse.Namespace) -> Iterable[str]:
        """Return the texts of which the result is made."""

    def emit_one(
        self, column_names: Sequence[str], data: Row, stdout: TextIO, parsed_args: argparse.Namespace
    ) -> None:
        _write(self.one(column_names, data, parsed_args), stdout)


def _write(texts: Iterable[str], stdout: TextIO) -> None:
    """Write texts as they are to a file or a pipe; on a terminal nothing in them is obeyed."""
    stdout.writelines((visible(text, keep="\n") for text in texts) if stdout.isatty() else texts)
