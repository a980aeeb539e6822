"""The words of a command line as they are typed again, to go on with what it has begun."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Sequence

_OF_PROGRAM = ("almajob_env", "almajob_ini_file")
"""What stands before the command's name in the line that is shown."""
_OF_KEY = ("run_key", "once_per", "scheduled")


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
