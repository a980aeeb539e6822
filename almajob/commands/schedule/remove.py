"""``almajob schedule remove``: remove what started a saved run."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.cli.options.schedule_options import add_saved_argument
from almajob.output.columns import Identifier, Text


class ScheduleRemove(Lister):
    """Remove the schedule of a saved run.

    Removes what almajob schedule install has made, in systemd or in cron, and the times from the
    saved run; the saved run itself stays. A run that goes on is not stopped. Each file and each
    command is listed.

    Examples:
      almajob --env production schedule remove invoices
      almajob --env production schedule remove invoices --dry-run
    """

    columns = ("action", "target")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_saved_argument(parser)
        parser.add_argument("--dry-run", action="store_true", help="list the steps, and do none of them")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.schedule.changes import plan_whole_remove
        from almajob.schedule.places import carry_out

        name, environment = parsed_args.saved, self.context.environment.name
        steps = plan_whole_remove(self.context, name, environment)
        self.note_if_empty = f"{name} has no schedule for {environment}."
        if not parsed_args.dry_run:
            carry_out(steps)
        return self.columns, [(Identifier(step.action), Text(step.target)) for step in steps]
