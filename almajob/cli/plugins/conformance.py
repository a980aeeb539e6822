"""The rules that every command keeps, ours and a plugin's, as far as a program can tell.

They are those of docs/writing-a-plugin.md. ``almajob plugin check`` applies them to what is installed, and
``almajob.testing.check_command`` in a plugin's own tests.
"""

from __future__ import annotations

import argparse
import inspect
import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import EntryPoint
from io import StringIO
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from almajob.cli.command import Command, Lister, ShowOne
from almajob.cli.help_format import EXAMPLES
from almajob.cli.options.global_options import add_global_options
from almajob.cli.plugins.command_manager import load_class
from almajob.cli.plugins.plugin_status import COMMAND, NOTIFIER, OBSERVER, Claim
from almajob.entry_points import is_core
from almajob.errors import ConfigurationError, name_error
from almajob.system.isolated_process import CallFailed, ProcessEnded, Processes

if TYPE_CHECKING:
    from almajob.cli.application import Application

PROCESS_ID = "PROCESS_ID"
"""What examples have where a run's id stands."""
_SOME_ID = "9563643080000561"
_LONG_OPTION = re.compile(r"--[a-z][a-z0-9]*(-[a-z0-9]+)*")
_COLUMN = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Those that cliff gives a command, and the older script's one with an underscore.
_GIVEN_BY_CLIFF = {"-h", "-f", "-c", "--cache_dir"}
# What everybody types, beside the long form.
_SHORT_FORMS = {"-o": "--output"}
_SHORTEST_SUMMARY = 2
# What is called, by the kind of a claim, with its name and class in the distribution's process.
_CHECKS = {
    COMMAND: "almajob.cli.plugins.probe:check_command",
    OBSERVER: "almajob.runs.observers.rules:check_observer",
    NOTIFIER: "almajob.notify.notifier:check_notifier",
}


def check_claims(claims: Iterable[Claim], app: Application) -> list[tuple[Claim, str]]:
    """Return the problems of what ``installed_claims`` found: it cannot be used, or does not keep a rule."""
    claims = list(claims)
    with Processes(claim.distribution for claim in claims if _is_tried(claim, app)) as processes:
        return [(claim, problem) for claim in claims for problem in _problems(claim, app, processes)]


def _is_tried(claim: Claim, app: Application) -> bool:
    """Whether it is another distribution's command, observer or notifier that can be used."""
    if claim.problem or claim.kind not in _CHECKS:
        return False
    return claim.kind != COMMAND or not is_core(_point(claim, app))


def _point(claim: Claim, app: Application) -> EntryPoint:
    found: EntryPoint = app.command_manager.commands[claim.name].claims[0]
    return found


def _problems(claim: Claim, app: Application, processes: Processes) -> list[str]:
    if claim.problem or claim.kind not in _CHECKS:
        return [claim.problem] if claim.problem else []
    if not _is_tried(claim, app):
        return find_violations(load_class(_point(claim, app)), claim.name, app)
    try:
        found: list[str] = processes.call(claim.distribution, _CHECKS[claim.kind], claim.name, claim.target)
    except CallFailed as error:
        return [f"it cannot be described: {error}"]
    except ProcessEnded as end:
        return [f"it cannot be described: it {end}"]
    return found


def find_violations(command: Any, name: str, app: Application) -> list[str]:
    """Return which rules a command does not keep; nothing of it is run.

    Args:
        command: the class that an entry point names.
        name: the command's name, as it is typed.
        app: an application in which it can stand.
    """
    if not (isinstance(command, type) and issubclass(command, (Command, Lister, ShowOne))):
        return ["it is no subclass of Command, Lister, ShowOne or ShowSome of almajob.plugin"]
    if inspect.isabstract(command):
        return ["it has no take_action"]
    try:
        made = command(app, None, cmd_name=name)  # type: ignore[arg-type]  # as in command.py
        parser = made.get_parser(f"almajob {name}")
        return [
            *_of_name(name),
            *_of_options(parser),
            *_of_columns(command),
            *_of_description(made.get_description(), name, app),
        ]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # whatever a plugin raises
        return [f"it cannot be described: {name_error(error)}"]


