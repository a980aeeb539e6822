"""What a command is made of: the four kinds of commands, and one command's life.

A command names its columns, declares its options and returns data from ``take_action``; what it works with
is in ``self.context``. cliff prints the data. An ``AlmajobError`` becomes a message and its exit code.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar

import cliff.command
import cliff.display
import cliff.lister
import cliff.show
from cliff._argparse import SmartHelpFormatter

from almajob import stdout
from almajob.context import Context
from almajob.errors import AlmajobError, ResultLost, UsageError
from almajob.options import add_global_options, add_output_options, options_in, shorten_errors
from almajob.signals import held

if TYPE_CHECKING:
    from almajob.app import AlmaJob


class _HelpFormatter(SmartHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Help as written: the examples in a command's docstring keep their lines."""


class _Almajob(cliff.command.Command):
    """What the four kinds of commands share.

    Attributes:
        columns: the columns of the result; they are checked against ``-c`` before anything is done.
        verdict: set by ``take_action`` where the result is to be printed and the command then to fail.
    """

    # A command's own option wins over a global one of the same name.
    conflict_handler = "resolve"
    columns: ClassVar[Sequence[str]] = ()

    app: AlmaJob
    context: Context
    verdict: AlmajobError | None = None

    def get_epilog(self) -> str:
        # cliff's own reads the file list of every installed distribution, on every call.
        return self._epilog or ""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.formatter_class = _HelpFormatter
        shorten_errors(parser)
        # "--ye" must not start a production job.
        parser.allow_abbrev = False
        add_global_options(parser, after_command=True)
        add_output_options(parser, after_command=True)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            self.app.configure_output(parsed_args)
            with Context(options_in(self.app.options, parsed_args)) as self.context:
                self._check_columns(parsed_args)
                self.refuse(parsed_args)
                try:
                    code = super().run(parsed_args)
                    self._flush()
                except AlmajobError as error:
                    if isinstance(error, ResultLost):
                        self.context.told(is_lost=True)
                    raise
                except BaseException:
                    # A closed pipe, a signal, a bug: what was started must be named all the same.
                    with held():
                        self.context.told(is_lost=True)
                    raise
                self.context.told()
            if self.verdict is not None:
                raise self.verdict
        except BrokenPipeError:
            raise
        # Whatever a plugin raises ends as a message and an exit code.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            return self.app.report(error)
        # A process gives only the last eight bits of its exit code.
        return code if 0 <= code <= 255 else 1

    def _flush(self) -> None:
        """Make sure that the result is written: what only waits to be is lost if the process dies."""
        try:
            self.app.stdout.flush()
        except BrokenPipeError:
            raise
        except (OSError, ValueError) as error:
            stdout.drop()
            raise ResultLost("The result cannot be written.", why=_reason(error)) from None

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        """Refuse what no parser can, before anything is done.

        Raises:
            UsageError: the command line is wrong.
        """

    def columns_of(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Name the columns of the result, where they depend on the options."""
        return self.columns

    def _check_columns(self, parsed_args: argparse.Namespace) -> None:
        columns = self.columns_of(parsed_args)
        known = {_normalised(name) for name in columns}
        asked_for = (getattr(parsed_args, name, None) or () for name in ("columns", "sort_columns"))
        for asked in chain.from_iterable(asked_for):
            if known and _normalised(asked) not in known:
                raise UsageError(f"There is no column {asked!r}.", cure=f"There are: {', '.join(columns)}.")


def _reason(error: Exception) -> str:
    return f"{getattr(error, 'strerror', None) or error}."


def _normalised(column: str) -> str:
    return column.lower().strip().replace(" ", "_")


class Command(_Almajob, cliff.command.Command):
    """A command without a result to print; ``take_action`` returns None or an exit code."""


class _Displayed(_Almajob, cliff.display.DisplayCommandBase[Any]):
    """A command whose result cliff prints."""

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        try:
            # cliff's Lister and ShowOne, which come next, have it.
            return super().produce_output(parsed_args, column_names, data)  # type: ignore[safe-super]
        except BrokenPipeError:
            raise
        except OSError as error:
            stdout.drop()
            raise ResultLost("The result cannot be written.", why=_reason(error)) from None


class Lister(_Displayed, cliff.lister.Lister):
    """A command whose result is rows; ``take_action`` returns ``(columns, rows)``.

    Rows that come one by one are printed so in the formats that can: csv and value.

    Attributes:
        brief: which of its columns a table shows where none are asked for; empty for all.
    """

    brief: ClassVar[Sequence[str]] = ()

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        rows = iter(data)
        first = list(islice(rows, 1))
        is_table = parsed_args.formatter == "table"
        if not first and is_table and not parsed_args.print_empty:
            # cliff would print an empty line.
            return 0
        if is_table and self.brief and not parsed_args.columns:
            parsed_args.columns = list(self.brief)
        all_rows = chain(first, rows)
        # cliff goes through the rows again where it cannot sort them.
        sortable = list(all_rows) if parsed_args.sort_columns else all_rows
        return super().produce_output(parsed_args, column_names, sortable)


class ShowSome(Lister):
    """A command whose result is one thing or several, as many as were named on its command line.

    One is printed as ``ShowOne`` does, in JSON an object; several as ``Lister`` does, in JSON an array. CSV,
    which has no form for one, is always a list.
    ``take_action`` returns ``(columns, rows)`` in both cases.
    """

    def is_one(self, parsed_args: argparse.Namespace) -> bool:
        """Whether the command line names one thing; by default that of ``add_ids_option``."""
        return len(parsed_args.run_ids) == 1

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        if not self.is_one(parsed_args) or not hasattr(self.formatter, "emit_one"):
            return super().produce_output(parsed_args, column_names, data)
        columns, selector = self._generate_columns_and_selector(parsed_args, column_names)
        (row,) = data
        values = list(self._compress_iterable(row, selector)) if selector else row
        self.formatter.emit_one(columns, values, self.app.stdout, parsed_args)
        return 0


class ShowOne(_Displayed, cliff.show.ShowOne):
    """A command whose result is one thing; ``take_action`` returns ``(columns, values)``."""
