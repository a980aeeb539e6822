"""A grammar made from the commands' parsers: ours once, before a release; a plugin's when it is installed."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from almajob.cli.help import HelpCommand
from almajob.entry_points import distribution_of, is_core
from almajob.system.isolated_process import CallFailed, ProcessEnded, Processes

if TYPE_CHECKING:
    from almajob.cli.application import Application

_MOST_CHOICES = 1000
_FORMATS = {"csv", "json", "shell", "table", "value", "yaml"}
_COLUMNS = {"columns", "sort_columns"}
# Where the word in the help does not say what it stands for.
_WORDS = {"almajob_env": "ENVIRONMENTS", "notify": "NOTIFICATION", "set_name": "SET"}


def of_core(app: Application) -> dict[str, Any]:
    """Describe our own commands, and help."""
    core = [each for each in app.command_manager.installed if is_core(each.claims[0])]
    commands = {each.name: describe_options(each.load(), each.name, app) for each in core}
    commands["help"] = {"summary": HelpCommand.__doc__, "options": [], "arguments": [["COMMAND", [], True]]}
    return _document(app, dict(sorted(commands.items())))


def of_plugins(app: Application) -> dict[str, Any]:
    """Describe the commands of all other distributions; what cannot be used is left out."""
    points = {
        each.name: each.claims[0]
        for each in app.command_manager.installed
        if not each.problem and not is_core(each.claims[0])
    }
    commands = {}
    with Processes(distribution_of(point)[0] for point in points.values()) as processes:
        for name, point in points.items():
            with suppress(ProcessEnded, CallFailed):
                commands[name] = processes.call(
                    distribution_of(point)[0], "almajob.cli.plugins.probe:describe_command", name, point.value
                )
    return _document(app, commands)


def _document(app: Application, commands: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Put descriptions into the form that ``grammar.Grammar`` reads."""
    # Each option once: most commands share most of them.
    rows: list[list[Any]] = []

    def places_of(options: list[list[Any]]) -> list[int]:
        for option in options:
            if option not in rows:
                rows.append(option)
        return [rows.index(option) for option in options]

    general = places_of(_options(app.parser, ()))
    placed = {name: {**each, "options": places_of(each["options"])} for name, each in commands.items()}
    return {"options": rows, "general": general, "commands": placed}


def describe_options(command: Any, name: str, app: Application) -> dict[str, Any]:
    """Describe the class of a command, and what can be typed after its name."""
    made = command(app, None, cmd_name=name)
    parser = made.get_parser(name)
    columns = [str(column) for column in getattr(made, "columns", ())]
    return {
        "summary": made.get_description().partition("\n")[0],
        "options": _options(parser, columns),
        "arguments": [
            _value(action, ()) for action in _list_shown_actions(parser) if not action.option_strings
        ],
    }


def _options(parser: argparse.ArgumentParser, columns: Iterable[str]) -> list[list[Any]]:
    return [
        [
            [name for name in action.option_strings if "_" not in name],
            _value(action, columns) if action.nargs != 0 else None,
            _help(action),
        ]
        for action in _list_shown_actions(parser)
        if action.option_strings
    ]


def _list_shown_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.help != argparse.SUPPRESS]


def _value(action: argparse.Action, columns: Iterable[str]) -> list[Any]:
    if action.dest in _COLUMNS:
        return ["COLUMN", list(columns), False]
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return [
        _WORDS.get(action.dest, metavar),
        [str(choice) for choice in islice(action.choices or (), _MOST_CHOICES)],
        action.nargs in ("*", "+"),
    ]


def _help(action: argparse.Action) -> str:
    """Return the beginning of the help, in one phrase: there is little room beside a candidate."""
    text = (action.help or "").partition(";")[0].partition(" (")[0]
    start = text.partition(":")[0]
    # "json: print everything on one line" is about a format.
    text = text if start in _FORMATS else start
    return "" if "%(" in text else text
