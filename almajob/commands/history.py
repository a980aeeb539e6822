"""``almajob history``: the runs of jobs, as Alma remembers them."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from almajob.alma.job_instances import Instance
from almajob.alma.status_codes import GOING_ON
from almajob.cli.command import Lister, Result
from almajob.cli.console.sparkline import Ended, draw_runs
from almajob.cli.options.global_options import add_limit_option
from almajob.cli.options.name_options import (
    add_job_filter_options,
    add_jobs_argument,
    choose_jobs,
    refuse_two_choices,
)
from almajob.cli.options.value_types import moment, status
from almajob.errors import AlmajobError, UsageError
from almajob.jobs import histories
from almajob.jobs.history import Period
from almajob.output.columns import CounterLine, Length
from almajob.output.formats import report_lost_result
from almajob.output.run_views import RUN_COLUMNS, run_values
from almajob.runs.run import Run
from almajob.runs.wait.lateness import find_usual
from almajob.system.terminal import find_width
from almajob.text.time_format import format_ago

if TYPE_CHECKING:
    from almajob.alma.models import Job
    from almajob.cli.context import Context
    from almajob.jobs.histories import EndRecords

LOG = logging.getLogger(__name__)

_COUNTERS = RUN_COLUMNS.index("counters")


class History(Lister):
    """List the runs of jobs: running ones first, then the newest.

    Runs are listed no matter who started them. Where no job is named, those of all jobs are listed, or of the
    jobs that --name, --category and --type choose. Runs that have ended are kept, so the next time each job
    takes one call, for what is new. With a webhook listener, --ended takes none.

    Exit code 3: the runs of some jobs could not be read. They are named, and those of the others are listed.

    Examples:
      almajob --env sandbox history 'ERP export using profile FINANCE'
      almajob --env sandbox history 'ERP export using profile FINANCE' --since 7d
      almajob --env sandbox history M44 M46 --since yesterday
      almajob --env sandbox history M44 --since 2026-11-01 --until 2026-11-07
      almajob --env sandbox history M44 --status FAILED --limit 0 -f json
      almajob --env sandbox history --since monday --passed no
      almajob --env sandbox history --name export --running
    """

    environments = "each"
    columns = (*RUN_COLUMNS, "usual_seconds")
    brief: Sequence[str] = (
        *("instance_id", "status", "submit_time", "end_time", "seconds", "usual_seconds", "counters"),
        *("passed", "progress", "submitted_by"),
    )
    least_needed = ("progress", "submitted_by", "counters", "passed", "end_time", "usual_seconds", "seconds")

    _drawn: Sequence[Run] = ()

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
            return self.columns, []
        found = read_runs(parsed_args, self.context, jobs)
        self.verdict = found.verdict
        named = " and of ".join(f"{job.name} ({job.id})" for job in jobs[:3])
        self.note_if_empty = f"Alma lists no such run of {named}." if len(jobs) <= 3 else self.note_if_empty
        if len(jobs) > 1:
            self.brief = (self.brief[0], "job_name", *self.brief[1:])
        else:
            self._drawn = found.runs
        return self.columns, [_make_row(run, found.usual) for run in found.runs]

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        code = super().produce_output(parsed_args, column_names, data)
        stdout = self.app.stdout
        width = find_width(stdout)
        if width is not None and parsed_args.formatter == "table" and not parsed_args.columns:
            ended = [
                Ended(run.instance.seconds, bool(run.passed))
                for run in reversed(self._drawn)
                if run.instance.has_ended
            ]
            with report_lost_result(stdout):
                stdout.writelines(f"{line}\n" for line in draw_runs(ended, width, stdout.encoding or "utf-8"))
        return code


def _make_row(run: Run, usual: Mapping[str, float | None]) -> tuple[Any, ...]:
    values = list(run_values(run))
    values[_COUNTERS] = CounterLine(run.instance.counters)
    return (*values, Length(usual.get(run.instance.job.id) if run.instance.job else None))


class RunsOfJobs(NamedTuple):
    """The runs of some jobs.

    Attributes:
        runs: those that have not ended, then the newest first.
        usual: how long runs of each job usually take, in seconds, by the job's id; None where nobody knows.
        verdict: ends a command that has shown them, and names the jobs that could not be read; else None.
        unread: these jobs.
    """

    runs: list[Run]
    usual: Mapping[str, float | None]
    verdict: AlmajobError | None
    unread: Sequence[Job] = ()


def add_run_filters(parser: argparse.ArgumentParser) -> None:
    """Add the arguments and options that choose jobs and their runs; ``read_runs`` reads them."""
    add_jobs_argument(parser)
    add_job_filter_options(parser)
    parser.add_argument(
        "--since",
        metavar="WHEN",
        type=moment,
        help="submitted since then: 7d or 12h ago, a day (yesterday, monday, 2026-11-01, local time) or "
        "a time",
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
    ends.add_argument(
        "--ended",
        action="store_true",
        help="only runs that have ended; without a call for jobs whose ends a webhook listener knows",
    )
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


def read_runs(parsed_args: argparse.Namespace, context: Context, jobs: Sequence[Job]) -> RunsOfJobs:
    """Read the runs of jobs that the filters leave, with as few calls as can be.

    Raises:
        AlmajobError: those of none of the jobs can be read.
    """
    records = _find_records(parsed_args, context)
    found = histories.read_runs(
        context.alma,
        context.kept_runs,
        jobs,
        Period(parsed_args.since, parsed_args.until, parsed_args.status or ""),
        limit=parsed_args.limit,
        is_wanted=_choose(parsed_args, context),
        records=records,
    )
    if records is not None and found.unasked:
        LOG.info(
            "%s not asked for: the webhook listener, which heard from Alma %s, knows the ends. "
            "--refresh asks Alma.",
            "1 job was" if found.unasked == 1 else f"{found.unasked} jobs were",
            format_ago(time.time() - records.heard_at),
        )
    runs = [context.runs.describe(instance) for instance in found.runs]
    if parsed_args.running:
        runs = [run for run in runs if not run.instance.has_ended]
    usual = {job_id: find_usual(durations) for job_id, durations in found.durations.items()}
    return RunsOfJobs(runs, usual, found.verdict, [each.job for each in found.unread])


def _choose(parsed_args: argparse.Namespace, context: Context) -> Callable[[Instance], bool]:
    """Return what tells the runs that are wanted from others."""
    if parsed_args.passed is not None:
        is_good, policy = parsed_args.passed == "yes", context.runs.policy
        return lambda run: run.has_ended and (policy.judge(run).error is None) is is_good
    return lambda run: run.has_ended or not parsed_args.ended


def _find_records(parsed_args: argparse.Namespace, context: Context) -> EndRecords | None:
    """Return what a webhook listener knows, where only runs that have ended are wanted."""
    is_end = parsed_args.status is not None and parsed_args.status not in GOING_ON
    if not (parsed_args.ended or parsed_args.passed or is_end):
        return None
    messages = context.runs.messages
    return messages.find_records() if messages else None
