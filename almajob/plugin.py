"""All that a command is made of: subclass Command, Lister or ShowOne; almajob's own commands do the same.

A command names its columns, declares its options and returns data from ``take_action``; what it works with
is in ``self.context``. cliff prints the data. An ``AlmajobError`` becomes a message and its exit code.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import cliff.command
import cliff.display
import cliff.lister
import cliff.show
from cliff._argparse import SmartHelpFormatter

from almajob import stdout
from almajob.alma.api import Alma, JobFilter
from almajob.alma.models import Job
from almajob.columns import (
    LEDGER_COLUMNS,
    RECORD_COLUMNS,
    RUN_COLUMNS,
    START_COLUMNS,
    Alerts,
    Counters,
    Progress,
    Text,
    Time,
    ledger_values,
    not_started,
    record_values,
    run_values,
    start_values,
)
from almajob.config.environments import Environment
from almajob.context import Context
from almajob.errors import (
    AlmajobError,
    ConfigurationError,
    OutcomeUnknown,
    Refused,
    ResultLost,
    UsageError,
)
from almajob.options import (
    add_global_options,
    add_output_options,
    add_run_argument,
    duration,
    non_empty,
    options_in,
    process_id,
    run_key,
    seconds,
    shorten_errors,
    whole_number,
)
from almajob.runs.catalogue import named_like
from almajob.runs.doubt import in_doubt, is_twice
from almajob.runs.intention import IF_RUNNING, StartOptions
from almajob.runs.plan import Plan
from almajob.runs.records import find as find_record
from almajob.runs.records import listed
from almajob.runs.runkey import PERIODS
from almajob.store.record import Record
from almajob.terminal import asker

if TYPE_CHECKING:
    from almajob.app import AlmaJob

__all__ = [
    "IF_RUNNING",
    "LEDGER_COLUMNS",
    "PERIODS",
    "RECORD_COLUMNS",
    "RUN_COLUMNS",
    "START_COLUMNS",
    "Alerts",
    "Alma",
    "AlmajobError",
    "Command",
    "ConfigurationError",
    "Context",
    "Counters",
    "Environment",
    "Job",
    "JobFilter",
    "Lister",
    "OutcomeUnknown",
    "Plan",
    "Progress",
    "Record",
    "Refused",
    "ShowOne",
    "StartOptions",
    "Text",
    "Time",
    "UsageError",
    "add_run_argument",
    "asker",
    "duration",
    "find_record",
    "in_doubt",
    "is_twice",
    "ledger_values",
    "listed",
    "named_like",
    "non_empty",
    "not_started",
    "process_id",
    "record_values",
    "run_key",
    "run_values",
    "seconds",
    "start_values",
    "whole_number",
]


class _HelpFormatter(SmartHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Help as written: the examples in a command's docstring keep their lines."""


class _Almajob(cliff.command.Command):
    """What the three kinds of commands share.

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
                try:
                    code = super().run(parsed_args)
                    self._flush()
                except (ResultLost, BrokenPipeError):
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
    """A command whose result is rows; ``take_action`` returns ``(columns, rows)``."""

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        rows = list(data)
        if not rows and parsed_args.formatter == "table" and not parsed_args.print_empty:
            # cliff would print an empty line.
            return 0
        return super().produce_output(parsed_args, column_names, rows)


class ShowOne(_Displayed, cliff.show.ShowOne):
    """A command whose result is one thing; ``take_action`` returns ``(columns, values)``."""
