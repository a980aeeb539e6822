"""``almajob events``: what a run of the Student Information System rejected."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.cli.options.run_options import add_id_option
from almajob.jobs.run_reports import read_events
from almajob.output.columns import Fields, Text


class Events(Lister):
    """List the events of a user job's run: the users that it rejected.

    Only runs of jobs of the Student Information System have events.

    Examples:
      almajob --env sandbox events --id PROCESS_ID
      almajob --env sandbox events --id PROCESS_ID -f csv -c entity -c message
    """

    columns = ("id", "entity", "message", "fields")
    brief = ("entity", "message")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_id_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        found = read_events(self.context.alma, self.context.runs.process_id(parsed_args.run_id))
        return self.columns, (
            (Text(event.id), Text(event.entity.value), Text(event.message), Fields(event.fields))
            for event in found
        )
