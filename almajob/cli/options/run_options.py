"""Options about runs: which are meant, how they are followed, what counts as a good end."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import fields
from functools import partial
from itertools import chain

from almajob.cli.context import Context
from almajob.cli.options.value_types import condition, end_statuses, interval, run_id, seconds
from almajob.jobs.counter_conditions import Condition
from almajob.jobs.success_policy import Policy
from almajob.runs.wait.watched_run import WaitOptions

_WHICH = "the run's Process ID; or @last for what was started last from here, or a run key"


def add_id_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names one of Alma's runs; its value is ``run_id``."""
    parser.add_argument("--id", dest="run_id", metavar="PROCESS_ID", type=run_id, required=True, help=_WHICH)


def add_ids_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names several of Alma's runs; its value is ``run_ids``."""
    parser.add_argument(
        "--id",
        dest="run_ids",
        metavar="PROCESS_ID",
        type=run_id,
        required=True,
        nargs="+",
        action="extend",
        help=f"{_WHICH}; several may be named",
    )


def process_ids(parsed_args: argparse.Namespace, context: Context) -> list[str]:
    """Read the option of ``add_ids_option``: each run's Process ID, once."""
    return list(dict.fromkeys(context.runs.process_id(text) for text in parsed_args.run_ids))


def add_policy_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what counts as a good end; ``policy_of`` reads them."""
    group = parser.add_argument_group("what counts as a good end")
    group.add_argument(
        "--accept",
        metavar="END_STATUS",
        type=end_statuses,
        nargs="+",
        action="extend",
        default=[],
        help="a status that passes too, such as COMPLETED_FAILED (Alma's 'Completed with Errors'); "
        "instead of what the ini accepts",
    )
    group.add_argument(
        "--fail-if",
        metavar="'COUNTER OP VALUE'",
        type=condition,
        action="append",
        default=[],
        help="fail where this is true of the report, such as 'asset_failed > 0', or where it has no such "
        "counter; OP is ==, !=, >, >=, < or <=; may be repeated",
    )


def policy_of(
    parsed_args: argparse.Namespace,
    context: Context,
    *,
    accept: Collection[str] = (),
    fail_if: Sequence[Condition] = (),
) -> Policy:
    """Read the options of ``add_policy_options``.

    Args:
        parsed_args: the command line.
        context: knows the ini.
        accept, fail_if: what counts where the command line says nothing, such as a saved run's.
    """
    accepted_here = set(chain.from_iterable(parsed_args.accept))
    return context.policy(accepted_here or accept, parsed_args.fail_if or fail_if)


def add_wait_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a run is followed; ``wait_options_of`` reads them."""
    add_length = partial(parser.add_argument_group("waiting").add_argument, metavar="DURATION")
    add_length(
        "--timeout",
        type=seconds,
        help="stop looking after so long, such as 600 or 2h; the job goes on; else as long as it takes",
    )
    add_length(
        "--interval",
        type=interval,
        help="look that often; without it, after a tenth of the time gone by, from 5s to 5m",
    )
    add_length("--outage", type=seconds, help="give up after so long of nothing but failures; default: 1h")


def wait_options_of(parsed_args: argparse.Namespace) -> WaitOptions:
    """Read the options of ``add_wait_options``."""
    return WaitOptions(**_given_wait_options(parsed_args))


def has_wait_options(parsed_args: argparse.Namespace) -> bool:
    """Whether one of the options of ``add_wait_options`` is there."""
    return bool(_given_wait_options(parsed_args))


def _given_wait_options(parsed_args: argparse.Namespace) -> dict[str, float]:
    values = {field.name: getattr(parsed_args, field.name) for field in fields(WaitOptions)}
    return {name: value for name, value in values.items() if value is not None}
