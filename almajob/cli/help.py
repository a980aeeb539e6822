"""The pages of ``--help`` and ``help``: of all commands, of a group of them, of one."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, cast

import cliff.command

from almajob.cli.command_groups import SUMMARIES, find_group, group_names
from almajob.cli.console.pager import show_page
from almajob.cli.help_format import HelpFormatter, list_sections
from almajob.cli.options.help_option import add_help_option
from almajob.text.sanitize import sanitize

if TYPE_CHECKING:
    from almajob.cli.application import Application
    from almajob.cli.plugins.plugin_status import Claim

Rows = Iterable[tuple[str, str]]
"""Names, each with what it is."""


class HelpCommand(cliff.command.Command):
    """Show the help of a command, of a group of commands, or of all."""

    def _load_hooks(self) -> None:
        self._hooks = []

    def get_epilog(self) -> str:
        # cliff's own reads the file list of every installed distribution.
        return ""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("words", metavar="COMMAND", nargs="*", help="the command's name")
        add_help_option(parser, cast("Application", self.app).stdout)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        app = cast("Application", self.app)
        if parsed_args.words:
            return app.run_subcommand([*parsed_args.words, "--help"])
        show_page(partial(format_all, app), app.stdout)
        return 0


def format_all(app: Application, is_bold: bool = False, also: Mapping[str, Rows] | None = None) -> str:
    """Write the page of all commands: the common ones first, then those of plugins, then the options.

    Args:
        also: sections that come before the global options.
    """
    from almajob.cli.plugins.plugin_status import installed_claims

    claims = installed_claims(app.command_manager)
    parser = app.parser
    commands = HelpFormatter(parser.prog, is_bold=is_bold)
    commands.add_text(parser.description)
    commands.add_usage("%(prog)s [global options] COMMAND [options]", (), ())
    for title, rows in (*_list_usable(claims), *(also or {}).items(), *_list_unusable(claims)):
        _add_section(commands, title, rows)
    options = HelpFormatter(parser.prog, is_bold=is_bold)
    for title, actions in list_sections(parser):
        options.start_section(title)
        options.add_arguments(actions)
        options.end_section()
    options.add_text(f"Run {parser.prog} COMMAND --help for details.")
    return f"{commands.format_help()}\n{options.format_help()}"


def format_group(app: Application, group: str, is_bold: bool = False) -> str:
    """Write the page of the commands whose names begin with the same word or words."""
    from almajob.cli.plugins.plugin_status import group_claims, installed_claims

    names = [name for name, _entry in app.command_manager if name.startswith(f"{group} ")]
    described = group_claims(app.command_manager, [group])
    claims = [*installed_claims(app.command_manager, names), *(claim for claim in described if claim.problem)]
    page = HelpFormatter(app.parser.prog, is_bold=is_bold)
    page.add_usage(f"%(prog)s {group} COMMAND [options]", (), ())
    for text in (SUMMARIES.get(group, ""), *(claim.summary for claim in described)):
        # argparse fills in a text that has the program's name, and no other.
        escaped = text.replace("%", "%%") if "%(prog)" in text else text
        page.add_text(sanitize(escaped, keep="\n"))
    usable = [(claim.name, claim.summary) for claim in claims if not claim.problem]
    for title, rows in (("commands", usable), *_list_unusable(claims)):
        _add_section(page, title, rows)
    page.add_text(f"Run %(prog)s {group} COMMAND --help for details.")
    return page.format_help()


def group_in(app: Application, words: Sequence[str]) -> str:
    """Return the group of commands that the words name; empty where they name none."""
    return find_group((name for name, _entry in app.command_manager), words)


def _list_usable(claims: Sequence[Claim]) -> Iterator[tuple[str, Rows]]:
    usable = [claim for claim in claims if not claim.problem]
    own = {claim.name: claim.summary for claim in usable if claim.distribution == "almajob"}
    for heading, names in group_names(own).items():
        yield heading, [(name, own[name]) for name in names]
    others = sorted((claim for claim in usable if claim.name not in own), key=lambda each: each.distribution)
    for distribution, found in groupby(others, lambda each: each.distribution):
        title = f"From {distribution or 'an unknown distribution'}"
        yield title, [(claim.name, claim.summary) for claim in found]


def _list_unusable(claims: Sequence[Claim]) -> Iterator[tuple[str, Rows]]:
    unusable = [claim for claim in claims if claim.problem]
    if unusable:
        yield "commands that are installed and cannot be used", map(_describe_unusable, unusable)


def _describe_unusable(claim: Claim) -> tuple[str, str]:
    from almajob.cli.plugins.plugin_status import COMMAND_GROUP

    origin = f"{claim.distribution} {claim.version}".strip() or "unknown distribution"
    what = "its description, " if claim.kind == COMMAND_GROUP else ""
    target = "" if claim.target == claim.distribution else f" ({claim.target})"
    return claim.name, f"{what}from {origin}{target}: {claim.problem}"


def _add_section(page: HelpFormatter, title: str, rows: Rows) -> None:
    page.start_section(sanitize(title))
    for name, what in rows:
        # argparse puts values where help has a per cent sign.
        text = sanitize(what).replace("%", "%%")
        page.add_argument(argparse.Action([], name, metavar=sanitize(name), help=text))
    page.end_section()
