"""``almajob status``: how runs stand, or how they ended."""

from __future__ import annotations

import argparse
import logging

from almajob.cli.command import Result, ShowSome
from almajob.cli.console.progress import display
from almajob.cli.options.run_options import (
    add_ids_option,
    add_policy_options,
    add_wait_options,
    has_wait_options,
    policy_of,
    process_ids,
    wait_options_of,
)
from almajob.cli.options.value_types import non_empty
from almajob.errors import StillRunning, UsageError
from almajob.output.run_views import BRIEF_COLUMNS, RUN_COLUMNS, run_values

LOG = logging.getLogger(__name__)


class Status(ShowSome):
    """Show how runs stand, or how they ended.

    A run is named by its Process ID, which almajob run and Alma's Monitor Jobs show.
    The exit code is 0 whatever the status is, as to look succeeded; with --exit-status it is that of
    the run: 0 ended well, 3 ended and not well, 8 has not ended.

    Examples:
      almajob --env sandbox status --id PROCESS_ID
      almajob --env sandbox status --id PROCESS_ID --exit-status -f json
      almajob --env sandbox status --id @last --watch
      almajob --env sandbox status --job 'ERP export using profile FINANCE' --id PROCESS_ID
    """

    columns = RUN_COLUMNS
    brief = BRIEF_COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_ids_option(parser)
        parser.add_argument(
            "--job",
            metavar="JOB",
            type=non_empty,
            help="make sure that it is a run of this job (name or id)",
        )
        parser.add_argument("--watch", action="store_true", help="go on looking until they have ended")
        parser.add_argument(
            "--exit-status", action="store_true", help="end with the exit code that the runs deserve"
        )
        add_wait_options(parser)
        add_policy_options(parser)
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        if has_wait_options(parsed_args) and not parsed_args.watch:
            raise UsageError("--timeout, --interval and --outage say how to watch.", hint="Add --watch.")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        runs = self.context.runs
        ids = process_ids(parsed_args, self.context)
        if parsed_args.watch and parsed_args.job is None:
            found = [runs.make_run(instance_id) for instance_id in ids]
        else:
            found = list(runs.look_at_each(ids, parsed_args.job))
        if self.is_one(parsed_args) and found[0].verdict is not None and not found[0].instance.status.value:
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
        return RUN_COLUMNS, [run_values(run) for run in found]
