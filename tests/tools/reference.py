"""What the commands' parsers know, read for the pages that tell of it: the options in the parsers' own words.

Nothing is taken from argparse's help: that differs between Python's versions and with the terminal's width.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import cliff.lister
import cliff.show
from cliff.command import Command as CliffCommand

from almajob.cli.app import AlmaJob
from almajob.cli.plugins.command_manager import Installed
from almajob.entry_points import is_core
from almajob.plugin import Lister, ShowOne

GENERAL = "They may stand before the command's name or after it; --version stands alone."
OUTPUT = (
    "They are those of all commands that print a result, and stand after the command's name. Results go to "
    "stdout, everything else to stderr."
)
_TITLES = {"positional arguments": "Arguments", "almajob": "Settings"}
_OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z_-]*[a-z]|-[a-z])(?![\w-])")


@dataclass(frozen=True, slots=True)
class Option:
    """An option, or an argument, which has no names.

    Attributes:
        value: what is typed after it, in argparse's notation; empty where nothing is.
    """

    names: tuple[str, ...]
    value: str
    help: str


@dataclass(frozen=True, slots=True)
class Group:
    """Options under one title."""

    title: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    Attributes:
        usage: what may stand after its name, in pieces that belong together.
        summary: the first paragraph of its description.
        text: the other paragraphs.
        examples: lines.
    """

    name: str
    usage: tuple[str, ...]
    summary: str
    text: tuple[str, ...]
    examples: tuple[str, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """All that the pages tell.

    Attributes:
        general: the options of every command.
        output: those of every command that prints a result.
    """

    commands: tuple[Command, ...]
    general: tuple[Group, ...]
    output: tuple[Group, ...]


# What tells an option from its namesakes: a command may have an --env or a -c that means something else.
_Key = tuple[tuple[str, ...], str | None]


class _List(Lister):
    """A list without options of its own."""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return (), ()


class _One(ShowOne):
    """One thing without options of its own."""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return (), ()


def read() -> Reference:
    """Read the application's parser and those of its own commands; a plugin's are left out."""
    app = AlmaJob()
    in_lists, in_ones = (kind(app, None, cmd_name="x").get_parser("x") for kind in (_List, _One))
    general = keys(app.parser)
    shared = general | keys(in_lists) | keys(in_ones)
    commands = []
    for name, item in app.command_manager:
        if isinstance(item, Installed) and is_core(item.claims[0]):
            commands.append(described(name, item.load()(app, None, cmd_name=name), shared))
    return Reference(
        commands=tuple(commands),
        general=tuple(_groups(app.parser, lambda action: True)),
        output=_output_groups(in_lists, in_ones, general),
    )


def split_at_options(text: str) -> Iterator[tuple[bool, str]]:
    """Return the pieces of a text, and whether each is the name of an option."""
    return ((number % 2 == 1, piece) for number, piece in enumerate(_OPTION.split(text)) if piece)


def keys(parser: argparse.ArgumentParser) -> set[_Key]:
    """Return what tells each of a parser's options from others."""
    return {_key(action) for action in parser._actions}


def _key(action: argparse.Action) -> _Key:
    # Each command's own -h has argparse's words, the application's has cliff's.
    return tuple(action.option_strings), None if action.dest == "help" else action.help


def described(name: str, command: CliffCommand, shared: set[_Key]) -> Command:
    """Read one command: its docstring, and its options but those that are told elsewhere."""
    parser = command.get_parser(f"almajob {name}")
    description, _, examples = command.get_description().partition("\nExamples:\n")
    summary, *text = (" ".join(part.split()) for part in re.split(r"\n\s*\n", description.strip()))

    def is_own(action: argparse.Action) -> bool:
        return _key(action) not in shared

    own = [action for action in _shown(parser._actions) if is_own(action)]
    prints = isinstance(command, cliff.lister.Lister | cliff.show.ShowOne)
    return Command(
        name=name,
        usage=(
            *_usage(parser, [action for action in own if action.option_strings]),
            *(["[output options]"] if prints else []),
            "[global options]",
            *_usage(parser, [action for action in own if not action.option_strings]),
        ),
        summary=summary,
        text=tuple(text),
        examples=tuple(textwrap.dedent(examples).splitlines()),
        groups=tuple(_groups(parser, is_own)),
    )


def _groups(parser: argparse.ArgumentParser, is_meant: Callable[[argparse.Action], bool]) -> Iterator[Group]:
    for group in parser._action_groups:
        options = [_option(action) for action in _shown(group._group_actions) if is_meant(action)]
        if options:
            yield Group(_title(group), tuple(options))


def _output_groups(
    in_lists: argparse.ArgumentParser, in_ones: argparse.ArgumentParser, general: set[_Key]
) -> tuple[Group, ...]:
    """Read the options of results once, and say which of them only lists have, or only one thing."""
    parsers = {"lists only": in_lists, "one thing only": in_ones}
    known = {where: {_key(action): action for action in parser._actions} for where, parser in parsers.items()}

    def told(action: argparse.Action) -> Option:
        # The defaults of the widths are the reader's environment.
        found = _option(action, has_default=False)
        where = [name for name in parsers if _key(action) in known[name]]
        if len(where) == 1:
            return replace(found, help=f"{found.help} ({where[0]})")
        choices = {name: set(known[name][_key(action)].choices or ()) for name in parsers}
        every = sorted(set().union(*choices.values()))
        alone = [
            f"{choice}: {name}"
            for choice in every
            for name in parsers
            if all((choice in choices[other]) == (other == name) for other in parsers)
        ]
        if not alone:
            return found
        return replace(found, value=f"{{{','.join(every)}}}", help=f"{found.help} ({'; '.join(alone)})")

    groups: dict[str, dict[_Key, Option]] = {}
    for parser in parsers.values():
        for group in parser._action_groups:
            for action in _shown(group._group_actions):
                if _key(action) not in general:
                    groups.setdefault(_title(group), {}).setdefault(_key(action), told(action))
    return tuple(Group(title, tuple(options.values())) for title, options in groups.items())


def _title(group: argparse._ArgumentGroup) -> str:
    title = group.title or "options"
    return _TITLES.get(title, title[0].upper() + title[1:])


def _shown(actions: Iterable[argparse.Action]) -> Iterator[argparse.Action]:
    return (action for action in actions if action.help != argparse.SUPPRESS)


def _option(action: argparse.Action, *, has_default: bool = True) -> Option:
    names = tuple(action.option_strings)
    text = (action.help or "") % {**vars(action), "prog": "almajob"}
    default = f"{action.default:g}" if isinstance(action.default, float) else action.default
    is_value = isinstance(default, str | int) and not isinstance(default, bool)
    if has_default and is_value and default not in ("", argparse.SUPPRESS) and "default" not in text:
        text = "; ".join(filter(None, [text, f"default: {default}"]))
    if names and action.required:
        text = f"{text} (required)" if text else "required"
    return Option(names, _value(action) if names else _word(action), text)


def _word(action: argparse.Action) -> str:
    if isinstance(action.metavar, tuple):
        return " ".join(action.metavar)
    if action.metavar is not None:
        return action.metavar
    if action.choices is not None:
        return f"{{{','.join(map(str, action.choices))}}}"
    return action.dest.upper() if action.option_strings else action.dest


def _value(action: argparse.Action) -> str:
    word = _word(action)
    forms = {None: word, "?": f"[{word}]", "*": f"[{word} ...]", "+": f"{word} [{word} ...]", "...": "..."}
    if isinstance(action.nargs, int):
        return word if isinstance(action.metavar, tuple) else " ".join([word] * action.nargs)
    return forms[action.nargs]


def _usage(parser: argparse.ArgumentParser, actions: list[argparse.Action]) -> Iterator[str]:
    """Return the pieces of the usage line; options that exclude each other are one piece."""
    for action in actions:
        groups = [group for group in parser._mutually_exclusive_groups if action in group._group_actions]
        if not groups:
            call = _call(action)
            yield f"[{call}]" if action.option_strings and not action.required else call
            continue
        among = [each for each in actions if each in groups[0]._group_actions]
        if action is among[0]:
            calls = " | ".join(map(_call, among))
            yield f"({calls})" if groups[0].required else f"[{calls}]"


def _call(action: argparse.Action) -> str:
    return " ".join(filter(None, [*action.option_strings[:1], _value(action)]))
