"""``almajob runs show``: one run of the ledger, with all that happened to its start."""

from __future__ import annotations

import argparse

from almajob.cli.command import Result, ShowOne
from almajob.cli.options.global_options import add_run_argument
from almajob.output.run_views import RECORD_COLUMNS, record_values
from almajob.runs.run_reference import find_record


class RunsShow(ShowOne):
    """Show one run of the ledger: each step of its start, and what may be it; asks nothing of Alma.

    Examples:
      almajob runs show RUN
      almajob runs show invoices-of-may -f json
    """

    columns = RECORD_COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_run_argument(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        record = find_record(self.context.ledger, parsed_args.run, environment=self.context.named_environment)
        return RECORD_COLUMNS, record_values(record)
