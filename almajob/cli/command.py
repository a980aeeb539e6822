"""What a command is made of: the four kinds of commands; ``app`` runs them.

A command names its columns, declares its options and returns data from ``take_action``; what it works with
is in ``self.context``. cliff prints the data. An ``AlmajobError`` becomes a message and its exit code.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar

import cliff.command
import cliff.display
import cliff.lister
import cliff.show
from cliff._argparse import SmartHelpFormatter

from almajob.cli.options.global_options import add_global_options, shorten_errors, tell_lost_help
from almajob.entry_points import LIST, SHOW
from almajob.errors import AlmajobError, OutcomeUnknown, UsageError
from almajob.output.columns import as_column
from almajob.output.format_registry import Formatters
from almajob.output.formats import report_lost_result

if TYPE_CHECKING:
    from almajob.cli.application import Application
    from almajob.cli.context import Context

Result = tuple[Sequence[str], Iterable[Any]]
"""What ``take_action`` returns where there is something to print: the columns, and the rows or values."""
_BASES = ("almajob.cli.command.", "cliff.", "builtins.", "abc.", "typing.")


class _HelpFormatter(SmartHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Help as written: the examples in a command's docstring keep their lines."""


def description_of(command: type) -> str:
    """Return a command's description: its docstring, or that of a class of its author's that it comes from.

    cliff would take the docstring of one of ours where a command has none.
    """
    docs = (each.__doc__ for each in command.__mro__ if not f"{each.__module__}.".startswith(_BASES))
    return inspect.cleandoc(next(filter(None, docs), None) or "")


