"""``almajob history``: the runs of a job, as Alma remembers them."""

from __future__ import annotations

import argparse
from functools import partial

from almajob.cli.command import Lister, Result
from almajob.cli.options.global_options import add_limit_option
from almajob.cli.options.value_types import moment, non_empty, status
from almajob.errors import UsageError
from almajob.jobs.history import Period, read_history
from almajob.output.run_views import RUN_COLUMNS, run_values


class History(Lister):
    """List the runs of a job, whoever started them: those that go on first, then the newest.

    Examples:
      almajob --env sandbox history --job 'ERP export using profile FINANCE'
      almajob --env sandbox history --job 'ERP export using profile FINANCE' --since 7d
      almajob --env sandbox history --job M44 --since 2026-11-01 --until 2026-11-07 -f csv
      almajob --env sandbox history --job M44 --status FAILED --limit 0 -f json
    """

    columns = RUN_COLUMNS
    brief = ("instance_id", "status", "submit_time", "seconds", "progress", "submitted_by", "passed")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--job", metavar="JOB", type=non_empty, required=True, help="the job's exact name, or its id"
        )
        parser.add_argument(
            "--since",
            metavar="WHEN",
            type=moment,
            help="submitted since then: 7d or 12h ago, a day (2026-11-01, local time) or a time",
        )
        parser.add_argument(
            "--until",
            metavar="WHEN",
            type=partial(moment, ends_day=True),
            help="submitted until then; a day is included",
        )
        parser.add_argument(
            "--status",
            metavar="STATUS",
            type=status,
            help="only with this status, such as FAILED",
        )
        add_limit_option(parser)
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        first, last = parsed_args.since, parsed_args.until
        if first and last and first >= last:
            raise UsageError("--since is not before --until.", hint="Swap the two.")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        job = self.context.catalogue.find(parsed_args.job)
        wanted = Period(parsed_args.since, parsed_args.until, parsed_args.status or "")
        found = read_history(self.context.alma, job.id, wanted, limit=parsed_args.limit)
        self.note_if_empty = f"Alma lists no such run of {job.name} ({job.id})."
        return RUN_COLUMNS, [run_values(self.context.runs.describe(instance)) for instance in found]
