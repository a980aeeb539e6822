"""``almajob --help`` and ``almajob help``: every command in a line, and what cannot be used."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import cliff.command
from cliff.help import HelpExit

from almajob.system import stdio
from almajob.text.sanitize import sanitize

if TYPE_CHECKING:
    from almajob.cli.application import Application
    from almajob.cli.plugins.plugin_status import Claim


class HelpCommand(cliff.command.Command):
    """Show what a command does, or all commands."""

    def _load_hooks(self) -> None:
        self._hooks = []

    def get_epilog(self) -> str:
        # cliff's own reads the file list of every installed distribution.
        return ""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("words", metavar="COMMAND", nargs="*", help="the command's name")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        app = cast("Application", self.app)
        if parsed_args.words:
            return app.run_subcommand([*parsed_args.words, "--help"])
        stdio.write(format_page(app), app.stdout)
        return 0


class HelpAction(argparse.Action):
    """Print the page and end; cliff's own reads the file list of every installed distribution.

    Its default is the application.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        app: Application = self.default
        stdio.write(format_page(app), app.stdout)
        raise HelpExit


def format_page(app: Application) -> str:
    """Write the page."""
    from almajob.cli.plugins.plugin_status import installed_claims

    found = installed_claims(app.command_manager)
    return "\n".join([app.parser.format_help(), *_list_commands(found), *_list_unusable(found), ""])


def _list_commands(found: Sequence[Claim]) -> Iterator[str]:
    usable = [claim for claim in found if not claim.problem]
    width = max((len(claim.name) for claim in usable), default=0)
    yield "commands:"
    for claim in usable:
        origin = "" if claim.distribution == "almajob" else f" ({claim.distribution})"
        yield sanitize(f"  {claim.name:<{width}}  {claim.summary}{origin}")
    yield "\nalmajob COMMAND --help tells more of one."


def _list_unusable(found: Sequence[Claim]) -> Iterator[str]:
    unusable = [claim for claim in found if claim.problem]
    if unusable:
        yield "\ncommands that are installed and cannot be used:"
    for claim in unusable:
        named = f"{claim.distribution} {claim.version}".strip() or "unknown distribution"
        yield sanitize(f"  {claim.name}, from {named} ({claim.target}): {claim.problem}")
