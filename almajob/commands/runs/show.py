"""``almajob runs show``: one run of the ledger, with all that happened to its start."""

from __future__ import annotations

import argparse

from almajob.cli.command import Result, ShowOne
from almajob.cli.options.name_options import add_run_argument, record_of
from almajob.output.run_views import RECORD_COLUMNS, record_values
from almajob.runs.ledger_queries import read_archived


class RunsShow(ShowOne):
    """Show each step of a run's start (makes no API call).

    The steps come from the ledger on this machine, and so do the candidates: runs in Alma that
    may be this one. A run that was archived is read from its archive.

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
        record = read_archived(self.context.ledger, record_of(parsed_args, self.context))
        return RECORD_COLUMNS, record_values(record)
