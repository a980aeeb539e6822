"""``almajob status``: how runs stand, or how they ended."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from almajob.cli.command import Result, ShowSome
from almajob.cli.console.progress import display
from almajob.cli.options.name_options import add_runs_or_job_arguments, is_one_run, process_ids_of
from almajob.cli.options.run_options import (
    add_policy_options,
    add_wait_options,
    has_wait_options,
    policy_of,
    wait_options_of,
)
from almajob.cli.options.value_types import non_empty
from almajob.errors import Refused, StillRunning, UsageError
from almajob.jobs.counter_conditions import CannotJudge, find_counters
from almajob.output.formats import Values, report_lost_result
from almajob.output.run_views import BRIEF_COLUMNS, LEAST_NEEDED, RUN_COLUMNS, run_values
from almajob.runs.run import Run

COUNTER_COLUMNS = ("counter", "value")
LOG = logging.getLogger(__name__)


class Status(ShowSome):
    """Show how runs are doing, or how they ended.

    A run is named by its Process ID, which almajob run and Alma's Monitor Jobs show. A job
    stands for the last run of it, no matter who started it. The exit code is 0 whatever the
    status is. With --exit-status it is that of the run: 0 ended well, 3 ended badly, 8 still
    running.

    Examples:
      almajob --env sandbox status PROCESS_ID
      almajob --env sandbox status PROCESS_ID --exit-status -f json
      almajob --env sandbox status @last --watch
      almajob --env sandbox status PROCESS_ID --counter invoices
      almajob --env sandbox status 'ERP export using profile FINANCE'
      almajob --env sandbox status PROCESS_ID --job S9563600010000561
    """

    environments = "each"
    columns: ClassVar[Sequence[str]] = RUN_COLUMNS
    brief = BRIEF_COLUMNS
    least_needed = LEAST_NEEDED

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_runs_or_job_arguments(
            parser,
            "the last run of it",
            job="the job, for its last run; with RUN, check that it is a run of this job",
        )
        parser.add_argument("--watch", action="store_true", help="keep looking until the runs have ended")
        parser.add_argument(
            "--exit-status", action="store_true", help="exit with the code that fits how the runs ended"
        )
        parser.add_argument(
            "--counter",
            dest="counters",
            metavar="NAME",
            type=non_empty,
            action="append",
            default=[],
            help="print only the value of this counter or population, named as in --fail-if; may be "
            "repeated, a line each",
        )
        add_wait_options(parser)
        add_policy_options(parser)
        return parser

    def is_one(self, parsed_args: argparse.Namespace) -> bool:
        return is_one_run(parsed_args) and not parsed_args.counters

    def columns_of(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        return COUNTER_COLUMNS if parsed_args.counters else RUN_COLUMNS

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.counters and not is_one_run(parsed_args):
            raise UsageError("--counter reads the report of one run.", hint="Name one run.")
        if has_wait_options(parsed_args) and not parsed_args.watch:
            raise UsageError("--timeout, --interval and --outage say how to watch.", hint="Add --watch.")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        runs = self.context.runs
        ids = process_ids_of(parsed_args, self.context, find_run=runs.find_last)
        if parsed_args.watch and parsed_args.job is None:
            found = [runs.make_run(instance_id) for instance_id in ids]
        else:
            found = list(runs.look_at_each(ids, parsed_args.job))
        if len(found) == 1 and found[0].verdict is not None and not found[0].instance.status.value:
            raise found[0].verdict
        follower = runs.follower(wait_options_of(parsed_args), policy_of(parsed_args, self.context), display)
        found = follower.follow(found) if parsed_args.watch else [follower.judge(run) for run in found]
        verdict = follower.judge_all(found)
        if parsed_args.exit_status:
            self.verdict = verdict
        else:
            self.verdict = runs.follower().judge_all(found, only_unseen=True)
            if isinstance(verdict, StillRunning) and parsed_args.watch:
                LOG.warning("%s", verdict)
        if parsed_args.counters:
            return COUNTER_COLUMNS, _read_counters(parsed_args.counters, found[0])
        if not (parsed_args.watch or parsed_args.exit_status):
            # To look at a run that goes on is no failure.
            found = [
                replace(run, verdict=None) if isinstance(run.verdict, StillRunning) else run for run in found
            ]
        return RUN_COLUMNS, [run_values(run) for run in found]

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        if not parsed_args.counters or parsed_args.formatter != "table":
            return super().produce_output(parsed_args, column_names, data)
        with report_lost_result(self.app.stdout):
            Values().emit_list(["value"], [[value] for _name, value in data], self.app.stdout, parsed_args)
        return 0


def _read_counters(names: Sequence[str], run: Run) -> list[tuple[str, str]]:
    """Read counters of a run's report, each with the name that it was asked for by.

    Raises:
        Refused: one is not there, or has several values where not only it was asked for.
        StillRunning: one is not there yet.
    """
    rows = []
    for name in names:
        try:
            found = find_counters(name, run.instance)
        except CannotJudge as problem:
            if isinstance(run.verdict, StillRunning):
                raise run.verdict from None
            reason = f"{str(problem)[:1].upper()}{str(problem)[1:]}."
            raise Refused(f"{name!r} cannot be printed for {run.label}.", reason=reason) from None
        if len(found) > 1 and len(names) > 1:
            raise Refused(
                f"{name!r} has {len(found)} values in the report of {run.label}.",
                reason="They would not line up with the other counters.",
                hint="Ask for it alone.",
            )
        rows += [(name, counter.value) for counter in found]
    return rows
