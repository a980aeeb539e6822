"""``almajob history``: the runs of a job, as Alma remembers them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from almajob.cli.command import Lister, Result
from almajob.cli.options.global_options import add_limit_option
from almajob.cli.options.name_options import (
    add_job_filter_options,
    add_jobs_argument,
    choose_jobs,
    refuse_two_choices,
)
from almajob.cli.options.value_types import moment, status
from almajob.errors import UsageError
from almajob.jobs.history import Period, read_histories
from almajob.output.run_views import RUN_COLUMNS, run_values

if TYPE_CHECKING:
    from almajob.alma.models import Job
    from almajob.cli.context import Context
    from almajob.runs.run import Run


class History(Lister):
    """List the runs of jobs: running ones first, then the newest.

    Runs are listed no matter who started them. Where no job is named, those of all jobs are listed, or of the
    jobs that --name, --category and --type choose. Alma is called once or more for each job.

    Examples:
      almajob --env sandbox history 'ERP export using profile FINANCE'
      almajob --env sandbox history 'ERP export using profile FINANCE' --since 7d
      almajob --env sandbox history M44 M46 --since 1d
      almajob --env sandbox history M44 --since 2026-11-01 --until 2026-11-07
      almajob --env sandbox history M44 --status FAILED --limit 0 -f json
      almajob --env sandbox history --since 7d --passed no
      almajob --env sandbox history --name export --running
    """

    columns = RUN_COLUMNS
    brief: Sequence[str] = (
        *("instance_id", "status", "submit_time", "seconds", "passed", "progress", "submitted_by"),
    )
    least_needed = ("progress", "submitted_by", "passed", "seconds")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_run_filters(parser)
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        refuse_odd_filters(parsed_args)

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        jobs = choose_jobs(parsed_args, self.context)
        if not jobs:
            self.note_if_empty = "No job matches."
            return RUN_COLUMNS, []
        runs = read_runs(parsed_args, self.context, jobs)
        named = " and of ".join(f"{job.name} ({job.id})" for job in jobs[:3])
        self.note_if_empty = f"Alma lists no such run of {named}." if len(jobs) <= 3 else self.note_if_empty
        if len(jobs) > 1:
            self.brief = (self.brief[0], "job_name", *self.brief[1:])
        return RUN_COLUMNS, [run_values(run) for run in runs]


def add_run_filters(parser: argparse.ArgumentParser) -> None:
    """Add the arguments and options that choose jobs and their runs; ``read_runs`` reads them."""
    add_jobs_argument(parser)
    add_job_filter_options(parser)
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
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument(
        "--passed", choices=("yes", "no"), help="only runs that ended well, or only those that did not"
    )
    ends.add_argument("--running", action="store_true", help="only runs that have not ended")
    add_limit_option(parser)


def refuse_odd_filters(parsed_args: argparse.Namespace) -> None:
    """Refuse filters that contradict each other.

    Raises:
        UsageError: they do.
    """
    refuse_two_choices(parsed_args)
    first, last = parsed_args.since, parsed_args.until
    if first and last and first >= last:
        raise UsageError("--since is not before --until.", hint="Swap the two.")


def read_runs(parsed_args: argparse.Namespace, context: Context, jobs: Sequence[Job]) -> list[Run]:
    """Read the runs of jobs that the filters leave: running ones first, then the newest."""
    wanted = Period(parsed_args.since, parsed_args.until, parsed_args.status or "")
    limit = parsed_args.limit
    # Whether a run ended well is known only once it is read, so all of the period are read for that.
    to_read = 0 if parsed_args.passed else limit
    found = read_histories(context.alma, [job.id for job in jobs], wanted, limit=to_read)
    runs = [context.runs.describe(instance) for instance in found]
    if parsed_args.running:
        return [run for run in runs if not run.instance.has_ended]
    if parsed_args.passed:
        is_good = parsed_args.passed == "yes"
        runs = [run for run in runs if run.passed is is_good]
        return runs[:limit] if limit else runs
    return runs
