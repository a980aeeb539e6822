"""Options about runs: how they are followed, what counts as a good end."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import fields
from functools import partial

from almajob.cli.context import Context
from almajob.cli.options.value_types import condition, end_statuses, interval, seconds
from almajob.jobs.counter_conditions import Condition
from almajob.jobs.success_policy import Policy
from almajob.runs.wait.watched_run import WaitOptions


def add_policy_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what counts as a good end; ``policy_of`` reads them."""
    group = parser.add_argument_group("what counts as success")
    group.add_argument(
        "--accept",
        metavar="END_STATUS",
        type=end_statuses,
        action="extend",
        default=[],
        help="an end status that also counts as success, such as COMPLETED_FAILED (Alma's 'Completed "
        "with Errors'); replaces those of the configuration file; several with commas, or repeated",
    )
    group.add_argument(
        "--fail-if",
        metavar="CONDITION",
        type=condition,
        action="append",
        default=[],
        help="fail if this is true of the run's counters, such as 'asset_failed > 0', or if it has no such "
        "counter; takes ==, !=, >, >=, <, <=, +, -, and, or, and parentheses; may be repeated",
    )
    group.add_argument(
        "--nothing-if",
        metavar="CONDITION",
        type=condition,
        action="append",
        default=[],
        help="if this is true of a run that ended well, it had nothing to do: report that, and exit with 0 "
        "whatever --fail-if says; may be repeated",
    )


def policy_of(
    parsed_args: argparse.Namespace,
    context: Context,
    *,
    accept: Collection[str] = (),
    fail_if: Sequence[Condition] = (),
    nothing_if: Sequence[Condition] = (),
) -> Policy:
    """Read the options of ``add_policy_options``.

    Args:
        parsed_args: the command line.
        context: knows what the configuration file says.
        accept: statuses that count as a good end where the command line names none.
        fail_if: likewise, conditions of which none may be true.
        nothing_if: likewise, conditions of which one means that there was nothing to do.
    """
    accepted_here = set(parsed_args.accept)
    return context.policy(
        accepted_here or accept, parsed_args.fail_if or fail_if, parsed_args.nothing_if or nothing_if
    )


def add_wait_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a run is followed; ``wait_options_of`` reads them."""
    add_length = partial(parser.add_argument_group("waiting").add_argument, metavar="DURATION")
    add_length(
        "--timeout",
        type=seconds,
        help="stop waiting after this long, such as 600 or 2h; the job goes on (default: wait until it ends)",
    )
    add_length(
        "--interval",
        type=interval,
        help="polling interval (default: 10%% of the elapsed time, 5s to 5m; sooner at the start)",
    )
    add_length(
        "--outage", type=seconds, help="give up after this long without a successful answer (default: 1h)"
    )


def wait_options_of(parsed_args: argparse.Namespace) -> WaitOptions:
    """Read the options of ``add_wait_options``."""
    return WaitOptions(**_given_wait_options(parsed_args))


def has_wait_options(parsed_args: argparse.Namespace) -> bool:
    """Whether one of the options of ``add_wait_options`` is there."""
    return bool(_given_wait_options(parsed_args))


def _given_wait_options(parsed_args: argparse.Namespace) -> dict[str, float]:
    values = {field.name: getattr(parsed_args, field.name) for field in fields(WaitOptions)}
    return {name: value for name, value in values.items() if value is not None}
