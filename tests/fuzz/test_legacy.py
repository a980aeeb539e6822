"""Any words are a command line, or a wrong one: exit code 2, and never anything else."""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
from collections.abc import Callable, Sequence

from almajob import legacy
from almajob.cli.app import AlmaJob
from almajob.cli.options import value_types
from tests.fuzz.choices import NASTY, Choices
from tests.fuzz.trials import tried

_GENERAL = (
    *(["--env", "sandbox"], ["--env=production"], ["--cache_dir", "/x"], ["--cache-dir=/x"]),
    *(["--ini-file", "-x"], ["--refresh"], ["--force"], ["-q"], ["--debug"], ["--utc"]),
    *(["--log-file", "--cmd"], ["--env", "--job"]),
)
_OF_A_COMMAND = (
    *(["--job", "ERP export"], ["--job=-5 degrees"], ["--id", "77"], ["--id=77"], ["-f", "json"], ["-f=csv"]),
    *(["--job", "--env"], ["--id", "--cmd"], ["--job", ""], ["--wait"], ["--name=*x*"], ["--"], ["-"], ["x"]),
)
_WORDS = (
    *("--cmd", "--cmd=run", "--cmd=", "--cmd=list", "list", "run", "status", "--env", "--job", "--id", "--"),
    *("-", "-f", "--refresh", "--cache_dir", "--cache_dir=x", "--version", "-q", "-v", "-vq", "--e"),
    *("--envx", "--job=x", "json", "help", "complete", "--id=@last", "--timeout", "90s", "--wait", "--param"),
    *("a=b", "--yes"),
    *NASTY,
)


@functools.cache
def _parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    app = AlmaJob()
    commands = {}
    for name in ("list", "run", "status"):
        factory, _name, _rest = app.command_manager.find_command([name])
        commands[name] = factory(app, None, cmd_name=name).get_parser(name)
    return app.parser, commands


def _takes_value(option: str) -> bool | None:
    found: bool | None = _parsers()[0].takes_value(option)  # type: ignore[attr-defined]
    return found


def _parsed(parse: Callable[[], object]) -> object | None:
    """Return what a parser makes of its words; None where it ends the program, in two lines and with 2."""
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
            return parse()
    except SystemExit as end:
        assert end.code in (0, 2)
        assert end.code == 0 or len(told.getvalue().splitlines()) == 2, told.getvalue()
        return None


@tried()
def test_the_older_spelling_is_todays_in_any_order(data: bytes) -> None:
    """First the options of all commands, then the command, then its own, each in their order."""
    choices = Choices(data)
    general, own = choices.some_of(_GENERAL, 4), choices.some_of(_OF_A_COMMAND[:6], 4)
    command = choices.one_of(("list", "run", "status", "runs list"))
    older: list[list[str]] = []
    left, right = list(general), list(own)
    cmd = choices.below(len(general) + len(own) + 1)
    while left or right:
        if len(older) == cmd:
            older.append(choices.one_of((["--cmd", command], [f"--cmd={command}"])))
        older.append((left if left and (not right or choices.below(2)) else right).pop(0))
    if len(older) == cmd:
        older.append(["--cmd", command])
    # -f is an option of commands; what follows it is a word, that stands behind a command's name only.
    words = [word for option in older for word in option]
    if any(option[0] == "-f" for option in older[:cmd]):
        assert legacy.translate(words, _takes_value) == words
        return
    today = [*_flat(general), *command.split(), *_flat(own)]
    assert legacy.translate(words, _takes_value) == today
    assert legacy.translate(today, _takes_value) == today


def _flat(found: Sequence[Sequence[str]]) -> list[str]:
    return [word for option in found for word in option]


@tried(5000)
def test_any_words_are_a_command_line_or_a_wrong_one(data: bytes) -> None:
    """Translated as today's where they are the older script's, and parsed: options, or exit code 2."""
    choices = Choices(data)
    words = (
        choices.some_of(_WORDS, 10)
        if choices.below(2)
        else _flat(choices.some_of((*_GENERAL, *_OF_A_COMMAND), 6))
    )
    found = legacy.translate(words, _takes_value)
    if not any(word.partition("=")[0] == "--cmd" for word in words):
        assert found == words
    parser, commands = _parsers()
    parsed = _parsed(lambda: parser.parse_known_args(found))
    if isinstance(parsed, tuple) and parsed[1] and parsed[1][0] in commands:
        name, *rest = parsed[1]
        _parsed(lambda: commands[name].parse_args(rest))


_TYPES: Sequence[Callable[[str], object]] = (
    *(value_types.non_empty, value_types.process_id, value_types.whole_number, value_types.run_key),
    *(value_types.parameter, value_types.saved_name, value_types.run_id, value_types.status),
    *(value_types.end_statuses, value_types.condition),
)
_VALUES = (
    *("77", "M44", "RUNNING", "Completed with Errors", "completed_failed", "COMPLETED_FAIL", ",", "a.b > 0"),
    *("a == b", "===", "=>", "> 1", "x=@", "@last", "=", "A=b", " ", "1e9", "-1", "c", "<", *NASTY),
)


@tried(3000)
def test_any_value_of_an_option_is_taken_or_refused(data: bytes) -> None:
    """As argparse wants it: an ArgumentTypeError, which becomes exit code 2."""
    choices = Choices(data)
    take = choices.one_of(_TYPES)
    try:
        take(choices.text(_VALUES, 6))
    except argparse.ArgumentTypeError as refused:
        assert str(refused)
