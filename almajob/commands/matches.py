"""``almajob matches``: which records an import found to be in Alma already."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.cli.options.run_options import add_id_option
from almajob.jobs.run_reports import POPULATIONS, read_matches
from almajob.output.columns import Text, WordList


class Matches(Lister):
    """List the records of a metadata import that matched records in Alma.

    Examples:
      almajob --env sandbox matches --id PROCESS_ID --population single
      almajob --env sandbox matches --id PROCESS_ID --population multi -f json
    """

    columns = ("incoming_record_id", "mms_ids")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_id_option(parser)
        parser.add_argument(
            "--population",
            choices=tuple(POPULATIONS),
            required=True,
            help="records that matched a single record, or several",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        instance_id = self.context.runs.process_id(parsed_args.run_id)
        found = read_matches(self.context.alma, instance_id, parsed_args.population)
        return self.columns, ((Text(match.incoming_record_id), WordList(match.mms_ids)) for match in found)
