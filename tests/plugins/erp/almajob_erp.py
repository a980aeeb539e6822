"""``almajob erp cycle`` exports invoices, waits, and imports the ERP's answer; ``erp run`` takes a note."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from almajob.commands.run import Run as RunCommand
from almajob.plugin import (
    RUN_COLUMNS,
    Lister,
    Start,
    add_policy_options,
    add_start_options,
    add_wait_options,
    confirmer,
    display,
    non_empty,
    policy_of,
    run_values,
    start_options_of,
    wait_options_of,
)


class ErpCycle(Lister):
    """Export invoices, wait, then import the ERP's answer.

    The import is started when the export has ended well. The same command again goes on where
    it was interrupted, and starts neither job twice.

    Exit codes: 0 both ended well. 3 one ended badly, or only the export was started. 8 one is
    still running after --timeout.

    Examples:
      almajob --env sandbox erp cycle
      almajob --env sandbox erp cycle --accept COMPLETED_FAILED
      almajob --env production erp cycle --once-per day --yes
    """

    columns = RUN_COLUMNS
    brief = ("job_name", "instance_id", "status", "passed")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_job = partial(parser.add_argument, metavar="JOB", type=non_empty)
        add_job("--export", default="ERP export using profile FINANCE", help="the first job")
        add_job("--import", dest="load", default="ERP import using profile FINANCE", help="the second")
        add_start_options(parser)
        add_wait_options(parser)
        add_policy_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        runs = self.context.runs
        policy = policy_of(parsed_args, self.context)
        options = start_options_of(parsed_args, policy=policy)
        export, load = runs.confirm_together(
            [
                Start(parsed_args.export, options=options),
                Start(parsed_args.load, options=options.for_step("import")),
            ],
            confirm=confirmer(),
        )
        follow = partial(runs.follow, options=wait_options_of(parsed_args), policy=policy, display=display)
        started = runs.start(export.job, options=export.options, confirm=confirmer(), look=False)
        done = [follow(started)]
        if done[0].verdict is None:
            self.log.info("The export has ended well; now comes the import.")
            after = load.options.for_step("import", after=started)
            done.append(follow(runs.start(load.job, options=after, confirm=confirmer(), look=False)))
        self.verdict = done[-1].verdict
        return self.columns, [run_values(run) for run in done]


class ErpRun(RunCommand):
    """Run a job as almajob run does, and remember what it was for.

    Examples:
      almajob --env sandbox erp run S9563600010000561 --wait --note 'invoices of May'
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--note", metavar="TEXT", default="", help="what the run is for")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        columns, rows = super().take_action(parsed_args)
        rows = [dict(zip(columns, row, strict=True)) for row in rows]
        for row in rows:
            if parsed_args.note and "state" in row and row["instance_id"]:
                self.context.environment_store.set(str(row["instance_id"]), parsed_args.note)
        return columns, [tuple(row.values()) for row in rows]
