"""What a command is made of: the four kinds of commands; ``app`` runs them.

A command names its columns, declares its options and returns data from ``take_action``; what it works with
is in ``self.context``. cliff prints the data. An ``AlmajobError`` becomes a message and its exit code.
"""

from __future__ import annotations

import argparse
import inspect
import logging
from abc import abstractmethod
from collections.abc import Collection, Iterable, Sequence
from copy import copy
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import cliff.command
import cliff.display
import cliff.lister
import cliff.show

from almajob.cli.options.global_options import (
    AT_ONCE,
    add_global_options,
    add_pace_options,
    pace_of,
    shorten_errors,
)
from almajob.cli.options.help_option import add_help_option
from almajob.cli.options.name_options import runs_of
from almajob.entry_points import LIST, SHOW
from almajob.errors import AlmajobError, OutcomeUnknown, UsageError
from almajob.output.columns import HEADINGS, as_column
from almajob.output.format_registry import Formatters
from almajob.output.formats import ARRAY_FORMATS, OUTPUT_OPTIONS, plain_value, report_lost_result, shown_text
from almajob.output.row_order import sort_rows
from almajob.text.suggestions import suggest

if TYPE_CHECKING:
    from almajob.cli.application import Application
    from almajob.cli.context import Context
    from almajob.cli.many.outcome import Outcome, Part

Result = tuple[Sequence[str], Iterable[Any]]
"""What ``take_action`` returns where there is something to print: the columns, and the rows or values."""
_BASES = ("almajob.cli.command.", "cliff.", "builtins.", "abc.", "typing.")


def description_of(command: type) -> str:
    """Return a command's description: its docstring, or that of a class of its author's that it comes from.

    cliff would take the docstring of one of ours where a command has none.
    """
    docs = (each.__doc__ for each in command.__mro__ if not f"{each.__module__}.".startswith(_BASES))
    return inspect.cleandoc(next(filter(None, docs), None) or "")


