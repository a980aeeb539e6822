"""``almajob wait``: follow runs to their ends."""

from __future__ import annotations

import argparse

from almajob.cli.command import Result, ShowSome
from almajob.cli.console.progress import display
from almajob.cli.options.run_options import (
    add_ids_option,
    add_policy_options,
    add_wait_options,
    policy_of,
    process_ids,
    wait_options_of,
)
from almajob.output.run_views import BRIEF_COLUMNS, RUN_COLUMNS, run_values


class Wait(ShowSome):
    """Follow runs to their ends, whoever started them, and judge them.

    The wait survives an Alma that is down, slow or odd for an hour. Ctrl-C ends the wait only: the jobs
    go on, and what to type to wait again is shown.

    Exit code 0: all ended well, or with warnings. 3: one ended, and not well. 8: one was still
    running after --timeout. 6: one could not be seen for an hour. 4: Alma knows no such run. 5: the
    ledger knows no such run. 7: the key or the ini is wrong. 9: it is in doubt whether it was started.
    10: the daily quota is used up.

    Examples:
      almajob --env sandbox wait --id PROCESS_ID
      almajob --env sandbox wait --id @last --timeout 2h
      almajob --env sandbox wait --id PROCESS_ID --accept COMPLETED_FAILED
      almajob --env sandbox wait --id PROCESS_ID --fail-if 'invoices == 0' -f json
    """

    columns = RUN_COLUMNS
    brief = BRIEF_COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_ids_option(parser)
        add_wait_options(parser)
        add_policy_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        runs = self.context.runs
        named = [runs.make_run(instance_id) for instance_id in process_ids(parsed_args, self.context)]
        follower = runs.follower(wait_options_of(parsed_args), policy_of(parsed_args, self.context), display)
        found = follower.follow(named)
        self.verdict = follower.judge_all(found)
        if self.verdict is not None and self.is_one(parsed_args) and not found[0].instance.status.value:
            # Nothing was ever seen of it.
            raise self.verdict
        return RUN_COLUMNS, [run_values(run) for run in found]
