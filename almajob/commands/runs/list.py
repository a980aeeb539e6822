"""``almajob runs list``: what was started from here, and what is still in doubt."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.cli.options.global_options import add_limit_option
from almajob.cli.options.value_types import non_empty
from almajob.output.run_views import LEDGER_COLUMNS, ledger_values
from almajob.runs.ledger_queries import list_runs


class RunsList(Lister):
    """List what was started from here, as the ledger has it; asks nothing of Alma.

    Runs whose outcome is in doubt come first, then the newest. All environments are shown, unless
    --env names one on the command line.

    Examples:
      almajob runs list
      almajob runs list --open
      almajob --env production runs list --job 'ERP export using profile FINANCE' -f json
    """

    columns = LEDGER_COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--open", action="store_true", help="only those whose outcome is in doubt")
        parser.add_argument(
            "--job", metavar="JOB", type=non_empty, help="only of this job (exact name, or id)"
        )
        add_limit_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        records = list_runs(
            self.context.ledger,
            environment=self.context.named_environment,
            job=parsed_args.job or "",
            only_open=parsed_args.open,
            limit=parsed_args.limit,
        )
        self.note_if_empty = (
            "No run is in doubt." if parsed_args.open else "Nothing was started from here yet."
        )
        return LEDGER_COLUMNS, [ledger_values(record) for record in records]