class AlmajobCommand(cliff.command.Command):
    """What the four kinds of commands share.

    Attributes:
        columns: the columns of the result; they are checked against ``-c`` before anything is done.
        verdict: set by ``take_action`` where the result is to be printed and the command then to fail.
    """

    # A command's own option wins over a global one of the same name.
    conflict_handler = "resolve"
    columns: ClassVar[Sequence[str]] = ()

    app: Application  # type: ignore[assignment]  # cliff's App, and what is ours
    context: Context
    verdict: AlmajobError | None = None

    def _load_hooks(self) -> None:
        # Nobody else changes what a command does; and cliff would ask stevedore's cache on disk.
        self._hooks = []

    def get_description(self) -> str:
        return description_of(type(self))

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
        tell_lost_help(parser)
        return parser

    def check(self, parsed_args: argparse.Namespace) -> None:
        """Refuse a command line that is wrong, before anything is done."""
        if getattr(parsed_args, "sort_direction", None) and not parsed_args.sort_columns:
            raise UsageError(
                "--sort-ascending and --sort-descending say in which order.",
                hint="Say by which column: --sort-column COLUMN",
            )
        columns = self.columns_of(parsed_args)
        asked_for = (getattr(parsed_args, name, None) or () for name in ("columns", "sort_columns"))
        if columns:
            _refuse_unknown(columns, chain.from_iterable(asked_for))
        self._check_format(parsed_args)
        self.refuse(parsed_args)

    def close(self) -> None:
        """Release what the command has opened, however it ended."""

    @property
    def has_unknown_outcome(self) -> bool:
        """Whether it cannot be told what was started: worse than that the result is lost."""
        return isinstance(self.verdict, OutcomeUnknown)

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        """Refuse what no parser can, as a usage error, before anything is done."""

    def columns_of(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Name the columns of the result, where they depend on the options."""
        return self.columns

    def _check_format(self, parsed_args: argparse.Namespace) -> None:
        """Refuse a format that cannot print the result; a command without a result has none."""


def _refuse_unknown(columns: Sequence[str], asked_for: Iterable[str]) -> None:
    known = set(map(_normalise, columns))
    for asked in asked_for:
        if _normalise(asked) not in known:
            raise UsageError(f"There is no column {asked!r}.", hint=f"There are: {', '.join(columns)}.")


def _normalise(column: str) -> str:
    return column.lower().strip().replace(" ", "_")


class Command(AlmajobCommand, cliff.command.Command):
    """A command without a result to print; ``take_action`` returns None or an exit code."""


_HELP = {
    "columns": "show this column; can be repeated, and they come in the order given",
    "sort_columns": "sort by this column; can be repeated, the first counts most",
}


class _Displayed(AlmajobCommand, cliff.display.DisplayCommandBase[Any]):
    """A command whose result a formatter prints.

    Attributes:
        formats: cliff's groups of formatters that ``-f`` offers.
    """

    formats: ClassVar[tuple[str, ...]]
    _formatter_plugins: Any

    def _load_formatter_plugins(self) -> Any:
        # cliff's own imports all of them, and shows a traceback of each that is broken.
        return Formatters(self.formats, self.app.command_manager.formatters)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        for action in parser._actions:
            # cliff's own help tells of columns that are passed over; here they are refused.
            action.help = _HELP.get(action.dest, action.help)
        self._formatter_plugins.open_chosen(parser)
        return parser

    def close(self) -> None:
        self._formatter_plugins.close()

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        with report_lost_result(self.app.stdout):
            # cliff's Lister and ShowOne, which come next, have it.
            return super().produce_output(parsed_args, column_names, data)  # type: ignore[safe-super]


class Lister(_Displayed, cliff.lister.Lister):
    """A command whose result is rows; ``take_action`` returns ``(columns, rows)``.

    Rows that come one by one are printed so in the formats that can: csv and value.

    Attributes:
        brief: which of its columns a table shows where none are asked for; empty for all.
        note_if_empty: what people are told where there are no rows; ``take_action`` may set it.
    """

    formats: ClassVar[tuple[str, ...]] = (LIST,)
    brief: ClassVar[Sequence[str]] = ()
    note_if_empty: str = "Nothing was found."

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        _refuse_unknown(column_names, (*parsed_args.columns, *parsed_args.sort_columns))
        rows = iter(data)
        first = list(islice(rows, 1))
        if not first:
            self.app.LOG.info("%s", self.note_if_empty)
        if parsed_args.formatter == "table" and self.brief and not parsed_args.columns:
            parsed_args.columns = list(self.brief)
        order = _order(column_names, parsed_args.columns)
        ordered = ([as_column(row[index]) for index in order] for row in chain(first, rows))
        # cliff goes through the rows again where it cannot sort them.
        sortable = list(ordered) if parsed_args.sort_columns else ordered
        return super().produce_output(parsed_args, [column_names[index] for index in order], sortable)


class ShowSome(Lister):
    """A command whose result is one thing or several, as many as were named on its command line.

    One is printed as ``ShowOne`` does, in JSON an object; several as ``Lister`` does, in JSON an array. CSV,
    which has no form for one, is always a list; the form for a shell has one only.
    ``take_action`` returns ``(columns, rows)`` in both cases.
    """

    formats = (LIST, SHOW)

    def is_one(self, parsed_args: argparse.Namespace) -> bool:
        """Whether the command line names one thing; by default that of ``add_ids_option``."""
        return len(parsed_args.run_ids) == 1

    def _check_format(self, parsed_args: argparse.Namespace) -> None:
        formatter = self._formatter_plugins[parsed_args.formatter].obj
        if not self.is_one(parsed_args) and not hasattr(formatter, "emit_list"):
            raise UsageError(
                f"-f {parsed_args.formatter} has a form for one thing only.", hint="Use -f json, or name one."
            )

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        if not self.is_one(parsed_args) or not hasattr(self.formatter, "emit_one"):
            return super().produce_output(parsed_args, column_names, data)
        order = _order(column_names, parsed_args.columns)
        columns, _ = self._generate_columns_and_selector(
            parsed_args, [column_names[index] for index in order]
        )
        (row,) = data
        values = [as_column(row[index]) for index in order][: len(columns)]
        with report_lost_result(self.app.stdout):
            self.formatter.emit_one(columns, values, self.app.stdout, parsed_args)
        return 0


class ShowOne(_Displayed, cliff.show.ShowOne):
    """A command whose result is one thing; ``take_action`` returns ``(columns, values)``."""

    formats = (SHOW,)

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        _refuse_unknown(column_names, parsed_args.columns)
        order, values = _order(column_names, parsed_args.columns), list(data)
        return super().produce_output(
            parsed_args,
            [column_names[index] for index in order],
            [as_column(values[index]) for index in order],
        )


def _order(column_names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Put the columns that are asked for first, in that order: cliff prints them as they come."""
    names = list(map(_normalise, column_names))
    asked_for = [names.index(name) for name in map(_normalise, wanted) if name in names]
    return list(dict.fromkeys((*asked_for, *range(len(names)))))
