"""``almajob plugin check``: whether the installed commands keep the rules."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.cli.plugins.command_manager import Commands
from almajob.cli.plugins.conformance import check_claims
from almajob.cli.plugins.plugin_status import DISABLED, Claim, all_claims
from almajob.errors import ConfigurationError, UsageError
from almajob.output.columns import Identifier, Sentence, Text
from almajob.output.format_registry import find_plugin_formats
from almajob.text.suggestions import find_near


class PluginCheck(Lister):
    """Check that installed commands follow almajob's rules.

    Runs none of them. There is a row for each rule that a command, an observer or a notifier
    breaks. The rules are in docs/writing-a-plugin.md, docs/observers.md and docs/notifications.md.
    Formats of other packages are checked for whether they can be loaded. Everything from other
    packages is imported in a separate process, for at most 10 seconds.

    Exit codes: 0 all rules are kept. 7 a command cannot be used, or breaks a rule.

    Examples:
      almajob plugin check
      almajob plugin check runs list
    """

    environments = "none"
    columns = ("name", "distribution", "problem", "version", "kind")
    brief = ("name", "kind", "distribution", "version", "problem")
    least_needed = ("version", "kind", "distribution")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "name",
            metavar="COMMAND",
            nargs="*",
            help="a command, a group with its commands, a format, an observer or a notifier, or several "
            "that have one word each (default: all of them)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        commands = self.app.command_manager
        wanted = " ".join(parsed_args.name)
        claims = _find_claims(commands, wanted) if wanted else all_claims(commands)
        if not claims and len(parsed_args.name) > 1:
            found_each = [_find_claims(commands, name) for name in parsed_args.name]
            claims = [claim for each in found_each for claim in each] if all(found_each) else []
        # What is disabled on purpose is no fault, unless somebody asks about it.
        claims = [claim for claim in claims if claim.state != DISABLED] or claims
        if not claims:
            raise _unknown(wanted, commands)
        found = check_claims(claims, self.app)
        self.note_if_empty = f"{len(claims)} checked, no problems found."
        if found:
            odd = {(claim.kind, claim.name) for claim, _problem in found}
            self.verdict = ConfigurationError(
                f"{len(odd)} of {len(claims)} checked need attention.",
                hint="Fix, upgrade or uninstall them, or tell their authors.",
            )
        return self.columns, [
            (
                *(Identifier(claim.name), Text(claim.distribution), Sentence(problem)),
                *(Identifier(claim.version), Identifier(claim.kind)),
            )
            for claim, problem in found
        ]


def _find_claims(commands: Commands, name: str) -> list[Claim]:
    """Judge what has a name, and all commands of the group that has it."""
    within = [each.name for each in commands.installed if each.name.startswith(f"{name} ")]
    return all_claims(commands, [name, *within])


def _unknown(wanted: str, commands: Commands) -> UsageError:
    formats = find_plugin_formats(commands.formatters)
    names = [*(each.name for each in commands.installed), *formats]
    near = find_near(wanted, [*names, *(point.name for point in (*commands.observers, *commands.notifiers))])
    meant = f"Did you mean: {', '.join(near)}?\n" if near else ""
    return UsageError(
        f"There is no command, format, observer or notifier {wanted!r}.",
        hint=f"{meant}See almajob plugin list for all of them.",
    )
