"""``almajob schedule show``: the units or cron lines of a saved run, as they would be installed."""

from __future__ import annotations

import argparse
import json
from functools import partial

from almajob.cli.command import Command
from almajob.cli.options.schedule_options import (
    add_saved_argument,
    add_time_options,
    add_way_options,
    read_times,
)


class ScheduleShow(Command):
    """Show the systemd units or cron lines of a saved run.

    What is shown is what almajob schedule install writes, byte for byte: above each file is a
    line with its path. -f json prints an array of files with their texts. Nothing is written.

    Examples:
      almajob --env production schedule show invoices --at 'Mon..Fri 5:15'
      almajob --env production schedule show invoices --at 05:15 --cron --user
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_saved_argument(parser)
        add_time_options(parser)
        add_way_options(parser)
        form = partial(parser.add_argument, dest="form", default="text")
        form("-f", "--format", choices=("text", "json"), help="form of the files (default: text)")
        form("--json", action="store_const", const="json", help="the same as -f json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from almajob.schedule.changes import Asked, find_way, read_run
        from almajob.schedule.places import list_texts

        way = find_way(is_user=parsed_args.user, is_system=parsed_args.system, is_cron=parsed_args.cron)
        run = read_run(Asked(parsed_args.saved, *read_times(parsed_args)), self.context, way)
        texts = list_texts(run, way)
        if parsed_args.form == "json":
            files = [{"file": path, "text": text} for path, text in texts.items()]
            self.app.stdout.write(f"{json.dumps(files, indent=2, ensure_ascii=False)}\n")
            return
        self.app.stdout.write("\n".join(f"# {path}\n{text}" for path, text in texts.items()))
