"""Options that all commands take, or several, and how a wrong command line is told."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple, NoReturn

from almajob.cli.help_format import GLOBAL_OPTIONS, SEVERAL_ENVIRONMENTS
from almajob.cli.options.value_types import non_empty, row_limit, whole_number
from almajob.cli.other_words import find_option
from almajob.config.settings import Options
from almajob.errors import KeyOnCommandLine, UsageError
from almajob.system.terminal import fit_message, mark_error
from almajob.text.redaction import is_shown_in, redact
from almajob.text.sanitize import sanitize
from almajob.text.suggestions import suggest

# Names, what stands for the value where there is one, and the help.
_SETTINGS = (
    (
        "--env",
        "NAME",
        "environment: sandbox, production, demo or another section of the configuration file; for some "
        "commands also several, as A,B,C or @GROUP",
    ),
    ("--ini-file", "FILE", "configuration file to use (an almajob.ini)"),
    ("--cache-dir", "DIR", "cache directory"),
    # The predecessor's spelling.
    ("--cache_dir", "DIR", argparse.SUPPRESS),
    ("--refresh --force", "", "fetch from Alma instead of using the cache"),
    (
        "--ignore-quota",
        "",
        "make one call even if the daily quota is known to be used up; meant for use by hand",
    ),
)
_MESSAGES = (
    ("--log-file", "FILE", "append all messages to FILE"),
    ("--log-json", "FILE", "append one JSON object per API call to FILE, each on a line"),
    ("--debug", "", "show where in almajob an error occurred"),
    ("--utc", "", "show times in UTC, as -f json, yaml, csv and value always do"),
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
    group = parser.add_argument_group(GLOBAL_OPTIONS)
    _add_table(group, _SETTINGS, default)
    amount = partial(
        group.add_mutually_exclusive_group().add_argument,
        dest="almajob_verbosity",
        action="store_const",
        default=default,
    )
    amount("-v", "--verbose", const=2, help="log each API call")
    amount("-q", "--quiet", const=0, help="show only warnings and errors")
    _add_table(group, _MESSAGES, default)


def _add_table(
    group: argparse._ArgumentGroup, table: Iterable[tuple[str, str, str]], default: str | None
) -> None:
    for names, metavar, what in table:
        kind: dict[str, Any] = (
            {"metavar": metavar, "type": non_empty} if metavar else {"action": "store_true"}
        )
        group.add_argument(*names.split(), dest=_dest(names), default=default, help=what, **kind)


def add_limit_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how many rows are listed."""
    parser.add_argument(
        "--limit",
        metavar="N",
        type=row_limit,
        default=50,
        help="list at most this many, 0 or all for all; runs without an outcome are always listed (default: "
        "%(default)s)",
    )


AT_ONCE = 8
"""In how many environments something is done at a time, where nobody says."""


class Pace(NamedTuple):
    """How several environments are gone through.

    Attributes:
        at_once: in how many something is done at a time; 0 for all.
        stop_after: begin with no other after so many failures; 0 for never.
        is_strict: whether those that take long are counted, too: where somebody said how many.
    """

    at_once: int = AT_ONCE
    stop_after: int = 0
    is_strict: bool = False


def add_pace_options(parser: argparse.ArgumentParser, at_once: int) -> None:
    """Add the options that say how several environments are gone through; ``pace_of`` reads them.

    Args:
        at_once: how many at a time where nobody says; 0 for all.
    """
    group = parser.add_argument_group(SEVERAL_ENVIRONMENTS)
    group.add_argument(
        "--at-once",
        metavar="N",
        type=whole_number,
        help="with --env A,B,C or --env @GROUP: work in at most N environments at a time, 0 for all "
        f"(default: {at_once or 'all'})",
    )
    group.add_argument(
        "--stop-after",
        metavar="N",
        type=whole_number,
        default=0,
        help="with several environments: begin with no other once N have failed (default: go through all)",
    )


def pace_of(parsed_args: argparse.Namespace, at_once: int = AT_ONCE) -> Pace:
    """Read the options of ``add_pace_options``.

    Args:
        at_once: as there.
    """
    given = parsed_args.at_once
    return Pace(at_once if given is None else given, parsed_args.stop_after, is_strict=given is not None)


def shorten_errors(parser: argparse.ArgumentParser) -> None:
    """Shorten a parser's errors to two lines, without the usage, and suggest what may be meant."""

    def error(message: str) -> NoReturn:
        if is_shown_in(message):
            _end(parser, f"almajob: {KeyOnCommandLine()}\n")
        told = sanitize(redact(message.rstrip(".")))
        stop = "" if told.endswith("?") else "."
        meant = _suggest_option(parser, message)
        _end(parser, f"{parser.prog}: {told}{stop}{meant}\n  See {parser.prog} --help.\n")

    parser.error = error  # type: ignore[method-assign]


def _end(parser: argparse.ArgumentParser, text: str) -> NoReturn:
    parser.exit(2, mark_error(fit_message(text, sys.stderr), sys.stderr))


def _suggest_option(parser: argparse.ArgumentParser, message: str) -> str:
    wrong = re.match(r"unrecognized arguments: (--[\w-]+)", message)
    if wrong is None or message.endswith("?"):
        return ""
    known = [name for name in parser._option_string_actions if name.startswith("--")]
    other = find_option(wrong[1], known)
    meant = f"Did you mean {other}?" if other else suggest(wrong[1], known)
    return f" {meant}" if meant else ""


def repeat_nothing(parser: argparse.ArgumentParser) -> None:
    """Keep what was typed out of a parser's errors: it may be a key of any shape."""
    tell = parser.error

    def error(message: str) -> NoReturn:
        typed = message.partition("unrecognized arguments: ")[2]
        option = re.match(r"--[\w-]+", typed)
        is_key = typed and (option is None or "key" in option[0].lower())
        if is_key or is_shown_in(message):
            _end(parser, f"almajob: {KeyOnCommandLine()}\n")
        # Without what argparse quotes, but with what there is to choose from.
        quoted = r"""(?s) (['"]).*\1(?= \(choose|$)"""
        tell(f"unrecognized arguments: {option[0]}" if option else re.sub(quoted, "", message))

    parser.error = error  # type: ignore[method-assign]


def refuse_other_options(before: argparse.Namespace, after: argparse.Namespace) -> None:
    """Refuse an option that has one value before the command's name and another one after it.

    Raises:
        UsageError: there is one.
    """
    for names, metavar, _help in (*_SETTINGS, *_MESSAGES):
        first, second = (getattr(words, _dest(names), None) for words in (before, after))
        if metavar and None not in (first, second) and first != second:
            option = names.replace("_", "-")
            raise UsageError(
                f"{option} is given twice, with different values: {first!r} and {second!r}.",
                hint="Keep one of them.",
            )


def options_in(*namespaces: argparse.Namespace) -> Options:
    """Read the global options; those of a later namespace win."""
    found = [(name, getattr(each, _dest(name), None)) for each in namespaces for name in Options._fields]
    return Options(**{name: value for name, value in found if value is not None})
