"""Options of a start that contradict one another, and what goes with none."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from almajob.cli.options.name_options import refuse_stray_statuses
from almajob.cli.options.run_options import has_wait_options
from almajob.cli.options.value_types import FROM_FILE
from almajob.errors import UsageError
from almajob.runs.parameters import payload_file
from almajob.runs.parameters.parameters import SET_ID

# In the order in which they are told.
_OF_ONE_RUN = (
    *("yes", "no_input", "allow_unknown", "run_key", "rerun_failed", "if_running", "wait_for_slot", "splay"),
    *("scheduled", "lock_wait", "wait", "timeout", "interval", "outage", "saved"),
)
_OF_A_JOB = (
    "params",
    "overrides",
    "set_name",
    *("ids", "id_type", "id_column", "skip_invalid", "rejected", "delete_set"),
    "once_per",
    "expand",
    "xml",
    "accept",
    "fail_if",
    "nothing_if",
    "notify",
)

# "saved" is of one run.
_NAMES = ("job", "word", "profile_id")


def is_bare_start(parser: argparse.ArgumentParser, parsed_args: argparse.Namespace) -> bool:
    """Whether a start has no option but the job's, as the older script's had."""
    others = (*_OF_ONE_RUN, *_OF_A_JOB, "word", "profile_id", "dry_run", "save", "replace")
    return _list_given(parser, parsed_args).keys().isdisjoint(others)


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
        _refuse_any(given, (*_OF_ONE_RUN, *_OF_A_JOB, *_NAMES, "replace"), "--list-saved", "only lists")
        return
    if parsed_args.replace and not parsed_args.save:
        raise UsageError("--replace replaces a saved run.", hint="Add --save NAME.")
    if parsed_args.save:
        _refuse_any(given, _OF_ONE_RUN, "--save", "keeps a job with its parameters, not one run of it")
    if parsed_args.scheduled:
        _refuse_any(given, ("run_key", "once_per"), "--scheduled", "names the start itself")
    _refuse_odd_job(parsed_args)
    if has_wait_options(parsed_args) and not parsed_args.wait:
        raise UsageError("--timeout, --interval and --outage say how to wait.", hint="Add --wait.")
    judges = parsed_args.wait or parsed_args.rerun_failed or parsed_args.save
    if (parsed_args.accept or parsed_args.fail_if or parsed_args.nothing_if) and not judges:
        raise UsageError("--accept, --fail-if and --nothing-if judge the end of a run.", hint="Add --wait.")


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
        raise UsageError("--set and --param set_id both name a set.", hint="Keep one of them.")
    if parsed_args.ids and (parsed_args.set_name or SET_ID in names):
        other = "--set" if parsed_args.set_name else "--param set_id"
        raise UsageError(f"--ids and {other} both say what to work on.", hint="Keep one of them.")
    if parsed_args.save and (parsed_args.ids == payload_file.STDIN or parsed_args.rejected):
        what = "--rejected FILE" if parsed_args.rejected else "--ids -"
        raise UsageError(f"{what} cannot be saved: it is for one run.", hint="Leave it out.")
    _refuse_two_names(parsed_args)
    files = [value[1:] for _name, value in parsed_args.overrides if value.startswith(FROM_FILE)]
    if [parsed_args.params, parsed_args.ids, *files].count(payload_file.STDIN) > 1:
        raise UsageError("Standard input can be read once only.", hint="Name a file for one of the two.")


def _refuse_two_names(parsed_args: argparse.Namespace) -> None:
    word, job, saved = parsed_args.word, parsed_args.job, parsed_args.saved
    refuse_stray_statuses(parsed_args, [word] if word else [])
    options = {"--job": job, "--saved": saved, "--profile-id": parsed_args.profile_id}
    named = [f"{option} {value!r}" for option, value in options.items() if value and value != word]
    if len(named) + bool(word) > 1:
        both = " and ".join([*([repr(word)] if word else []), *named][:2])
        raise UsageError(f"{both} are both named.", hint="Keep one of them.")
    if not (word or any(options.values()) or parsed_args.params):
        raise UsageError(
            "Which job?",
            hint="Name it by its exact name or its id (almajob list shows both), or name a saved run.",
        )