def explain_odd_result(error: BaseException) -> BaseException:
    """Return a plain error where cliff could not unpack what ``take_action`` returned; any other as it is."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    # Nothing else in that function can go wrong in its own frame.
    if trace is None or trace.tb_frame.f_code is not cliff.display.DisplayCommandBase.run.__code__:
        return error
    plain = TypeError(f"take_action returned no (columns, values): {error}")
    return plain.with_traceback(error.__traceback__)


class AlmajobCommand(cliff.command.Command):
    """What the four kinds of commands share.

    Attributes:
        columns: the columns of the result; they are checked against ``-c`` before anything is done.
        context: what it works with, for the length of one command.
        verdict: set by ``take_action`` where the result is to be printed and the command then to fail.
        resume: set by ``take_action`` where other words than the command's own go on with what it has begun,
            after a time-out or Ctrl-C: those that follow ``almajob --env NAME``.
        environments: what it does where ``--env`` names several: ``one`` refuses it; ``each`` is done in all
            of them, in threads, and the results are joined; ``all`` goes through ``contexts`` itself;
            ``none`` is done in no environment.
        at_once: in how many environments it works at a time where nobody says; 0 for all.
        almajob_api: the version of the plugin API that it needs, such as ``(1, 0)``.
        log: the logger of the command's module. What it logs is shown on stderr as ``-v`` and ``-q`` say, and
            is in ``--log-file``.
    """

    # A command's own option wins over a global one of the same name.
    conflict_handler = "resolve"
    columns: ClassVar[Sequence[str]] = ()
    environments: ClassVar[Literal["one", "each", "all", "none"]] = "one"
    at_once: ClassVar[int] = AT_ONCE
    almajob_api: ClassVar[tuple[int, int] | None] = None

    app: Application  # type: ignore[assignment]  # cliff's App, and what is ours
    context: Context
    log: logging.Logger
    verdict: AlmajobError | None = None
    resume: Sequence[str] = ()

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        cls.log = logging.getLogger(cls.__module__)

    def _load_hooks(self) -> None:
        # Nobody else changes what a command does; and cliff would ask stevedore's cache on disk.
        self._hooks = []

    def get_description(self) -> str:
        return description_of(type(self))

    def get_epilog(self) -> str:
        # cliff's own reads the file list of every installed distribution, on every call.
        return self._epilog or ""

    @abstractmethod
    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Do what the command is for; ``self.context`` is there.

        Args:
            parsed_args: what ``get_parser`` has declared, as attributes.

        Returns:
            In ``ShowOne`` the columns and one row of values, in ``Lister`` and ``ShowSome`` the columns and
            the rows, in ``Command`` None or an exit code.

        Raises:
            AlmajobError: it is printed, and the process ends with its exit code.
        """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's words; extend it to declare options and arguments.

        Args:
            prog_name: how the command is called, such as ``almajob sets list``.
        """
        parser = super().get_parser(prog_name)
        # Beside the parser's own two there are only those of cliff and its formats yet.
        for group in parser._action_groups[2:]:
            group.title = OUTPUT_OPTIONS
        shorten_errors(parser)
        # "--ye" must not start a production job.
        parser.allow_abbrev = False
        add_global_options(parser, after_command=True)
        if self.environments in ("each", "all"):
            add_pace_options(parser, self.at_once)
        add_help_option(parser, self.app.stdout)
        return parser

    @property
    def contexts(self) -> list[Context]:
        """The context of each environment that ``--env`` names, in its order; of one, ``context`` alone."""
        return self.context.each()

    def check(self, parsed_args: argparse.Namespace) -> None:
        """Refuse a command line that is wrong, before anything is done."""
        if getattr(parsed_args, "sort_direction", None) and not parsed_args.sort_columns:
            raise UsageError(
                "--sort-ascending and --sort-descending need a column.",
                hint="Add --sort-column COLUMN.",
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
        """Refuse what no parser can, before anything is done.

        Raises:
            UsageError: the command line is wrong.
        """

    def columns_of(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Name the columns of the result, where they depend on the options."""
        return self.columns

    def _check_format(self, parsed_args: argparse.Namespace) -> None:
        """Refuse a format that cannot print the result; a command without a result has none."""


def _refuse_unknown(columns: Sequence[str], asked_for: Iterable[str]) -> None:
    known = set(map(_normalise, columns))
    for asked in asked_for:
        if _resolve_heading(asked, known) not in known:
            raise UsageError(
                f"There is no column {asked!r}.",
                reason=suggest(_normalise(asked), columns),
                hint=f"Its columns are {', '.join(columns)}.",
            )


def _normalise(column: str) -> str:
    return column.lower().strip().replace(" ", "_")


def _resolve_heading(asked: str, known: Collection[str]) -> str:
    """Return the name of the column that is asked for, also by what a table calls it."""
    name = _normalise(asked)
    named = (column for column, heading in HEADINGS.items() if heading == name)
    return name if name in known else next(named, name)


class Command(AlmajobCommand, cliff.command.Command):
    """A command without a result to print; ``take_action`` returns None or an exit code."""


_HELP = {
    "formatter": "output format: %(choices)s (default: %(default)s)",
    "columns": "show this column; may be repeated, and sets the order of the columns",
    "sort_columns": "sort by this column; may be repeated, most important column first",
}
_METAVARS = {"formatter": "FORMAT", "sort_columns": "COLUMN"}


