"""``-h`` and ``--help``: a page of help, in a pager where somebody reads it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from cliff.help import HelpExit

from almajob.cli.console.pager import show_page
from almajob.cli.help_format import GLOBAL_OPTIONS, format_help


class HelpAction(argparse.Action):
    """Show a page of help and end.

    Args:
        show: shows it.
    """

    def __init__(self, *given: Any, show: Callable[[], None], **more: Any) -> None:
        super().__init__(*given, **more)
        self._show = show

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        self._show()
        raise HelpExit


def add_help_option(
    parser: argparse.ArgumentParser, stream: TextIO, make: Callable[[bool], str] | None = None
) -> None:
    """Make a parser show its help as almajob does, in place of what its ``--help`` did before.

    Args:
        stream: where it is shown.
        make: writes the page, with bold headings or without; where not given, it is the parser's own.
    """
    page = make or (lambda is_bold: format_help(parser, is_bold=is_bold))
    before = parser._option_string_actions.get("--help")
    if before is not None:
        parser._handle_conflict_resolve(before, [(name, before) for name in list(before.option_strings)])
    parser.add_argument_group(GLOBAL_OPTIONS).add_argument(
        *("-h", "--help"),
        action=HelpAction,
        nargs=0,
        default=argparse.SUPPRESS,
        show=lambda: show_page(page, stream),
        help="show this help and exit",
    )
    parser.format_help = lambda: page(False)  # type: ignore[method-assign]
