"""Options about a start that any command may have: whether it is asked for, how often, what it waits for."""

from __future__ import annotations

import argparse
from functools import partial

from almajob.cli.options.value_types import duration, non_empty, run_key
from almajob.jobs.success_policy import Policy
from almajob.runs.start_request import IF_RUNNING, StartOptions
from almajob.store.ledger.run_key_forms import PERIODS
from almajob.system import clock as clocks


def add_start_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a job is started; ``start_options_of`` reads them.

    They are those of ``almajob run``: ``--yes``, ``--no-input``, ``--run-key``, ``--once-per``,
    ``--rerun-failed``, ``--if-running``, ``--notify``, ``--wait-for-slot`` and ``--lock-wait``.
    """
    standard = StartOptions()
    production = parser.add_argument_group("production")
    production.add_argument(
        "--yes", action="store_true", help="start in production without asking, as cron must"
    )
    production.add_argument(
        "--no-input", action="store_true", help="never ask; refuse what would need an answer"
    )
    once = parser.add_argument_group("starting only once")
    key = once.add_mutually_exclusive_group()
    key.add_argument(
        "--run-key",
        metavar="KEY",
        type=run_key,
        help="a name for this run; the same name never starts it twice in this environment",
    )
    key.add_argument(
        "--once-per",
        choices=PERIODS,
        help="instead of a run key: start once per hour, day, week or month (local time) with these "
        "parameters",
    )
    once.add_argument(
        "--rerun-failed",
        action="store_true",
        help="start again if the run of that key or period ended badly",
    )
    once.add_argument(
        "--if-running",
        choices=IF_RUNNING,
        default=standard.if_running,
        help="if a run of the job has not ended: refuse (exit code 5), attach to that run, or start "
        "another one beside it (default: %(default)s)",
    )
    parser.add_argument_group("notifications").add_argument(
        "--notify",
        metavar="NAME",
        type=non_empty,
        action="append",
        default=[],
        help="whom to notify of this run besides; NAME is that of a section [notify:NAME] of the "
        "configuration file; may be repeated",
    )
    add_length = partial(
        parser.add_argument_group("before the start").add_argument, metavar="DURATION", type=duration
    )
    add_length(
        "--wait-for-slot",
        default=standard.wait_for_slot,
        help="wait up to this long, such as 90s, 30m or 2h, if Alma accepts no more starts for now (3 "
        "running, 5 of one job per hour)",
    )
    add_length(
        "--lock-wait",
        default=standard.lock_wait,
        help="wait up to this long for another almajob that is starting the same job (default: 60s)",
    )


def start_options_of(
    parsed_args: argparse.Namespace, *, policy: Policy | None = None, once_per: str = ""
) -> StartOptions:
    """Read the options of ``add_start_options``.

    Args:
        parsed_args: the command line.
        policy: what counts as a good end, for ``--rerun-failed``: that of ``policy_of``, where the command
            has its options; the configuration file's where not given.
        once_per: hour, day, week or month, where the command line names neither a run key nor a period.

    Raises:
        UsageError: ``--rerun-failed`` without a run key or a period.
    """
    return StartOptions(
        run_key=parsed_args.run_key or "",
        once_per=parsed_args.once_per or ("" if parsed_args.run_key else once_per),
        if_running=parsed_args.if_running,
        rerun_failed=parsed_args.rerun_failed,
        lock_wait=parsed_args.lock_wait,
        wait_for_slot=parsed_args.wait_for_slot,
        policy=policy,
        is_confirmed=parsed_args.yes,
        may_ask=not parsed_args.no_input,
        requested_at=clocks.system().now(),
        notify=tuple(dict.fromkeys(parsed_args.notify)),
    )
