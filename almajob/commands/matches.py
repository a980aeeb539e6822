"""``almajob matches``: which records an import found to be in Alma already."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.cli.options.name_options import add_run_argument, process_id_of
from almajob.jobs.run_reports import POPULATIONS, read_matches
from almajob.output.columns import Identifier, WordList


class Matches(Lister):
    """List imported records that matched records in Alma.

    Examples:
      almajob --env sandbox matches PROCESS_ID --population single
      almajob --env sandbox matches PROCESS_ID --population multi -f json
    """

    columns = ("incoming_record_id", "mms_ids")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_run_argument(parser)
        parser.add_argument(
            "--population",
            choices=tuple(POPULATIONS),
            required=True,
            help="records that matched one record (single) or several (multi)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        instance_id = process_id_of(parsed_args, self.context)
        found = read_matches(self.context.alma, instance_id, parsed_args.population)
        return self.columns, (
            (Identifier(match.incoming_record_id), WordList(match.mms_ids)) for match in found
        )
