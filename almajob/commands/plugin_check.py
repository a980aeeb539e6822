"""``almajob plugin check``: whether the installed commands keep the rules."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from almajob.plugin import ConfigurationError, Lister, UsageError, installed_claims, violations


class PluginCheck(Lister):
    """Check that installed commands keep almajob's rules; nothing of them is run.

    A row for each rule that is not kept. Exit code 0: all are kept; 7: a command cannot be used, or
    does not keep them. The rules are those of docs/writing-a-plugin.md.

    Examples:
      almajob plugin check
      almajob plugin check runs list
    """

    columns = ("name", "distribution", "problem")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "name", metavar="COMMAND", nargs="*", help="the command's name; all where not given"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        commands = self.app.command_manager
        wanted = " ".join(parsed_args.name)
        claims = [claim for claim in installed_claims(commands) if wanted in ("", claim.name)]
        if not claims:
            raise UsageError(f"There is no command {wanted!r}.", cure="almajob plugin list shows all.")
        rows = []
        for claim in claims:
            problems = [claim.problem]
            if not claim.problem:
                command = commands.commands[claim.name].load()
                problems = violations(command, claim.name, self.app)
            rows += [(claim.name, claim.distribution, problem) for problem in problems]
        self.note_if_empty = f"{len(claims)} checked: the rules are kept."
        if rows:
            self.verdict = ConfigurationError(
                f"{len({row[0] for row in rows})} of {len(claims)} commands checked need attention.",
                cure="Tell their authors, or uninstall them.",
            )
        return self.columns, rows
