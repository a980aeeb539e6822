"""Options of a start that contradict one another, and what goes with none."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from almajob.errors import UsageError
from almajob.runs import payload
from almajob.runs.parameters import SET_ID
from almajob.startoptions import FROM_FILE

_KEPT_BY_NONE: Mapping[str, Any] = {
    "yes": False,
    "no_input": False,
    "run_key": None,
    "rerun_failed": False,
    "if_running": "refuse",
    "wait_for_slot": 0.0,
    "wait": False,
    "saved": None,
}
_OTHERS: Mapping[str, Any] = {
    "job": None,
    "params": None,
    "overrides": [],
    "set_name": None,
    "once_per": None,
    "expand": False,
}


def refuse_what_is_not_saved(parsed_args: argparse.Namespace) -> None:
    """Refuse options that a saved run does not keep.

    Raises:
        UsageError: one is there.
    """
    _refuse_given(parsed_args, _KEPT_BY_NONE, "--save", "keeps a job with its parameters, not one run of it")


def refuse_all_options(parsed_args: argparse.Namespace) -> None:
    """Refuse options of a start where nothing is started.

    Raises:
        UsageError: one is there.
    """
    _refuse_given(parsed_args, {**_KEPT_BY_NONE, **_OTHERS}, "--list-saved", "only lists")


def _refuse_given(parsed_args: argparse.Namespace, known: Mapping[str, Any], option: str, why: str) -> None:
    given = [name for name, default in known.items() if getattr(parsed_args, name) != default]
    if given:
        named = {"saved": "SAVED", "overrides": "--param", "set_name": "--set"}
        first = named.get(given[0], f"--{given[0].replace('_', '-')}")
        raise UsageError(f"{option} does not go with {first}: it {why}.", cure=f"Leave {first} out.")


def refuse_odd_start(parsed_args: argparse.Namespace) -> None:
    """Refuse options of a start that contradict one another.

    Raises:
        UsageError: they do.
    """
    names = [name for name, _value in parsed_args.overrides]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--param {twice} is given twice.", cure="Keep one of them.")
    if parsed_args.set_name and SET_ID in names:
        raise UsageError("--set and --param set_id name a set, both.", cure="Keep one of them.")
    if parsed_args.saved and (parsed_args.job or parsed_args.params):
        raise UsageError(
            "A saved run names its job and its parameters.",
            cure="Leave --job and --params out; --param NAME=VALUE changes single parameters.",
        )
    if not (parsed_args.saved or parsed_args.job or parsed_args.params):
        raise UsageError(
            "Which job?", cure="Add --job NAME or ID (almajob list shows them), or name a saved run."
        )
    files = [value[1:] for _name, value in parsed_args.overrides if value.startswith(FROM_FILE)]
    if [parsed_args.params, *files].count(payload.STDIN) > 1:
        raise UsageError("Standard input can be read once only.", cure="Name a file for one of the two.")
