"""Options about a start: its job or saved run, its parameters, how often, what stands before production."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from almajob.cli.context import Context
from almajob.cli.options.run_options import add_policy_options, add_wait_options, policy_of
from almajob.cli.options.value_types import FROM_FILE, duration, non_empty, parameter, run_key, saved_name
from almajob.runs.parameters import payload_file
from almajob.runs.parameters.parameters import SET_ID, Given, Parameters
from almajob.runs.run_key import PERIODS
from almajob.runs.saved_run import SavedRun
from almajob.runs.start_request import IF_RUNNING, StartOptions
from almajob.system import clock as clocks
from almajob.system.terminal import has_keyboard


@dataclass(frozen=True, slots=True)
class StartArguments:
    """What a command line asks to be started.

    Attributes:
        job: its name or id; empty where only the payload names it.
        parameters: with what was to be filled in filled in.
        written: the same as they were written.
        options: how to go about it, its policy included.
        overrides: the parameters that the command line itself gives, in its order.
        expands: whether something was to be filled in.
    """

    job: str
    parameters: Parameters
    written: Parameters
    options: StartOptions
    overrides: tuple[str, ...] = ()
    expands: bool = False


def add_start_options(parser: argparse.ArgumentParser) -> None:
    """Add all options of ``almajob run``, in the order of its help; ``start_arguments_of`` reads them."""
    standard = StartOptions()
    parser.add_argument(
        "saved", metavar="SAVED", nargs="?", type=non_empty, help="a saved run: see --save and --list-saved"
    )
    parser.add_argument("--job", metavar="JOB", type=non_empty, help="the job's exact name, or its id")
    given = parser.add_argument_group("parameters")
    given.add_argument(
        "--params",
        metavar="FILE",
        type=non_empty,
        help="the XML of Alma's API Information panel, or JSON; - for standard input",
    )
    given.add_argument(
        "--param",
        dest="overrides",
        metavar="NAME=VALUE",
        type=parameter,
        action="append",
        default=[],
        help="a parameter, instead of that of the file; NAME=@FILE takes the value from a file; "
        "may be repeated",
    )
    given.add_argument(
        "--set", dest="set_name", metavar="NAME", type=non_empty, help="the set to work on, by its exact name"
    )
    given.add_argument(
        "--expand",
        action="store_true",
        help="fill in {date:%%Y-%%m-%%d}, {env:NAME} and {epoch_ms} in the values",
    )
    given.add_argument(
        "--allow-unknown",
        action="store_true",
        help="send what the job's earlier payloads speak against: a new name, an empty value, no set",
    )
    given.add_argument("--xml", action="store_true", help="send them as XML instead of JSON")
    guard = parser.add_argument_group("production")
    guard.add_argument("--yes", action="store_true", help="start in production without asking, as cron must")
    guard.add_argument(
        "--no-input", action="store_true", help="never ask; what would need an answer is refused"
    )
    once = parser.add_argument_group("once")
    key = once.add_mutually_exclusive_group()
    key.add_argument(
        "--run-key",
        metavar="KEY",
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
        default=standard.if_running,
        help="where a run of the job has not ended: refuse (exit code 5), take it for this run, "
        "or start another one beside it; default: %(default)s",
    )
    add_length = partial(
        parser.add_argument_group("before the start").add_argument, metavar="DURATION", type=duration
    )
    add_length(
        "--wait-for-slot",
        default=standard.wait_for_slot,
        help="where Alma takes no more starts just now (3 running, 5 of one job an hour): wait so long, "
        "such as 90s, 30m or 2h",
    )
    add_length(
        "--splay",
        default=0.0,
        help="for cron: first wait up to so long, always the same time for this host, environment and job, "
        "so that not all start in the same second",
    )
    add_length(
        "--lock-wait",
        default=standard.lock_wait,
        help="wait so long for another almajob that is starting the same job; default: 60s",
    )
    parser.add_argument("--wait", action="store_true", help="follow the run to its end, and judge it")
    add_wait_options(parser)
    add_policy_options(parser)
    instead = parser.add_argument_group("instead of a start").add_mutually_exclusive_group()
    instead.add_argument(
        "--dry-run", action="store_true", help="make all checks and show what would be sent, but send nothing"
    )
    instead.add_argument(
        "--save",
        metavar="NAME",
        type=saved_name,
        help="keep this under a name, for this environment: almajob run NAME",
    )
    instead.add_argument("--list-saved", action="store_true", help="list what was kept so")


def wait_as_splayed(parsed_args: argparse.Namespace, arguments: StartArguments, context: Context) -> None:
    """Wait as ``--splay`` says, before anything is asked of Alma; not at all where it is not there."""
    if parsed_args.splay:
        from almajob.runs.start import splay

        job = parsed_args.saved or arguments.job or arguments.parameters.job_id
        splay.wait(context.environment.name, job, parsed_args.splay)


def start_arguments_of(
    parsed_args: argparse.Namespace, context: Context, *, is_older: bool = False
) -> StartArguments:
    """Read all options of a start, the saved run and the files that they name.

    Args:
        parsed_args: the command line.
        context: knows the saved runs.
        is_older: it is one of the older script's, whose cron lines know no ``--yes`` and must keep working.

    Raises:
        AlmajobError: one of these cannot be used; nothing was sent.
    """
    saved = (
        context.saved_runs.read(parsed_args.saved) if parsed_args.saved else SavedRun(parsed_args.job or "")
    )
    written = payload_file.read(parsed_args.params) if parsed_args.params else saved.parameters
    overrides = [_read_value(name, value) for name, value in parsed_args.overrides]
    written = written.override(overrides)
    expands = parsed_args.expand or saved.expands
    # What is on the command line counts, whatever is saved.
    takes_set = parsed_args.set_name is None and all(item.name != SET_ID for item in overrides)
    is_agreed = parsed_args.yes or not (saved.needs_yes or _is_changed(parsed_args, saved))
    options = StartOptions(
        run_key=parsed_args.run_key or "",
        once_per=parsed_args.once_per or ("" if parsed_args.run_key else saved.once_per),
        if_running=parsed_args.if_running,
        rerun_failed=parsed_args.rerun_failed,
        lock_wait=parsed_args.lock_wait,
        wait_for_slot=parsed_args.wait_for_slot,
        set_name=(saved.set_name if takes_set else parsed_args.set_name) or "",
        job_name=saved.job_name,
        allow_unknown=parsed_args.allow_unknown,
        as_xml=parsed_args.xml or saved.as_xml,
        is_confirmed=is_agreed or (is_older and not has_keyboard()),
        requested_at=clocks.system().now(),
    )
    policy = policy_of(parsed_args, context, accept=saved.accept, fail_if=saved.fail_if)
    filled_in = context.expand(written) if expands else written
    names = (*(item.name for item in overrides), *([SET_ID] if parsed_args.set_name else []))
    return StartArguments(saved.job, filled_in, written, replace(options, policy=policy), names, expands)


def _read_value(name: str, value: str) -> Given:
    """Read a value; one that begins with ``@`` is in a file, with ``@@`` it begins with one."""
    if not value.startswith(FROM_FILE) or value.startswith(FROM_FILE * 2):
        return Given(name, value.removeprefix(FROM_FILE), "--param")
    return payload_file.read_value(value.removeprefix(FROM_FILE), name)


def _is_changed(parsed_args: argparse.Namespace, saved: SavedRun) -> bool:
    """Whether a saved run is another one here, or runs oftener: what was agreed to is what was saved."""
    return bool(
        parsed_args.overrides
        or parsed_args.set_name
        or parsed_args.allow_unknown
        or (parsed_args.expand and not saved.expands)
        or (parsed_args.xml and not saved.as_xml)
        or (saved.once_per and (parsed_args.run_key or parsed_args.once_per))
        or parsed_args.rerun_failed
        or parsed_args.if_running == "start"
    )


def settings_of(parsed_args: argparse.Namespace, expands: bool) -> dict[str, str]:
    """Return what a saved run keeps of the options, besides job and parameters, as settings of the ini."""
    said = {
        "set": parsed_args.set_name or "",
        "accept": ", ".join(chain.from_iterable(parsed_args.accept)),
        "fail_if": " or ".join(map(str, parsed_args.fail_if)),
        "once_per": parsed_args.once_per or "",
        "expand": "yes" if expands else "",
        "xml": "yes" if parsed_args.xml else "",
    }
    return {name: text for name, text in said.items() if text}
