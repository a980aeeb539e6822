"""``almajob status``: how a run stands, or how it ended."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from almajob.plugin import RUN_COLUMNS, ShowOne, non_empty, process_id, run_values


class Status(ShowOne):
    """Show how a run stands, or how it ended.

    The run is named by its Process ID, which almajob run and Alma's Monitor Jobs show.
    The exit code is 0 whatever the status is: to look succeeded.

    Examples:
      almajob --env sandbox status --id PROCESS_ID
      almajob --env sandbox status --job 'ERP export using profile FINANCE' --id PROCESS_ID
    """

    columns = RUN_COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--id",
            dest="instance_id",
            metavar="ID",
            type=process_id,
            required=True,
            help="the run's Process ID",
        )
        parser.add_argument(
            "--job", metavar="JOB", type=non_empty, help="make sure that it is a run of this job (name or id)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return RUN_COLUMNS, run_values(self.context.runs.look(parsed_args.instance_id, parsed_args.job))
