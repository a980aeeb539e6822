"""All that a command is made of: subclass Command, Lister or ShowOne; almajob's own commands do the same.

A command names its columns, declares its options and returns data from ``take_action``; what it works with
is in ``self.context``. cliff prints the data. An ``AlmajobError`` becomes a message and its exit code.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import cliff.command
import cliff.display
import cliff.lister
import cliff.show
from cliff._argparse import SmartHelpFormatter

from almajob import stdout
from almajob.columns import RUN_COLUMNS, Alerts, Counters, Progress, Time, run_values
from almajob.config.settings import Options
from almajob.context import Context
from almajob.errors import AlmajobError, ResultLost, UsageError

if TYPE_CHECKING:
    from almajob.app import AlmaJob

__all__ = [
    "RUN_COLUMNS",
    "Alerts",
    "AlmajobError",
    "Command",
    "Context",
    "Counters",
    "Lister",
    "Progress",
    "ShowOne",
    "Time",
    "UsageError",
    "add_global_options",
    "non_empty",
    "options_in",
    "process_id",
    "run_values",
    "seconds",
    "shorten_errors",
]

_SETTINGS_DESTS = ("env", "ini_file", "cache_dir", "refresh")


def add_global_options(parser: argparse.ArgumentParser, *, after_command: bool) -> None:
    """Add the options that every command takes, before its name and after it.

    Args:
        after_command: the parser is a command's; then they leave no default behind, so that what stands
            before the command's name counts.
    """
    # Destinations of their own: a plugin may well have an --env that means something else.
    default = argparse.SUPPRESS if after_command else None
    group = parser.add_argument_group("almajob")
    group.add_argument(
        "--env",
        dest="almajob_env",
        metavar="NAME",
        type=non_empty,
        default=default,
        help="environment: sandbox, production, demo or another section of the ini",
    )
    group.add_argument(
        "--ini-file",
        dest="almajob_ini_file",
        metavar="FILE",
        type=non_empty,
        default=default,
        help="almajob.ini to use",
    )
    group.add_argument(
        "--cache-dir",
        dest="almajob_cache_dir",
        metavar="DIR",
        type=non_empty,
        default=default,
        help="directory of the cache",
    )
    # The predecessor's spelling.
    group.add_argument(
        "--cache_dir", dest="almajob_cache_dir", type=non_empty, default=default, help=argparse.SUPPRESS
    )
    group.add_argument(
        "--refresh",
        "--force",
        dest="almajob_refresh",
        action="store_true",
        default=default,
        help="ask Alma anew instead of using the cache",
    )


def non_empty(text: str) -> str:
    """Take an option's value that must not be empty; for ``type=``."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def process_id(text: str) -> str:
    """Take a run's id, as it is pasted; for ``type=``."""
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError("a Process ID is digits only, such as 9563643080000561")
    return text


def seconds(text: str) -> float:
    """Take a number of seconds, more than none; for ``type=``."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError("must be a number of seconds, such as 600")
    return found


def shorten_errors(parser: argparse.ArgumentParser) -> None:
    """Let a parser tell an error in two lines instead of under its whole usage, with what may be meant."""

    def error(message: str) -> NoReturn:
        wrong = re.match(r"unrecognized arguments: (--[\w-]+)", message)
        known = [name for name in parser._option_string_actions if name.startswith("--")]
        near = difflib.get_close_matches(wrong[1], known, n=1) if wrong else []
        meant = f" Did you mean {near[0]}?" if near else ""
        parser.exit(2, f"{parser.prog}: {message}.{meant}\n  {parser.prog} --help shows what there is.\n")

    parser.error = error  # type: ignore[method-assign]


def options_in(*namespaces: argparse.Namespace) -> Options:
    """Read the global options; those of a later namespace win."""
    found: dict[str, Any] = {}
    for namespace in namespaces:
        for name in _SETTINGS_DESTS:
            value = getattr(namespace, f"almajob_{name}", None)
            if value is not None:
                found[name] = value
    return Options(**found)


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
        self.app.add_output_options(parser, default=argparse.SUPPRESS)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            self.app.configure_output(parsed_args)
            with Context(options_in(self.app.options, parsed_args)) as self.context:
                self._check_columns(parsed_args)
                code = super().run(parsed_args)
            if self.verdict is not None:
                raise self.verdict
        except BrokenPipeError:
            raise
        # Whatever a plugin raises ends as a message and an exit code.
        except Exception as error:  # noqa: BLE001
            return self.app.report(error)
        return code

    def _check_columns(self, parsed_args: argparse.Namespace) -> None:
        known = {_normalised(name) for name in self.columns}
        asked_for = (getattr(parsed_args, name, None) or () for name in ("columns", "sort_columns"))
        for asked in chain.from_iterable(asked_for):
            if known and _normalised(asked) not in known:
                raise UsageError(
                    f"There is no column {asked!r}.", cure=f"There are: {', '.join(self.columns)}."
                )


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
            raise ResultLost(f"The result cannot be written: {error.strerror}.") from None


class Lister(_Displayed, cliff.lister.Lister):
    """A command whose result is rows; ``take_action`` returns ``(columns, rows)``."""


class ShowOne(_Displayed, cliff.show.ShowOne):
    """A command whose result is one thing; ``take_action`` returns ``(columns, values)``."""
