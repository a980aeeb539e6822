"""``almajob plugin list``: every command that is installed, whose it is, and whether it can be used."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.cli.plugins.plugin_status import format_claims, installed_claims


class PluginList(Lister):
    """List every installed command: its class, its distribution, and whether it can be used.

    The formats that other distributions add to -f are listed, too. State: ok; broken, it cannot be
    loaded; clash, several distributions claim the name and none gets it; refused, the name is
    almajob's own. To find out, each is imported in another process, for 10 seconds at most.

    Examples:
      almajob plugin list
      almajob plugin list -f json
    """

    columns = ("name", "command_class", "distribution", "version", "state", "problem", "kind")
    brief = ("name", "kind", "command_class", "distribution", "version", "state", "problem")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        commands = self.app.command_manager
        claims = [*installed_claims(commands), *format_claims(commands)]
        return self.columns, [claim[: len(self.columns)] for claim in claims]
