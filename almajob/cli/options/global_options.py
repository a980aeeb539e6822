"""Options that all commands take, or several, and how a wrong command line is told."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

from almajob.cli.options.value_types import non_empty, whole_number
from almajob.config.settings import Options
from almajob.errors import KeyOnCommandLine
from almajob.system import stdio
from almajob.text.redaction import is_shown_in, redact
from almajob.text.sanitize import sanitize
from almajob.text.suggestions import find_similar

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

# Names, what stands for the value where there is one, and the help.
_SETTINGS = (
    ("--env", "NAME", "environment: sandbox, production, demo or another section of the ini"),
    ("--ini-file", "FILE", "almajob.ini to use"),
    ("--cache-dir", "DIR", "directory of the cache"),
    # The predecessor's spelling.
    ("--cache_dir", "DIR", argparse.SUPPRESS),
    ("--refresh --force", "", "ask Alma anew instead of using the cache"),
    (
        "--ignore-quota",
        "",
        "make one call although the day's are known to be used up; for a person at a terminal",
    ),
)
_MESSAGES = (
    ("--log-file", "FILE", "append every message to FILE"),
    ("--log-json", "FILE", "append one JSON object a line to FILE for each call of Alma"),
    ("--debug", "", "show where in almajob an error arose"),
    ("--utc", "", "show times in UTC; programs (-f json, yaml, csv, value) always get it"),
)


def _dest(names: str) -> str:
    """Return a destination of almajob's own: a plugin may well have an --env that means something else."""
    return f"almajob_{names.split()[0].lstrip('-').replace('-', '_')}"


MESSAGE_DESTS = ("almajob_verbosity", *(_dest(names) for names, _metavar, _help in _MESSAGES))
"""Where the options stand that say how much is told, and where."""


def add_global_options(parser: argparse.ArgumentParser, *, after_command: bool) -> None:
    """Add the options that every command takes, before its name and after it.

    Args:
        after_command: the parser is a command's; then they leave no default behind, so that what stands
            before the command's name counts.
    """
    default = argparse.SUPPRESS if after_command else None
    _add_table(parser.add_argument_group("almajob"), _SETTINGS, default)
    messages = parser.add_argument_group("messages")
    amount = partial(
        messages.add_mutually_exclusive_group().add_argument,
        dest="almajob_verbosity",
        action="store_const",
        default=default,
    )
    amount("-v", "--verbose", const=2, help="tell each call")
    amount("-q", "--quiet", const=0, help="tell only warnings and errors")
    _add_table(messages, _MESSAGES, default)


def _add_table(
    group: argparse._ArgumentGroup, table: Iterable[tuple[str, str, str]], default: str | None
) -> None:
    for names, metavar, what in table:
        kind: dict[str, Any] = (
            {"metavar": metavar, "type": non_empty} if metavar else {"action": "store_true"}
        )
        group.add_argument(*names.split(), dest=_dest(names), default=default, help=what, **kind)


def add_run_argument(parser: argparse.ArgumentParser, *, is_required: bool = True) -> None:
    """Add the argument that names a run of the ledger."""
    parser.add_argument(
        "run",
        metavar="RUN",
        nargs=None if is_required else "?",
        type=non_empty,
        help="its id, as almajob runs list shows it, or its run key or Process ID",
    )


def add_limit_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how many rows are listed."""
    parser.add_argument(
        "--limit",
        metavar="N",
        type=whole_number,
        default=50,
        help="at most so many, 0 for all; those that have no outcome yet are listed in any case; "
        "default: %(default)s",
    )


def shorten_errors(parser: argparse.ArgumentParser) -> None:
    """Shorten a parser's errors to two lines, without the usage, and suggest what may be meant."""

    def error(message: str) -> NoReturn:
        if is_shown_in(message):
            parser.exit(2, f"almajob: {KeyOnCommandLine()}\n")
        wrong = re.match(r"unrecognized arguments: (--[\w-]+)", message)
        known = [name for name in parser._option_string_actions if name.startswith("--")]
        near = find_similar(wrong[1], known) if wrong else []
        meant = f" Did you mean {near[0]}?" if near else ""
        told = sanitize(redact(message))
        parser.exit(2, f"{parser.prog}: {told}.{meant}\n  {parser.prog} --help shows what there is.\n")

    parser.error = error  # type: ignore[method-assign]


def repeat_nothing(parser: argparse.ArgumentParser) -> None:
    """Keep what was typed out of a parser's errors: it may be a key of any shape."""
    tell = parser.error

    def error(message: str) -> NoReturn:
        typed = message.partition("unrecognized arguments: ")[2]
        option = re.match(r"--[\w-]+", typed)
        is_key = typed and (option is None or "key" in option[0].lower())
        if is_key or is_shown_in(message):
            parser.exit(2, f"almajob: {KeyOnCommandLine()}\n")
        # Without what argparse quotes, but with what there is to choose from.
        quoted = r"""(?s) (['"]).*\1(?= \(choose|$)"""
        tell(f"unrecognized arguments: {option[0]}" if option else re.sub(quoted, "", message))

    parser.error = error  # type: ignore[method-assign]


def tell_lost_help(parser: argparse.ArgumentParser) -> None:
    """Report where a parser's help cannot be written: argparse passes over that."""

    def print_help(file: SupportsWrite[str] | None = None) -> None:
        # To stdout, or to the pager before it.
        stdio.write(parser.format_help(), cast("TextIO", file or sys.stdout))

    parser.print_help = print_help  # type: ignore[method-assign]


def options_in(*namespaces: argparse.Namespace) -> Options:
    """Read the global options; those of a later namespace win."""
    found = [(name, getattr(each, _dest(name), None)) for each in namespaces for name in Options._fields]
    return Options(**{name: value for name, value in found if value is not None})
