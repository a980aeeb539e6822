"""``almajob notify list``: who is notified, of what, and which sections say so."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.config.ini_sections import NOTIFY_HEADING
from almajob.config.saved_runs import read_all
from almajob.errors import AlmajobError
from almajob.notify.names import list_uses
from almajob.notify.targets import read_target
from almajob.output.columns import Identifier, Sentence, Text, WordList
from almajob.system import key_variables


class NotifyList(Lister):
    """List who is notified, and of what.

    There is a row for each section [notify:NAME] of the configuration file. used_by lists the
    environments, jobs and saved runs that name it: a section that nothing names is used by
    run --notify NAME alone. Nothing is sent.

    Examples:
      almajob notify list
      almajob notify list -f json
    """

    columns = ("name", "type", "on", "used_by", "problem", "source")
    brief = ("name", "type", "on", "used_by", "problem")
    least_needed = ("on",)
    note_if_empty = "Nobody is notified. A section [notify:NAME] of the configuration file changes that."

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        settings, rows = self.context.settings, []
        runs = {name: saved.section for name, saved in read_all(settings).items()}
        uses = list(list_uses(settings, runs))
        for name in settings.notifications:
            on: tuple[str, ...] = ()
            kind = problem = ""
            try:
                target = read_target(settings, name, key_variables.environ())
                kind, on = target.type, target.on
                target.make().check()
            except AlmajobError as error:
                problem = f"{error.message} {error.reason}".strip()
            used_by = dict.fromkeys(owner for used, owner, _given in uses if used == name)
            row = (Identifier(name), Identifier(kind), WordList(on), WordList(list(used_by)))
            source = settings.ini.path if settings.ini else ""
            rows.append((*row, Sentence(problem), Text(f"{source} [{NOTIFY_HEADING}{name}]")))
        return self.columns, rows
