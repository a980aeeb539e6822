"""Options of a start that contradict one another, and what goes with none."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from almajob.cli.options.value_types import FROM_FILE
from almajob.errors import UsageError
from almajob.runs.parameters import payload_file
from almajob.runs.parameters.parameters import SET_ID
from almajob.runs.start_request import StartOptions

# Options of run with what they are where they are not given; those of no one run first.
_OF_ONE_RUN: Mapping[str, Any] = {
    "yes": False,
    "no_input": False,
    "allow_unknown": False,
    "run_key": None,
    "rerun_failed": False,
    "if_running": "refuse",
    "wait_for_slot": 0.0,
    "splay": 0.0,
    "lock_wait": StartOptions().lock_wait,
    "wait": False,
    "timeout": None,
    "interval": None,
    "outage": None,
    "saved": None,
}
_KEPT: Mapping[str, Any] = {
    "params": None,
    "overrides": [],
    "set_name": None,
    "once_per": None,
    "expand": False,
    "xml": False,
    "accept": [],
    "fail_if": [],
}


def is_bare_start(parsed_args: argparse.Namespace) -> bool:
    """Whether a start has no option but the job's, as the older script's had."""
    return not _list_given_options(parsed_args, {**_OF_ONE_RUN, **_KEPT, "dry_run": False, "save": None})


def refuse_what_is_not_saved(parsed_args: argparse.Namespace) -> None:
    """Refuse options that a saved run does not keep.

    Raises:
        UsageError: one is there.
    """
    _refuse_given(parsed_args, _OF_ONE_RUN, "--save", "keeps a job with its parameters, not one run of it")


def refuse_all_options(parsed_args: argparse.Namespace) -> None:
    """Refuse options of a start where nothing is started.

    Raises:
        UsageError: one is there.
    """
    _refuse_given(parsed_args, {**_OF_ONE_RUN, **_KEPT, "job": None}, "--list-saved", "only lists")


def _list_given_options(parsed_args: argparse.Namespace, known: Mapping[str, Any]) -> list[str]:
    return [name for name, default in known.items() if getattr(parsed_args, name) != default]


def _refuse_given(
    parsed_args: argparse.Namespace, known: Mapping[str, Any], option: str, reason: str
) -> None:
    given = _list_given_options(parsed_args, known)
    if given:
        named = {"saved": "SAVED", "overrides": "--param", "set_name": "--set"}
        first = named.get(given[0], f"--{given[0].replace('_', '-')}")
        raise UsageError(f"{option} does not go with {first}: it {reason}.", hint=f"Leave {first} out.")


def refuse_odd_start(parsed_args: argparse.Namespace) -> None:
    """Refuse options of a start that contradict one another.

    Raises:
        UsageError: they do.
    """
    names = [name for name, _value in parsed_args.overrides]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--param {twice} is given twice.", hint="Keep one of them.")
    if parsed_args.set_name and SET_ID in names:
        raise UsageError("--set and --param set_id name a set, both.", hint="Keep one of them.")
    if parsed_args.saved and (parsed_args.job or parsed_args.params):
        raise UsageError(
            "A saved run names its job and its parameters.",
            hint="Leave --job and --params out; --param NAME=VALUE changes single parameters.",
        )
    if not (parsed_args.saved or parsed_args.job or parsed_args.params):
        raise UsageError(
            "Which job?", hint="Add --job NAME or ID (almajob list shows them), or name a saved run."
        )
    files = [value[1:] for _name, value in parsed_args.overrides if value.startswith(FROM_FILE)]
    if [parsed_args.params, *files].count(payload_file.STDIN) > 1:
        raise UsageError("Standard input can be read once only.", hint="Name a file for one of the two.")