def _of_name(name: str) -> Iterator[str]:
    if not all(re.fullmatch(r"[a-z][a-z0-9-]*", word) for word in name.split(" ")):
        yield f"its name {name!r} is not made of lowercase letters, digits and -"


def _of_options(parser: argparse.ArgumentParser) -> Iterator[str]:
    if parser.allow_abbrev:
        yield "its parser takes abbreviated options: allow_abbrev is not False"
    reserved = _almajobs_own()
    for action in parser._actions:
        own = [option for option in action.option_strings if option not in _GIVEN_BY_CLIFF]
        for option in own:
            is_ours = reserved.get(option) == action.dest
            if option in reserved and not is_ours:
                yield f"{option} is an option of all commands, and means something else here"
            is_short_form = _SHORT_FORMS.get(option) in own
            if not is_ours and not is_short_form and not _LONG_OPTION.fullmatch(option):
                yield f"{option} is not a long option in lowercase, such as --run-key"
        if not action.help and action.help != argparse.SUPPRESS:
            yield f"{'/'.join(own) or action.dest} has no help"


def _almajobs_own() -> dict[str, str]:
    parser = argparse.ArgumentParser(add_help=False)
    add_global_options(parser, after_command=True)
    return {option: action.dest for option, action in parser._option_string_actions.items()}


def _of_columns(command: type[Command | Lister | ShowOne]) -> Iterator[str]:
    if not issubclass(command, (Lister, ShowOne)):
        return
    if isinstance(command.columns, str) or not all(isinstance(column, str) for column in command.columns):
        yield "its columns are no tuple of names"
        return
    columns = [column.lower() for column in command.columns]
    if not columns:
        yield "it names no columns, so that -c cannot be checked before anything is done"
    if len(set(columns)) < len(columns):
        yield "two of its columns have the same name"
    for column in command.columns:
        if not _COLUMN.fullmatch(column):
            yield f"its column {column!r} is not in lower_snake_case, as the keys of JSON are"
    brief = command.brief if issubclass(command, Lister) else ()
    unknown = [column for column in brief if column.lower() not in columns]
    # What it prints may depend on its options.
    if unknown and command.columns_of is Lister.columns_of:
        yield f"brief names columns that it does not have: {', '.join(unknown)}"


def _of_description(text: str, name: str, app: Application) -> Iterator[str]:
    summary = text.partition("\n")[0]
    if len(summary.split()) < _SHORTEST_SUMMARY or not summary.endswith("."):
        yield "its docstring does not begin with a sentence on one line that says what it does"
    examples = [line.strip() for line in text.partition(EXAMPLES)[2].splitlines() if line.strip()]
    if not examples:
        yield f"its docstring has no {EXAMPLES} with command lines, one on each line"
    for example in examples:
        yield from _of_example(example, name, app)


def _of_example(example: str, name: str, app: Application) -> Iterable[str]:
    """Parse an example with the command's own parser."""
    try:
        program, *words = _words(example.replace(PROCESS_ID, _SOME_ID))
        if program != "almajob":
            return [f"this example does not begin with almajob: {example}"]
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as said, _aside(app):
            _options, rest = app.parser.parse_known_args(words)
            factory, found, arguments = app.command_manager.find_command(rest)
            factory(app, None, cmd_name=found).get_parser(found).parse_args(arguments)
    except SystemExit:
        why = " ".join(said.getvalue().split()) or "it only shows help"
        return [f"this example is refused: {example}: {why}"]
    except (ValueError, ConfigurationError) as error:
        return [f"this example is no command line of almajob: {example}: {error}"]
    return [] if found == name else [f"this example shows another command: {example}"]


@contextmanager
def _aside(app: Application) -> Iterator[None]:
    """Keep everything from the application's stdout: a help page would stand among the results."""
    kept, app.stdout = app.stdout, StringIO()
    try:
        yield
    finally:
        app.stdout = kept


def _words(example: str) -> list[str]:
    """Split a command line as a shell does, up to what the shell keeps for itself: ``< file``, ``| less``."""
    lexer = shlex.shlex(example, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(takewhile(lambda word: not set(word) <= set(lexer.punctuation_chars), lexer))
