"""How help looks: wrapped to the terminal, a command's own options first, examples last."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import groupby
from typing import Any

from almajob.output.formats import OUTPUT_OPTIONS
from almajob.text.command_line import fold_command

GLOBAL_OPTIONS = "global options"
SEVERAL_ENVIRONMENTS = "several environments"
EXAMPLES = "Examples:"
"""What stands before the examples in a command's description."""
_WIDEST = 100
# https://ecma-international.org/publications-and-standards/standards/ecma-48/: SGR.
_BOLD, _NORMAL = "\x1b[1m", "\x1b[0m"
_USAGE = "Usage: "
_NEEDED = "almajob_is_needed"


class HelpFormatter(argparse.HelpFormatter):
    """argparse's help, in which no word is broken and examples keep their lines.

    Args:
        is_bold: headings are bold.
    """

    def __init__(self, prog: str, *, is_bold: bool = False, **given: Any) -> None:
        columns = min(shutil.get_terminal_size().columns - 2, _WIDEST)
        super().__init__(prog, **{"width": columns, **given})
        self._is_bold = is_bold

    def start_section(self, heading: str | None) -> None:
        title = f"{(heading or '')[:1].upper()}{(heading or '')[1:]}"
        super().start_section(f"{_BOLD}{title}{_NORMAL}" if self._is_bold else title)

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        """Add a short usage: what must be typed, the arguments, and that there are options."""
        groups = list(groups)
        needed = {id(action) for group in groups if group.required for action in group._group_actions}
        shown = [
            as_needed(action)
            for action in actions
            if not action.option_strings or action.required or id(action) in needed
        ]
        options = argparse.Action([], "options", metavar="[options]")
        super().add_usage(usage, [*shown, options], groups, prefix or _USAGE)

    def _format_usage(self, *given: Any) -> str:
        # argparse breaks lines between groups of options alone, however long one is.
        width, self._width = self._width, sys.maxsize
        usage = super()._format_usage(*given)
        self._width = width
        return "\n".join(_wrap(usage, width, subsequent_indent=" " * len(_USAGE))) + "\n\n"

    def add_examples(self, lines: Sequence[str]) -> None:
        """Add a section of command lines; without any it is not shown."""
        self.start_section(EXAMPLES.rstrip(":"))
        self._add_item(self._format_lines, [lines])
        self.end_section()

    def _format_lines(self, lines: Iterable[str]) -> str:
        width, indent = self._width - self._current_indent, " " * self._current_indent
        return "".join(f"{indent}{part}\n" for line in lines for part in _fold(line, width))

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        # As Python 3.13 does: the value once, not after each name.
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"

    def _split_lines(self, text: str, width: int) -> list[str]:
        return [line for part in text.splitlines() for line in _wrap(part, width)]

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return textwrap.indent("\n".join(_refill(text, width)), indent)


def show_as_needed(argument: argparse.Action) -> None:
    """Make the usage show an argument that may be empty for argparse, as an option may stand for it."""
    setattr(argument, _NEEDED, True)


def as_needed(action: argparse.Action) -> argparse.Action:
    """Return an argument as the usage shows it."""
    if not getattr(action, _NEEDED, False):
        return action
    needed = copy(action)
    needed.nargs = {"?": None, "*": "+"}.get(str(action.nargs), action.nargs)
    return needed


def _wrap(text: str, width: int, **given: Any) -> list[str]:
    """Break a paragraph between words only: not within --cache-dir, nor within an address."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False, **given)


def _refill(text: str, width: int) -> Iterator[str]:
    """Fill the paragraphs of a text; lines that are indented stay lines."""
    for stays, lines in groupby(text.splitlines(), lambda line: line[:1].strip() == ""):
        if stays:
            for line in lines:
                yield from _fold(line, width)
        else:
            yield from _wrap(" ".join(lines), width)


def _fold(line: str, width: int) -> list[str]:
    """Break a line that is too long: a command line as a shell reads it on, between two of its words."""
    if len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    if not line.lstrip().startswith("almajob "):
        return _wrap(line.strip(), width, initial_indent=indent, subsequent_indent=indent)
    return fold_command(line, width)


def list_sections(parser: argparse.ArgumentParser) -> list[tuple[str, list[argparse.Action]]]:
    """Return a parser's options under their titles: the command's own first, the global ones last.

    Groups of one title are one section. What is not shown is left out.
    """
    sections: dict[str, list[argparse.Action]] = {}
    for group in parser._action_groups:
        title = {"positional arguments": "arguments"}.get(group.title or "", group.title or "options")
        shown = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        sections.setdefault(title, []).extend(shown)
    ranks = {SEVERAL_ENVIRONMENTS: 1, OUTPUT_OPTIONS: 2, GLOBAL_OPTIONS: 3}
    return sorted(
        ((title, actions) for title, actions in sections.items() if actions),
        key=lambda section: ranks.get(section[0], 0),
    )


def format_help(parser: argparse.ArgumentParser, *, is_bold: bool = False) -> str:
    """Write the help of a command."""
    formatter = HelpFormatter(parser.prog, is_bold=is_bold)
    description, _, examples = (parser.description or "").partition(f"\n{EXAMPLES}\n")
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups)
    formatter.add_text(description)
    for title, actions in list_sections(parser):
        formatter.start_section(title)
        formatter.add_arguments(actions)
        formatter.end_section()
    formatter.add_examples(textwrap.dedent(examples).splitlines())
    formatter.add_text(parser.epilog)
    return formatter.format_help()
