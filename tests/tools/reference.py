"""What the commands' parsers know, read for the pages that tell of it: the options in the parsers' own words.

Nothing is taken from argparse's help: that differs between Python's versions and with the terminal's width.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import cliff.lister
import cliff.show
from cliff.command import Command as CliffCommand

from almajob.cli.app import AlmaJob
from almajob.cli.command_groups import group_names
from almajob.cli.help_format import SEVERAL_ENVIRONMENTS, as_needed, list_sections
from almajob.cli.plugins.command_manager import Installed
from almajob.entry_points import is_core
from almajob.plugin import Lister, ShowOne

GENERAL = "These go before or after the command's name; --version stands alone."
OUTPUT = (
    "Every command that prints a result takes these, after its name. Results go to stdout, everything else "
    "to stderr."
)
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
        headings: the names of the commands under the headings of the help; all are in the order of the help.
        general: the options of every command.
        output: those of every command that prints a result.
    """

    headings: dict[str, list[str]]

    commands: tuple[Command, ...]
    general: tuple[Option, ...]
    output: tuple[Option, ...]


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
    kinds = {
        name: item.load()
        for name, item in app.command_manager
        if isinstance(item, Installed) and is_core(item.claims[0])
    }
    headings = group_names(kinds)
    return Reference(
        headings=headings,
        commands=tuple(
            described(name, kinds[name](app, None, cmd_name=name), shared)
            for name in chain.from_iterable(headings.values())
        ),
        general=tuple(map(_option, _shown(app.parser._actions))),
        output=tuple(_output_options(in_lists, in_ones, general)),
    )


def split_at_options(text: str) -> Iterator[tuple[bool, str]]:
    """Return the pieces of a text, and whether each is the name of an option."""
    return ((number % 2 == 1, piece) for number, piece in enumerate(_OPTION.split(text)) if piece)


def keys(parser: argparse.ArgumentParser) -> set[_Key]:
    """Return what tells each of a parser's options from others."""
    return {_key(action) for action in parser._actions}


def _key(action: argparse.Action) -> _Key:
    return tuple(action.option_strings), action.help


def described(name: str, command: CliffCommand, shared: set[_Key]) -> Command:
    """Read one command: its docstring, and its options but those that are told elsewhere."""
    parser = command.get_parser(f"almajob {name}")
    description, _, examples = command.get_description().partition("\nExamples:\n")
    summary, *text = (" ".join(part.split()) for part in re.split(r"\n\s*\n", description.strip()))

    def is_own(action: argparse.Action) -> bool:
        return _key(action) not in shared

    own = [action for action in _shown(parser._actions) if is_own(action)]
    last = [
        action for title, found in list_sections(parser) if title == SEVERAL_ENVIRONMENTS for action in found
    ]
    own.sort(key=last.__contains__)
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
    for title, actions in list_sections(parser):
        options = [_option(action) for action in actions if is_meant(action)]
        if options:
            yield Group(title[0].upper() + title[1:], tuple(options))


def _output_options(
    in_lists: argparse.ArgumentParser, in_ones: argparse.ArgumentParser, general: set[_Key]
) -> Iterator[Option]:
    """Read the options of results once, and say what of them only lists have, or only one thing."""
    parsers = {"lists only": in_lists, "one thing only": in_ones}
    known = {where: {_key(action): action for action in parser._actions} for where, parser in parsers.items()}
    found = {key: action for actions in known.values() for key, action in actions.items()}
    for key, action in found.items():
        if key in general or action.help == argparse.SUPPRESS:
            continue
        having = {where: actions[key] for where, actions in known.items() if key in actions}
        # The defaults of the widths are the reader's environment.
        option = _option(action, _label_choices(having), has_default=False)
        only = f" ({next(iter(having))})" if len(having) == 1 else ""
        yield replace(option, help=option.help + only)


def _label_choices(having: Mapping[str, argparse.Action]) -> Iterator[str]:
    """Name the choices of an option, and where there is only one of the kinds that have it, which."""
    choices = {where: set(map(str, action.choices or ())) for where, action in having.items()}
    for choice in sorted(set().union(*choices.values())):
        where = [name for name, among in choices.items() if choice in among]
        yield choice if len(where) == len(having) else f"{choice} ({where[0]})"


def _shown(actions: Iterable[argparse.Action]) -> Iterator[argparse.Action]:
    return (action for action in actions if action.help != argparse.SUPPRESS)


def _option(
    action: argparse.Action, choices: Iterable[object] | None = None, *, has_default: bool = True
) -> Option:
    names = tuple(action.option_strings)
    listed = ", ".join(map(str, action.choices or () if choices is None else choices))
    text = (action.help or "") % {**vars(action), "choices": listed, "prog": "almajob"}
    default = f"{action.default:g}" if isinstance(action.default, float) else action.default
    is_value = isinstance(default, str | int) and not isinstance(default, bool)
    if (
        has_default
        and action.nargs != 0
        and is_value
        and default not in ("", argparse.SUPPRESS)
        and "default" not in text
    ):
        text = " ".join(filter(None, [text, f"(default: {default})"]))
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
    return " ".join(filter(None, [*action.option_strings[:1], _value(as_needed(action))]))
