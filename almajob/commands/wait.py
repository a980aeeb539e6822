"""``almajob wait``: follow runs to their ends."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from almajob.cli.command import Result, ShowSome
from almajob.cli.console.progress import display
from almajob.cli.options.name_options import (
    add_runs_or_job_arguments,
    is_one_run,
    process_ids_of,
    runs_of,
)
from almajob.cli.options.run_options import (
    add_policy_options,
    add_wait_options,
    policy_of,
    wait_options_of,
)
from almajob.errors import UsageError
from almajob.output.run_views import BRIEF_COLUMNS, LEAST_NEEDED, RUN_COLUMNS, run_values
from almajob.runs.run import Run


class Wait(ShowSome):
    """Wait for runs to end, no matter who started them.

    A run is named by its Process ID, its run key or @last. A job stands for the run of it that
    is going on; with --next for the next one that begins, no matter who starts it, Alma's
    schedule included.

    The wait goes on for up to an hour while Alma is down, slow or gives odd answers. Ctrl-C
    ends only the wait: the jobs go on, and the command that resumes the wait is shown.

    Exit codes: 0 all ended well, or with warnings. 3 one ended badly. 8 one was still running,
    or had not begun, after --timeout. 6 one could not be seen for an hour. 4 Alma knows no such
    run. 5 there is no such run or job, or no run of the job is going on. 7 the key or the
    configuration file is wrong. 9 unknown whether it was started. 10 the daily quota is used up.

    Examples:
      almajob --env sandbox wait PROCESS_ID
      almajob --env sandbox wait @last --timeout 2h
      almajob --env sandbox wait PROCESS_ID --accept COMPLETED_FAILED
      almajob --env sandbox wait PROCESS_ID --fail-if 'invoices == 0' -f json
      almajob --env sandbox wait S9563600010000561 --next --timeout 26h
    """

    environments = "each"
    at_once = 0
    can_resume = True
    columns = RUN_COLUMNS
    brief = BRIEF_COLUMNS
    least_needed = LEAST_NEEDED

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_runs_or_job_arguments(parser, "the run of it that is going on", job="another way to name a job")
        parser.add_argument(
            "--next", action="store_true", help="wait for the next run of the job, which has not begun yet"
        )
        add_wait_options(parser)
        add_policy_options(parser)
        return parser

    def is_one(self, parsed_args: argparse.Namespace) -> bool:
        return is_one_run(parsed_args)

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.job is not None and parsed_args.run_ids:
            raise UsageError("--job names a job instead of a run.", hint="Leave one of the two out.")
        run = next((word for word in parsed_args.run_ids if word.isdigit() or word.startswith("@")), None)
        if parsed_args.next and run is not None:
            raise UsageError(f"--next waits for a job's next run, and {run} is a run.", hint="Name the job.")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        runs = self.context.runs
        named = self._list_next(parsed_args) if parsed_args.next else self._list_named(parsed_args)
        follower = runs.follower(wait_options_of(parsed_args), policy_of(parsed_args, self.context), display)
        found = follower.follow(named)
        self._settle_sets(found)
        self.verdict = follower.judge_all(found)
        if self.verdict is not None and self.is_one(parsed_args) and not found[0].instance.status.value:
            # Nothing was ever seen of it.
            raise self.verdict
        return RUN_COLUMNS, [run_values(run) for run in found]

    def _settle_sets(self, found: Sequence[Run]) -> None:
        """Delete the sets that were made for runs which have ended as ``almajob run`` was told."""
        ended = [run for run in found if run.instance.has_ended]
        if ended and self._has_ledger():
            from almajob.sets.run_with_ids import settle_set

            for run in ended:
                settle_set(run, self.context.workshop)

    def _has_ledger(self) -> bool:
        try:
            return self.context.ledger.place.is_there
        except OSError:
            # The runs have ended all the same; another command deletes their sets.
            return False

    def _list_named(self, parsed_args: argparse.Namespace) -> list[Run]:
        runs = self.context.runs
        ids = process_ids_of(parsed_args, self.context, find_run=runs.find_going_on)
        return [runs.make_run(instance_id) for instance_id in ids]

    def _list_next(self, parsed_args: argparse.Namespace) -> list[Run]:
        """Return the next runs of the jobs that are named, each once."""
        words = [parsed_args.job] if parsed_args.job is not None else runs_of(parsed_args)
        jobs = {job.id: job for job in map(self.context.catalogue.find, words)}
        return list(map(self.context.runs.make_next_run, jobs.values()))
