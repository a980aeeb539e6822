"""Options of a start that contradict one another, and what goes with none."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from almajob.cli.options.run_options import has_wait_options
from almajob.cli.options.value_types import FROM_FILE
from almajob.errors import UsageError
from almajob.runs.parameters import payload_file
from almajob.runs.parameters.parameters import SET_ID

# In the order in which they are told.
_OF_ONE_RUN = (
    *("yes", "no_input", "allow_unknown", "run_key", "rerun_failed", "if_running", "wait_for_slot", "splay"),
    *("lock_wait", "wait", "timeout", "interval", "outage", "saved"),
)
_OF_A_JOB = ("params", "overrides", "set_name", "once_per", "expand", "xml", "accept", "fail_if")


def is_bare_start(parser: argparse.ArgumentParser, parsed_args: argparse.Namespace) -> bool:
    """Whether a start has no option but the job's, as the older script's had."""
    return _list_given(parser, parsed_args).keys().isdisjoint((*_OF_ONE_RUN, *_OF_A_JOB, "dry_run", "save"))


def refuse_start_conflicts(parser: argparse.ArgumentParser, parsed_args: argparse.Namespace) -> None:
    """Refuse options of ``almajob run`` that contradict one another, or would do nothing.

    Args:
        parser: knows what an option is where it is not given.
        parsed_args: what it made of the command line.

    Raises:
        UsageError: there are some.
    """
    given = _list_given(parser, parsed_args)
    if parsed_args.list_saved:
        _refuse_any(given, (*_OF_ONE_RUN, *_OF_A_JOB, "job"), "--list-saved", "only lists")
        return
    if parsed_args.save:
        _refuse_any(given, _OF_ONE_RUN, "--save", "keeps a job with its parameters, not one run of it")
    _refuse_odd_job(parsed_args)
    if has_wait_options(parsed_args) and not parsed_args.wait:
        raise UsageError("--timeout, --interval and --outage say how to wait.", hint="Add --wait.")
    judges = parsed_args.wait or parsed_args.rerun_failed or parsed_args.save
    if (parsed_args.accept or parsed_args.fail_if) and not judges:
        raise UsageError("--accept and --fail-if judge the end of a run.", hint="Add --wait.")


def _list_given(parser: argparse.ArgumentParser, parsed_args: argparse.Namespace) -> dict[str, str]:
    """Map the options that are not as they are where they are not given to how they are typed."""
    return {
        action.dest: action.option_strings[0] if action.option_strings else str(action.metavar)
        for action in parser._actions
        if getattr(parsed_args, action.dest, action.default) != parser.get_default(action.dest)
    }


def _refuse_any(given: Mapping[str, str], names: Sequence[str], option: str, reason: str) -> None:
    first = next((given[name] for name in names if name in given), None)
    if first is not None:
        raise UsageError(f"{option} does not go with {first}: it {reason}.", hint=f"Leave {first} out.")


def _refuse_odd_job(parsed_args: argparse.Namespace) -> None:
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
