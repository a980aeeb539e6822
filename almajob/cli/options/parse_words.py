"""A command's words: parsed, in any order and without contradictions; and as they are typed again."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from almajob.cli.other_words import explain_run

_OF_PROGRAM = ("almajob_env", "almajob_ini_file")
"""What stands before the command's name in the line that is shown."""
_OF_KEY = ("run_key", "once_per", "scheduled")

_Parse = Callable[[Sequence[str]], tuple[argparse.Namespace, list[str]]]


def parse_words(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Parse words as ``parse_args`` does, with two differences.

    A list of arguments may be broken by options: ``status A --watch B``. And an option that takes one value,
    and has two different ones, is refused: argparse would take the last.
    """
    parsed_args, unknown = _parse(parser, words, parser.parse_known_args)
    if unknown and _may_be_mixed(parser, words, unknown):
        with warnings.catch_warnings():
            # argparse is surprised by an option and an argument that fill one list.
            warnings.simplefilter("ignore", UserWarning)
            parsed_args, unknown = _parse(parser, words, parser.parse_known_intermixed_args)
    if unknown:
        meant = explain_run(words) if parser.prog.endswith(" run") else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{f'. {meant}' if meant else ''}")
    return parsed_args


def _parse(
    parser: argparse.ArgumentParser, words: Sequence[str], parse: _Parse
) -> tuple[argparse.Namespace, list[str]]:
    with refuse_contradictions(parser):
        return parse(list(words))


def _may_be_mixed(parser: argparse.ArgumentParser, words: Sequence[str], unknown: Sequence[str]) -> bool:
    arguments = [action for action in parser._actions if not action.option_strings]
    return (
        any(action.nargs in ("*", "+") for action in arguments)
        and not any(action.nargs in (argparse.REMAINDER, argparse.PARSER) for action in arguments)
        and "--" not in words
        and not any(word.startswith("-") for word in unknown)
    )


@contextmanager
def refuse_contradictions(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Make a parser refuse a second value that differs from the first, wherever one counts.

    That is an option's, or that of an option and an argument that stand for the same.
    """
    read = parser._get_values
    before: dict[str, tuple[str, str, Any]] = {}

    def read_once(action: argparse.Action, words: list[str]) -> Any:
        value = read(action, words)
        name = action.option_strings[0] if action.option_strings else str(action.metavar)
        if words and type(action) is argparse._StoreAction and action.nargs in (None, "?"):
            first, typed, kept = before.setdefault(action.dest, (name, words[0], value))
            if kept != value:
                again = f"{name} is given twice" if name == first else f"{first} and {name} are given"
                parser.error(f"{again}, with different values: {typed!r} and {words[0]!r}")
        return value

    parser._get_values = read_once  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        del parser._get_values


def repeat_words(parser: argparse.ArgumentParser, words: Sequence[str], run_key: str = "") -> list[str]:
    """Return a command's words as they are typed again.

    Args:
        parser: knows which options take a value.
        words: those behind the command's name.
        run_key: of the run with which the command began. It takes the place of ``--once-per`` and
            ``--scheduled``, whose time may be over then; nothing where the command has no ``--run-key``.
    """
    keys = {action.dest for action in parser._actions if "--run-key" in action.option_strings}
    has_key = bool(run_key) and "run_key" in keys
    options = list(_leave_out(parser, words, (*_OF_PROGRAM, *(_OF_KEY if has_key else ()))))
    end = options.index("--") if "--" in options else len(options)
    return [*options[:end], *(("--run-key", run_key) if has_key else ()), *options[end:]]


def _leave_out(
    parser: argparse.ArgumentParser, words: Sequence[str], dests: Collection[str]
) -> Iterator[str]:
    rest = iter(words)
    for word in rest:
        if word == "--":
            yield word
            yield from rest
            return
        name, has_value, _value = word.partition("=")
        action = parser._option_string_actions.get(name)
        if action is None or action.dest not in dests:
            yield word
        elif not has_value and action.nargs != 0:
            next(rest, None)
