"""``almajob run``: start a job, once."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from almajob.plugin import (
    IF_RUNNING,
    PERIODS,
    START_COLUMNS,
    AlmajobError,
    Plan,
    ShowOne,
    StartOptions,
    Text,
    UsageError,
    add_policy_options,
    add_wait_options,
    asker,
    display,
    duration,
    non_empty,
    not_started,
    policy_of,
    run_key,
    start_values,
    wait_options_given,
    wait_options_of,
)

PLAN_COLUMNS = (
    *("action", "environment", "job_id", "job_name", "run_key", "tag", "instance_id"),
    *("method", "url", "authorization", "body"),
)


class Run(ShowOne):
    """Start a job, once, and show its run.

    The same run key never starts a job twice: the same command again shows the same run, also
    after a crash. Without a key, a run that was cut short is found again for an hour.

    Exit code 0: started; with --wait: ended well, or with warnings. 3: ended, and not well.
    4, 5, 6, 7, 10: nothing was started. 8: still running after --timeout. 9: it cannot be told
    whether it was started; the same command again only looks.

    Examples:
      almajob --env sandbox run --job 'ERP export using profile FINANCE'
      almajob --env sandbox run --job S9563600010000561 --wait -f json
      almajob --env sandbox run --job S9563600010000561 --run-key invoices-of-may --wait
      almajob --env sandbox run --job S9563600010000561 --once-per day --if-running attach
      almajob --env sandbox run --job S9563600010000561 --dry-run
    """

    columns = START_COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--job",
            metavar="JOB",
            type=non_empty,
            required=True,
            help="the job's exact name, or its id",
        )
        _add_once_options(parser)
        _add_patience_options(parser)
        parser.add_argument("--wait", action="store_true", help="follow the run to its end, and judge it")
        add_wait_options(parser)
        add_policy_options(parser)
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="make all checks and show what would be sent, but send nothing",
        )
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        if wait_options_given(parsed_args) and not parsed_args.wait:
            raise UsageError("--timeout, --interval and --outage say how to wait.", cure="Add --wait.")
        if (parsed_args.accept or parsed_args.fail_if) and not (parsed_args.wait or parsed_args.rerun_failed):
            raise UsageError("--accept and --fail-if judge the end of a run.", cure="Add --wait.")

    def columns_of(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        return PLAN_COLUMNS if parsed_args.dry_run else START_COLUMNS

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        options = _options_of(parsed_args)
        try:
            options = replace(options, policy=policy_of(parsed_args, self.context))
            if parsed_args.dry_run:
                return PLAN_COLUMNS, _plan_values(self.context.starts.plan(parsed_args.job, (), options))
            runs = self.context.runs
            run = runs.start(parsed_args.job, options=options, ask=asker(), look=not parsed_args.wait)
        except AlmajobError as error:
            if parsed_args.dry_run:
                raise
            return START_COLUMNS, self._failed(error, parsed_args)
        if parsed_args.wait:
            wait = wait_options_of(parsed_args)
            run = runs.follow(run, wait, policy=options.policy, display=display)
            self.verdict = run.verdict
        return START_COLUMNS, start_values(run)

    def _failed(self, error: AlmajobError, parsed_args: argparse.Namespace) -> Iterable[Any]:
        """Show what is known of a start that led to no run; the error is told after it.

        Programs get their answer in every case; people read the error.
        """
        if parsed_args.formatter not in {"json", "yaml"}:
            raise error
        self.verdict = error
        return not_started(self.context.environment_name, error, parsed_args.run_key or "")


def _add_once_options(parser: argparse.ArgumentParser) -> None:
    once = parser.add_argument_group("once")
    key = once.add_mutually_exclusive_group()
    key.add_argument(
        "--run-key",
        metavar="NAME",
        type=run_key,
        help="a name for this run: the same name in this environment never starts it twice",
    )
    key.add_argument(
        "--once-per",
        choices=PERIODS,
        help="instead of a name: once in this hour, day, week or month (local time) with these parameters",
    )
    once.add_argument(
        "--rerun-failed",
        action="store_true",
        help="start anew where the run of that name or period ended badly",
    )
    once.add_argument(
        "--if-running",
        choices=IF_RUNNING,
        default="refuse",
        help="where a run of the job has not ended: refuse (exit code 5), take it for this run, "
        "or start another one beside it; default: %(default)s",
    )


def _add_patience_options(parser: argparse.ArgumentParser) -> None:
    waiting = parser.add_argument_group("before the start")
    waiting.add_argument(
        "--wait-for-slot",
        metavar="DURATION",
        type=duration,
        default=0.0,
        help="where Alma takes no more starts just now (3 running, 5 of one job an hour): wait so long, "
        "such as 90s, 30m or 2h",
    )
    waiting.add_argument(
        "--lock-wait",
        metavar="DURATION",
        type=duration,
        default=StartOptions().lock_wait,
        help="wait so long for another almajob that is starting the same job; default: 60s",
    )


def _options_of(parsed_args: argparse.Namespace) -> StartOptions:
    return StartOptions(
        run_key=parsed_args.run_key or "",
        once_per=parsed_args.once_per or "",
        if_running=parsed_args.if_running,
        rerun_failed=parsed_args.rerun_failed,
        lock_wait=parsed_args.lock_wait,
        wait_for_slot=parsed_args.wait_for_slot,
    )


def _plan_values(plan: Plan) -> Iterable[Any]:
    record, request = plan.record, plan.request
    return (
        plan.action,
        record.environment,
        Text(record.job_id),
        Text(record.job_name),
        Text(record.run_key),
        record.tag,
        Text(record.instance_id),
        request.method if request else "",
        request.url if request else "",
        "apikey (hidden)" if request else "",
        Text(json.dumps(request.document, ensure_ascii=False)) if request else "",
    )
