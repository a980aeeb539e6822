"""``almajob runs resolve``: say what became of a start, where only a person can."""

from __future__ import annotations

import argparse
import getpass

from almajob.cli.command import Result, ShowOne
from almajob.cli.options.name_options import add_run_argument, record_of
from almajob.cli.options.value_types import process_id
from almajob.output.run_views import RECORD_COLUMNS, record_values


class RunsResolve(ShowOne):
    """Record what became of a start that almajob cannot find.

    Check in Alma first, in Admin > Monitor Jobs: almajob believes what is recorded here.

    Examples:
      almajob runs resolve RUN --adopt PROCESS_ID
      almajob runs resolve RUN --not-started
    """

    columns = RECORD_COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_run_argument(parser)
        word = parser.add_mutually_exclusive_group(required=True)
        word.add_argument(
            "--adopt",
            dest="instance_id",
            metavar="PROCESS_ID",
            type=process_id,
            help="it was started, and this is its run",
        )
        word.add_argument(
            "--not-started", action="store_true", help="it was not started, and may be started again"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        context = self.context
        record = record_of(parsed_args, context)
        runs = context.called_for(record).runs
        resolved = runs.resolve(record, instance_id=parsed_args.instance_id or "", by=f"user {_name_user()}")
        return RECORD_COLUMNS, record_values(resolved)


def _name_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "(unknown)"
