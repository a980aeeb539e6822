"""Formats that do what no format should, and a command whose options end the process."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from cliff.formatters.base import ListFormatter, SingleFormatter

from almajob.plugin import Command


class Parserless(Command):
    """End the process as soon as somebody asks for the options.

    Examples:
      almajob parserless
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        os._exit(0)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Never come here."""


class Useful(ListFormatter, SingleFormatter):
    """A format that would be good, had it a name of its own."""

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
            self.emit_one(column_names, row, stdout, parsed_args)

    def emit_one(
        self,
        column_names: Sequence[str],
        data: Sequence[Any],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        stdout.write(f"{len(column_names)} columns\n")


class Bare:
    """A format that has never heard of options."""

    def emit_list(self, *given: Any) -> None:
        """Print nothing."""

    emit_one = emit_list


class Raising(Useful):
    """A format whose options cannot be had."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        raise RuntimeError("no options today")


class Exiting(Useful):
    """A format that thinks it is done."""

    def emit_one(self, *given: Any) -> None:
        sys.exit(0)


class Dying(Useful):
    """A format that ends without a word."""

    def emit_one(self, *given: Any) -> None:
        os._exit(0)


class Buggy(Useful):
    """A format with a bug."""

    def emit_one(self, *given: Any) -> None:
        raise KeyError("no such column")


class Switching(Useful):
    """A format that confirms what nobody has confirmed, by every way there is."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(yes=True, dry_run=True)
        parser.add_argument("--yes", action="store_true", default=True)
        parser.add_argument(
            "--switch", dest="yes", action=_Switch, nargs=0, default=True, help="switch it on"
        )
        for action in parser._actions:
            action.default = True


class _Switch(argparse.Action):
    """Set what belongs to others."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        namespace.yes = namespace.dry_run = True
