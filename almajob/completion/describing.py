"""A grammar made from the commands' parsers: ours once, before a release; a plugin's when it is installed."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from almajob.discovery import is_core

if TYPE_CHECKING:
    from almajob.app import AlmaJob
    from almajob.discovery import Installed

_MOST_CHOICES = 1000
_COLUMNS = {"columns", "sort_columns"}


def described(app: AlmaJob, installed: Iterable[Installed]) -> dict[str, Any]:
    """Describe commands in the form that ``grammar.Grammar`` reads; what cannot be used is left out."""
    table = _Table()
    general = table.options(app.parser, ())
    commands = {each.name: made for each in installed if (made := _command(app, each, table)) is not None}
    return {"options": table.rows, "general": general, "commands": commands}


def of_core(app: AlmaJob) -> dict[str, Any]:
    """Describe our own commands, and help."""
    document = described(app, (each for each in app.command_manager.installed if is_core(each.claims[0])))
    said = "Show what a command does, or all commands."
    help_ = {"summary": said, "options": [], "arguments": [["COMMAND", [], True]]}
    document["commands"] = dict(sorted({**document["commands"], "help": help_}.items()))
    return document


def of_plugins(app: AlmaJob) -> dict[str, Any]:
    """Describe the commands of all other distributions."""
    return described(app, (each for each in app.command_manager.installed if not is_core(each.claims[0])))


class _Table:
    """All options, each once: most commands share most of them."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []

    def options(self, parser: argparse.ArgumentParser, columns: Iterable[str]) -> list[int]:
        """Give the places of a parser's options in the table."""
        return [self._place(action, columns) for action in _shown(parser) if action.option_strings]

    def _place(self, action: argparse.Action, columns: Iterable[str]) -> int:
        takes_value = action.nargs != 0
        names = [name for name in action.option_strings if "_" not in name]
        row = [names, _value(action, columns) if takes_value else None, _help(action)]
        if row not in self.rows:
            self.rows.append(row)
        return self.rows.index(row)


def _command(app: AlmaJob, installed: Installed, table: _Table) -> dict[str, Any] | None:
    try:
        made = installed.load()(app, None, cmd_name=installed.name)
        parser = made.get_parser(installed.name)
        columns = [str(column) for column in getattr(made, "columns", ())]
        return {
            "summary": made.get_description().partition("\n")[0],
            "options": table.options(parser, columns),
            "arguments": [_value(action, ()) for action in _shown(parser) if not action.option_strings],
        }
    except (Exception, SystemExit, GeneratorExit):  # noqa: BLE001  # whatever a plugin raises
        return None


def _shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.help != argparse.SUPPRESS]


def _value(action: argparse.Action, columns: Iterable[str]) -> list[Any]:
    if action.dest in _COLUMNS:
        return ["COLUMN", list(columns), False]
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    word = "ENVIRONMENT" if action.dest == "almajob_env" else metavar
    return [
        word,
        [str(choice) for choice in islice(action.choices or (), _MOST_CHOICES)],
        action.nargs in ("*", "+"),
    ]


def _help(action: argparse.Action) -> str:
    """Give the help up to its first colon or semicolon: there is little room beside a candidate."""
    text = (action.help or "").partition(";")[0].partition(":")[0]
    return "" if "%(" in text else text
