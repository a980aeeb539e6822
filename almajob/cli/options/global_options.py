"""Options that all commands take, or several, and how a wrong command line is told."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

from almajob.cli.options.value_types import non_empty, whole_number
from almajob.config.settings import Options
from almajob.errors import KeyOnCommandLine
from almajob.system import stdio
from almajob.text.redaction import is_shown_in, redact
from almajob.text.sanitize import visible
from almajob.text.suggestions import nearest

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_SETTINGS_DESTS = ("env", "ini_file", "cache_dir", "refresh", "ignore_quota")


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
    _add_calls_options(group, default)


def _add_calls_options(group: argparse._ArgumentGroup, default: str | None) -> None:
    group.add_argument(
        "--refresh",
        "--force",
        dest="almajob_refresh",
        action="store_true",
        default=default,
        help="ask Alma anew instead of using the cache",
    )
    group.add_argument(
        "--ignore-quota",
        dest="almajob_ignore_quota",
        action="store_true",
        default=default,
        help="make one call although the day's are known to be used up; for a person at a terminal",
    )


def add_output_options(parser: argparse.ArgumentParser, *, after_command: bool) -> None:
    """Add the options that say how much is told, and where; as ``add_global_options``."""
    default = argparse.SUPPRESS if after_command else None
    group = parser.add_argument_group("messages")
    _add_amount(group.add_mutually_exclusive_group(), default)
    group.add_argument(
        "--log-file",
        dest="almajob_log_file",
        metavar="FILE",
        type=non_empty,
        default=default,
        help="append every message to FILE",
    )
    group.add_argument(
        "--log-json",
        dest="almajob_log_json",
        metavar="FILE",
        type=non_empty,
        default=default,
        help="append one JSON object a line to FILE for each call of Alma",
    )
    group.add_argument(
        "--debug",
        dest="almajob_debug",
        action="store_true",
        default=default,
        help="show where in almajob an error arose",
    )
    group.add_argument(
        "--utc",
        dest="almajob_utc",
        action="store_true",
        default=default,
        help="show times in UTC; programs (-f json, yaml, csv, value) always get it",
    )


def _add_amount(amount: argparse._MutuallyExclusiveGroup, default: str | None) -> None:
    amount.add_argument(
        "-v",
        "--verbose",
        dest="almajob_verbosity",
        action="store_const",
        const=2,
        default=default,
        help="tell each call",
    )
    amount.add_argument(
        "-q",
        "--quiet",
        dest="almajob_verbosity",
        action="store_const",
        const=0,
        default=default,
        help="tell only warnings and errors",
    )


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
        near = nearest(wrong[1], known) if wrong else []
        meant = f" Did you mean {near[0]}?" if near else ""
        told = visible(redact(message))
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
    found: dict[str, Any] = {}
    for namespace in namespaces:
        for name in _SETTINGS_DESTS:
            value = getattr(namespace, f"almajob_{name}", None)
            if value is not None:
                found[name] = value
    return Options(**found)
