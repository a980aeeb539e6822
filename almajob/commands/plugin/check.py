"""``almajob plugin check``: whether the installed commands keep the rules."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.cli.plugins.conformance import check_claims
from almajob.cli.plugins.plugin_status import format_claims, installed_claims
from almajob.errors import ConfigurationError, UsageError


class PluginCheck(Lister):
    """Check that installed commands keep almajob's rules; nothing of them is run.

    A row for each rule that is not kept. Exit code 0: all are kept; 7: a command cannot be used, or
    does not keep them. The rules are those of docs/writing-a-plugin.md. Formats of other
    distributions are checked for whether they can be loaded.

    What other distributions installed is imported in processes of its own, for 10 seconds at most:
    one that ends its process is found, too.

    Examples:
      almajob plugin check
      almajob plugin check runs list
    """

    columns = ("name", "distribution", "problem", "version", "kind")
    brief = ("name", "kind", "distribution", "version", "problem")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "name",
            metavar="COMMAND",
            nargs="*",
            help="the command's name, or that of a format; all where not given",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        commands = self.app.command_manager
        wanted = " ".join(parsed_args.name)
        claims = [*installed_claims(commands, wanted), *format_claims(commands, wanted)]
        if not claims:
            raise UsageError(f"There is no command {wanted!r}.", hint="almajob plugin list shows all.")
        found = check_claims(claims, self.app)
        self.note_if_empty = f"{len(claims)} checked, no problems found."
        if found:
            names = {(claim.kind, claim.name) for claim, _problem in found}
            self.verdict = ConfigurationError(
                f"{len(names)} of {len(claims)} checked need attention.",
                hint="Tell their authors, or uninstall them.",
            )
        return self.columns, [
            (claim.name, claim.distribution, problem, claim.version, claim.kind) for claim, problem in found
        ]
