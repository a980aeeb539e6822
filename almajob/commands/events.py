"""``almajob events``: what a run of the Student Information System rejected."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.cli.options.name_options import add_run_argument, process_id_of
from almajob.jobs.run_reports import read_events
from almajob.output.columns import Fields, Identifier, Sentence, Text


class Events(Lister):
    """List the users that a user job rejected, and why.

    Only jobs of the Student Information System have events.

    Examples:
      almajob --env sandbox events PROCESS_ID
      almajob --env sandbox events PROCESS_ID -f csv -c entity -c message
    """

    columns = ("id", "entity", "message", "fields")
    brief = ("entity", "message")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_run_argument(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        found = read_events(self.context.alma, process_id_of(parsed_args, self.context))
        return self.columns, (
            (Identifier(event.id), Text(event.entity.value), Sentence(event.message), Fields(event.fields))
            for event in found
        )
