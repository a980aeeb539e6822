"""``almajob plugin list``: every command that is installed, whose it is, and whether it can be used."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.cli.plugins.plugin_status import (
    BROKEN,
    CLASH,
    DISABLED,
    OK,
    REFUSED,
    all_claims,
)
from almajob.output.columns import Identifier, Name, Sentence, Text, Tone, Word

_TONES = {OK: Tone.GOOD, BROKEN: Tone.BAD, CLASH: Tone.BAD, REFUSED: Tone.BAD, DISABLED: Tone.WARNING}


class PluginList(Lister):
    """List all installed commands and where they come from.

    What other packages add besides is listed too: formats of -f, descriptions of groups of
    commands, observers and notifiers. State: ok; broken, it cannot be loaded; clash, several packages
    claim the name and none gets it; refused, the name is almajob's own; disabled, by
    disable_plugins or ALMAJOB_PLUGINS. To find out, each that is not disabled is imported in a
    separate process, for at most 10 seconds.
    Api is the version of the plugin API that a command, an observer or a notifier
    says it needs.

    Examples:
      almajob plugin list
      almajob plugin list -f json
    """

    environments = "none"
    columns = ("name", "command_class", "distribution", "version", "state", "problem", "kind", "api")
    brief = ("name", "kind", "command_class", "distribution", "version", "state", "problem")
    least_needed = ("command_class", "version", "kind", "distribution")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        return self.columns, [
            (
                *(Identifier(claim.name), Name(claim.target), Text(claim.distribution)),
                *(Identifier(claim.version), Word(claim.state, _TONES), Sentence(claim.problem)),
                *(Identifier(claim.kind), Identifier(claim.api)),
            )
            for claim in all_claims(self.app.command_manager)
        ]