class _Displayed(AlmajobCommand, cliff.display.DisplayCommandBase[Any]):
    """A command whose result a formatter prints.

    Attributes:
        formats: cliff's groups of formatters that ``-f`` offers.
        can_resume: whether the same command goes on with what Ctrl-C has ended, and starts nothing.
    """

    formats: ClassVar[tuple[str, ...]]
    can_resume: ClassVar[bool] = False
    _formatter_plugins: Any

    def _load_formatter_plugins(self) -> Any:
        # cliff's own imports all of them, and shows a traceback of each that is broken.
        return Formatters(self.formats, self.app.command_manager.formatters)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        for action in parser._actions:
            # cliff's own help tells of columns that are passed over; here they are refused.
            action.help = _HELP.get(action.dest, action.help)
            action.metavar = _METAVARS.get(action.dest, action.metavar)
        self._formatter_plugins.open_chosen(parser)
        return parser

    def close(self) -> None:
        self._formatter_plugins.close()

    def copy_for(self, context: Context) -> Self:
        """Return the same command for another environment."""
        command = copy(self)
        command.context, command.verdict = context, None
        return command

    def take_in_each(
        self, parsed_args: argparse.Namespace, contexts: Sequence[Context]
    ) -> list[Outcome[Part]]:
        """Do the command in several environments, and return what came of each, in their order."""
        from almajob.cli.many.each import do_in_each
        from almajob.cli.many.outcome import Part
        from almajob.cli.many.run_ids import share_run_ids

        shared = share_run_ids(parsed_args, contexts)

        def take(context: Context) -> tuple[Part, AlmajobError | None]:
            command = self.copy_for(context)
            columns, data = command.take_action(shared[context])
            return Part(columns, command.list_rows(data), *command.words_for_people), command.verdict

        waits = self.can_resume or getattr(parsed_args, "watch", False)
        return do_in_each(list(shared), take, pace_of(parsed_args, self.at_once), is_timed=not waits)

    def list_rows(self, data: Any) -> list[Any]:
        """List the rows of what ``take_action`` has returned."""
        return list(data)

    @property
    def words_for_people(self) -> tuple[Sequence[str], str]:
        """Which columns a table shows, empty for all; and what is said where there is no row."""
        return (), ""

    def fields_of(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        """Name the columns of one thing that a table shows where none are asked for; empty for all."""
        return ()

    def _produce_one(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], values: Sequence[Any]
    ) -> int:
        """Print one thing; a table that no columns were asked for leaves out what has nothing to say."""
        shown = _find_places(column_names, parsed_args.columns or column_names)
        if parsed_args.formatter == "table" and not parsed_args.columns:
            shown = _find_places(column_names, self.fields_of(parsed_args) or column_names)
            cells = _make_cells(column_names, values, shown)
            shown = [place for place, cell in zip(shown, cells, strict=True) if shown_text(cell)]
        with report_lost_result(self.app.stdout):
            self.formatter.emit_one(
                [column_names[place] for place in shown],
                _make_cells(column_names, values, shown),
                self.app.stdout,
                parsed_args,
            )
        return 0


class Lister(_Displayed, cliff.lister.Lister):
    """A command whose result is rows; ``take_action`` returns ``(columns, rows)``.

    Rows that come one by one are printed so in the formats that can: csv and value.

    Attributes:
        brief: which of its columns a table shows where none are asked for; empty for all. ``take_action`` may
            set it.
        least_needed: the columns that a table leaves out on a narrow terminal, in this order; after them goes
            the last of the others, and never the first.
        note_if_empty: what a person reads where there are no rows, or nothing; ``take_action`` may set it.
    """

    formats: ClassVar[tuple[str, ...]] = (LIST,)
    brief: Sequence[str] = ()
    least_needed: Sequence[str] = ()
    note_if_empty: str = "Nothing was found."

    @property
    def words_for_people(self) -> tuple[Sequence[str], str]:
        return self.brief, self.note_if_empty

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        _refuse_unknown(column_names, (*parsed_args.columns, *parsed_args.sort_columns))
        rows = iter(data)
        first = list(islice(rows, 1))
        if not first and self.verdict is None and self.note_if_empty:
            self.app.LOG.info("%s", self.note_if_empty)
        found: Iterable[Sequence[Any]] = chain(first, rows)
        if parsed_args.sort_columns and self.need_sort_by_cliff:
            places = _find_places(column_names, parsed_args.sort_columns)
            found = _sort(column_names, list(found), places, parsed_args.sort_direction)
        brief = self.brief if parsed_args.formatter == "table" else ()
        shown = _find_places(column_names, parsed_args.columns or brief or column_names)
        # The table reads it, as it reads what of its options is there.
        parsed_args.least_needed = self.least_needed
        with report_lost_result(self.app.stdout):
            self.formatter.emit_list(
                [column_names[place] for place in shown],
                (_make_cells(column_names, row, shown) for row in found),
                self.app.stdout,
                parsed_args,
            )
        return 0


