"""``almajob schedule install``: start a saved run at set times, by systemd or cron."""

from __future__ import annotations

import argparse
import logging

from almajob.cli.command import Lister, Result
from almajob.cli.options.schedule_options import (
    add_saved_argument,
    add_time_options,
    add_way_options,
    read_times,
)
from almajob.output.columns import Identifier, Text

LOG = logging.getLogger(__name__)


class ScheduleInstall(Lister):
    """Start a saved run at set times, by systemd or cron.

    Writes a service, a timer and a service that notifies of failures; or with --cron a line of a
    crontab. The saved run keeps its times (at, timezone, splay), so that almajob check can tell
    what did not start. Each file and each command is listed. Repeated, it changes nothing.

    Each time of the schedule starts the run once, however often the service tries. In production
    nobody is asked then.

    Examples:
      almajob --env production schedule install invoices --at 05:15 --user
      almajob --env sandbox schedule install invoices --at 5:15 --user --dry-run
    """

    columns = ("action", "target")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_saved_argument(parser)
        add_time_options(parser)
        add_way_options(parser)
        parser.add_argument("--dry-run", action="store_true", help="list the steps, and do none of them")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.schedule.changes import Asked, find_way, plan_whole_install, read_run
        from almajob.schedule.places import SKIP, carry_out

        way = find_way(is_user=parsed_args.user, is_system=parsed_args.system, is_cron=parsed_args.cron)
        run = read_run(Asked(parsed_args.saved, *read_times(parsed_args)), self.context, way)
        steps = plan_whole_install(self.context, run, way)
        if not parsed_args.dry_run:
            carry_out(steps)
            if any(step.action == SKIP for step in steps):
                LOG.warning("systemd does not run here. Run the commands that were not run where it does.")
            elif not (way.is_system or way.is_cron):
                LOG.info("It is started while you are logged in; always after: loginctl enable-linger")
        return self.columns, [(Identifier(step.action), Text(step.target)) for step in steps]
