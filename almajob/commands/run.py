"""``almajob run``: start a job, once."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from almajob.plugin import RUN_COLUMNS, ShowOne, UsageError, non_empty, run_values, seconds


class Run(ShowOne):
    """Start a job, once, and show its run.

    Exit code 0: started; with --wait: ended well, or with warnings. 3: ended, and not well.
    8: still running after --timeout. 9: it cannot be told whether it was started; look before
    you start it again.

    Examples:
      almajob --env sandbox run --job 'ERP export using profile FINANCE'
      almajob --env sandbox run --job S9563600010000561 --wait -f json
    """

    columns = RUN_COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--job",
            metavar="JOB",
            type=non_empty,
            required=True,
            help="the job's exact name, or its id",
        )
        parser.add_argument("--wait", action="store_true", help="follow the run to its end")
        parser.add_argument(
            "--timeout",
            metavar="SECONDS",
            type=seconds,
            help="with --wait: stop looking after this time (exit code 8), while the job goes on; "
            "without it, wait as long as it takes",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        if parsed_args.timeout is not None and not parsed_args.wait:
            raise UsageError("--timeout says how long to wait.", cure="Add --wait.")
        runs = self.context.runs
        run = runs.start(parsed_args.job)
        if parsed_args.wait:
            run = runs.follow(run, timeout=parsed_args.timeout)
            self.verdict = run.verdict
        return RUN_COLUMNS, run_values(run)