class ShowSome(Lister):
    """A command whose result is one thing or several, as many as were named on its command line.

    JSON and YAML have an array in both cases, CSV a list. For people, for a shell and with ``-f value`` one
    is printed as ``ShowOne`` does; the form for a shell has one only.
    ``take_action`` returns ``(columns, rows)`` in both cases.
    """

    formats = (LIST, SHOW)

    def is_one(self, parsed_args: argparse.Namespace) -> bool:
        """Whether the command line names one thing, and not several."""
        return len(runs_of(parsed_args)) == 1

    def is_object(self, parsed_args: argparse.Namespace) -> bool:
        """Whether it takes one thing only, so that JSON has an object instead of an array."""
        return False

    def _check_format(self, parsed_args: argparse.Namespace) -> None:
        formatter = self._formatter_plugins[parsed_args.formatter].obj
        if not self.is_one(parsed_args) and not hasattr(formatter, "emit_list"):
            raise UsageError(
                f"-f {parsed_args.formatter} has a form for one thing only.", hint="Use -f json, or name one."
            )

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        is_array = parsed_args.formatter in ARRAY_FORMATS and not self.is_object(parsed_args)
        if is_array or not self.is_one(parsed_args) or not hasattr(self.formatter, "emit_one"):
            return super().produce_output(parsed_args, column_names, data)
        (row,) = data
        return self._produce_one(parsed_args, column_names, list(row))


class ShowOne(_Displayed, cliff.show.ShowOne):
    """A command whose result is one thing; ``take_action`` returns ``(columns, values)``."""

    formats = (SHOW,)

    def list_rows(self, data: Any) -> list[Any]:
        return [list(data)]

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        _refuse_unknown(column_names, parsed_args.columns)
        return self._produce_one(parsed_args, column_names, list(data))


def _find_places(column_names: Sequence[str], wanted: Iterable[str]) -> list[int]:
    """Return the places of the columns that are asked for, in that order, each once."""
    names = list(map(_normalise, column_names))
    return list(dict.fromkeys(names.index(_resolve_heading(name, names)) for name in wanted))


def _make_cells(column_names: Sequence[str], row: Sequence[Any], places: Sequence[int]) -> list[Any]:
    """Return the cells of a row that are shown.

    Raises:
        TypeError: a value may hold a secret; it is named by its column.
        ValueError: the row has more values than there are columns, or fewer.
    """
    if len(row) != len(column_names):
        raise ValueError(f"take_action returned {len(row)} values for {len(column_names)} columns")
    cells: list[Any] = []
    try:
        for place in places:
            cells.append(as_column(row[place]))
    except TypeError as error:
        raise TypeError(f"column {column_names[place]!r}: {error}") from None
    return cells


def _sort(
    column_names: Sequence[str], rows: list[Sequence[Any]], places: Sequence[int], direction: str | None
) -> list[Sequence[Any]]:
    """Return the rows in the order that is asked for.

    Raises:
        TypeError: a value may hold a secret; it is named by its column.
    """
    try:
        return sort_rows(rows, places, descending=direction == "desc")
    except TypeError:
        for row in rows:
            _refuse_cells(column_names, row, places)
        raise


def _refuse_cells(column_names: Sequence[str], row: Sequence[Any], places: Iterable[int]) -> None:
    for place in places:
        try:
            plain_value(as_column(row[place]))
        except TypeError as error:
            raise TypeError(f"column {column_names[place]!r}: {error}") from None
