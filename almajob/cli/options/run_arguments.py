"""The arguments of ``almajob run``: the job or saved run, its parameters, how it is started and followed."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from almajob.cli.context import Context
from almajob.cli.help_format import show_as_needed
from almajob.cli.options.ids_options import (
    IdsArguments,
    add_ids_options,
    ids_of,
    refuse_odd_start,
    settings_of_ids,
)
from almajob.cli.options.name_options import add_profile_option, find_chosen
from almajob.cli.options.run_options import add_policy_options, add_wait_options, policy_of
from almajob.cli.options.start_options import add_start_options, start_options_of
from almajob.cli.options.value_types import FROM_FILE, duration, non_empty, parameter, saved_name
from almajob.cli.other_words import explain_run
from almajob.errors import Refused, UsageError
from almajob.jobs.job_lookup import NoSuchJob
from almajob.runs.parameters import payload_file
from almajob.runs.parameters.parameters import SET_ID, Given, Parameters
from almajob.runs.run_key import make_schedule_key
from almajob.runs.saved_run import SavedRun
from almajob.runs.start_request import StartOptions
from almajob.system.terminal import has_keyboard
from almajob.text.suggestions import find_near, fold

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class StartArguments:
    """What a command line asks to be started.

    Attributes:
        job: its name or id; empty where only the payload names it.
        saved: the name of the saved run that it is; empty where it is none.
        parameters: with what was to be filled in filled in.
        written: the same as they were written.
        options: how to go about it, its policy included.
        overrides: the parameters that the command line itself gives, in its order.
        expands: whether something was to be filled in.
        ids: of which a set is made for the start; None where none is.
    """

    job: str
    parameters: Parameters
    written: Parameters
    options: StartOptions
    overrides: tuple[str, ...] = ()
    expands: bool = False
    saved: str = ""
    ids: IdsArguments | None = None


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all that ``almajob run`` takes, in the order of its help; ``start_arguments_of`` reads it."""
    what = parser.add_argument(
        "word",
        metavar="JOB|SAVED",
        nargs="?",
        type=non_empty,
        help="the job's exact name, or its id; or a saved run: see --save, and almajob saved list",
    )
    show_as_needed(what)
    parser.add_argument("--job", metavar="JOB", type=non_empty, help="another way to name the job")
    parser.add_argument("--saved", metavar="SAVED", type=non_empty, help="another way to name the saved run")
    add_profile_option(parser)
    given = parser.add_argument_group("parameters")
    given.add_argument(
        "--params",
        metavar="FILE",
        type=non_empty,
        help="parameters as XML from Alma's API Information panel, or as JSON; - reads standard input",
    )
    given.add_argument(
        "--param",
        dest="overrides",
        metavar="NAME=VALUE",
        type=parameter,
        action="append",
        default=[],
        help="set one parameter, overriding the file; NAME=@FILE reads the value from a file; may be "
        "repeated",
    )
    given.add_argument(
        "--set", dest="set_name", metavar="NAME", type=non_empty, help="the set to process, by its exact name"
    )
    add_ids_options(parser)
    given.add_argument(
        "--expand",
        action="store_true",
        help="replace {date:%%Y-%%m-%%d}, {env:NAME} and {epoch_ms} in the values",
    )
    given.add_argument(
        "--allow-unknown",
        action="store_true",
        help="send parameters that differ suspiciously from earlier runs: a new name, an empty value, no set",
    )
    given.add_argument("--xml", action="store_true", help="send the parameters as XML instead of JSON")
    add_start_options(parser)
    schedules = parser.add_argument_group("schedules")
    schedules.add_argument(
        "--scheduled",
        action="store_true",
        help="instead of a run key: start a saved run once for each time of its schedule, which almajob "
        "schedule install sets",
    )
    schedules.add_argument(
        "--splay",
        metavar="DURATION",
        type=duration,
        default=0.0,
        help="wait up to this long before anything else, so that cron does not start everything in the "
        "same second; always the same for this host, environment and job",
    )
    parser.add_argument(
        "--wait", action="store_true", help="wait for the end; the exit code says how it ended"
    )
    add_wait_options(parser)
    add_policy_options(parser)
    group = parser.add_argument_group("instead of a start")
    instead = group.add_mutually_exclusive_group()
    instead.add_argument(
        "--dry-run",
        action="store_true",
        help="check everything and show what would be sent; send nothing",
    )
    instead.add_argument(
        "--save",
        metavar="NAME",
        type=saved_name,
        help="save this under a name, for this environment: almajob run NAME",
    )
    group.add_argument(
        "--replace", action="store_true", help="with --save, replace what is saved under that name"
    )
    instead.add_argument(
        "--list-saved", action="store_true", help="list saved runs, as almajob saved list does"
    )


def wait_as_splayed(parsed_args: argparse.Namespace, arguments: StartArguments, context: Context) -> None:
    """Wait as ``--splay`` says, before anything is asked of Alma; not at all where it is not there."""
    if parsed_args.splay:
        from almajob.cli.console.sign_of_life import show_busy
        from almajob.runs.start import splay

        named = arguments.saved or parsed_args.profile_id or arguments.job
        job = named or arguments.parameters.job_id
        splay.wait(context.environment.name, job, parsed_args.splay, show_busy)


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
    name = _find_saved_name(parsed_args, context)
    saved = context.saved_runs.read(name) if name else SavedRun(parsed_args.job or parsed_args.word or "")
    written = payload_file.read(parsed_args.params) if parsed_args.params else saved.parameters
    overrides = [_read_value(name, value) for name, value in parsed_args.overrides]
    written = written.override(overrides)
    expands = parsed_args.expand or saved.expands
    # What is on the command line counts, whatever is saved.
    takes_set = parsed_args.set_name is None and all(item.name != SET_ID for item in overrides)
    is_agreed = parsed_args.yes or not (saved.needs_yes or _is_changed(parsed_args, saved))
    policy = policy_of(
        parsed_args, context, accept=saved.accept, fail_if=saved.fail_if, nothing_if=saved.nothing_if
    )
    given = start_options_of(parsed_args, policy=policy, once_per=saved.once_per)
    if parsed_args.scheduled:
        given = _name_scheduled(given, name, context)
    options = replace(
        given,
        set_name=(saved.set_name if takes_set else parsed_args.set_name) or "",
        job_name=saved.job_name,
        notify=tuple(dict.fromkeys((*given.notify, *saved.notify))),
        allow_unknown=parsed_args.allow_unknown,
        as_xml=parsed_args.xml or saved.as_xml,
        is_confirmed=is_agreed or (is_older and not has_keyboard()),
        only_exact=is_older,
    )
    if options.notify:
        # Most name nobody.
        from almajob.notify.names import refuse_unknown

        refuse_unknown(context.settings, options.notify)
    filled_in = context.expand(written) if expands else written
    names = (*(item.name for item in overrides), *([SET_ID] if parsed_args.set_name else []))
    # A set that is named here counts instead of the saved ids.
    ids = ids_of(parsed_args, saved if takes_set else replace(saved, ids=""))
    if ids is not None:
        options = replace(options, set_name="")
        refuse_odd_start(options, ids)
    return StartArguments(saved.job, filled_in, written, options, names, expands, name, ids)


def _name_scheduled(options: StartOptions, name: str, context: Context) -> StartOptions:
    """Name a start by the time of the schedule for which it is made; what the saved run says comes first.

    Raises:
        UsageError: no saved run is meant.
        ConfigurationError: it has no schedule, or its first time is still to come.
    """
    if not name:
        raise UsageError("--scheduled is for saved runs.", hint="almajob saved list shows them.")
    if options.once_per:
        return options
    due = context.saved_runs.find_due(name, context.now())
    return replace(options, run_key=make_schedule_key(name, due))


def _find_saved_name(parsed_args: argparse.Namespace, context: Context) -> str:
    """Return which saved run is meant; empty where a job is.

    Raises:
        UsageError: it is one, and something is said that it says itself.
    """
    word = parsed_args.word or ""
    name = parsed_args.saved or ("" if parsed_args.job or word not in context.saved_runs.names() else word)
    if name and (parsed_args.params or parsed_args.save):
        raise UsageError(
            "A saved run names its job and its parameters.",
            hint="Leave --params and --save out; --param NAME=VALUE changes single parameters.",
        )
    return str(name)


def with_job(
    parsed_args: argparse.Namespace,
    arguments: StartArguments,
    context: Context,
    start: Callable[[str], _T],
    *,
    start_chosen: Callable[[str], _T] | None = None,
) -> _T:
    """Call what starts a job, by its name or id; where that is not clear, a person at a terminal may choose.

    Args:
        start_chosen: what starts the one that was chosen; the same where not given.

    Raises:
        Refused: a saved run and a job have this name.
        UnclearJob: there is no such job, or there are several.
        AlmajobError: whatever it raises itself.
    """
    name = arguments.saved
    if name and not parsed_args.saved and context.catalogue.has(name):
        raise Refused(
            f"{name!r} is both a saved run and a job; nothing was started.",
            hint=f"For the saved run: almajob run --saved {shlex.quote(name)}\n"
            f"For the job: almajob run --job {shlex.quote(name)}",
        )
    if parsed_args.profile_id:
        return start(context.catalogue.of_profile(parsed_args.profile_id).id)
    word = "" if name else parsed_args.word or ""
    _refuse_like_saved(word, context)
    try:
        return find_chosen(arguments.job, start, may_ask=not parsed_args.no_input, find_one=start_chosen)
    except NoSuchJob as error:
        raise _suggest_other(word, error, context) from None


def _refuse_like_saved(word: str, context: Context) -> None:
    """Refuse a word that is a saved run's name but for its case or blanks: no job is meant that is like it.

    Raises:
        Refused: it is, and no job has exactly this name or id.
    """
    like = [name for name in context.saved_runs.names() if fold(name) == fold(word)] if word else []
    if like and not context.catalogue.has(word):
        raise Refused(
            f"No job has the name or id {word!r}; nothing was started.",
            hint=f"Did you mean the saved run {like[0]}?\n"
            f"If a job is meant: almajob run --job {shlex.quote(word)}",
        )


def _suggest_other(word: str, error: NoSuchJob, context: Context) -> NoSuchJob:
    """Return the error with what a word may mean that names no job: another command, or a saved run."""
    command = explain_run([word])
    if command:
        return error.replace(reason=command)
    near = find_near(word, context.saved_runs.names(), count=1) if word else []
    return error.replace(hint=f"Did you mean the saved run {near[0]}?\n{error.hint}") if near else error


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
        or parsed_args.ids
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
        "accept": ", ".join(parsed_args.accept),
        "fail_if": " or ".join(map(str, parsed_args.fail_if)),
        "nothing_if": " or ".join(map(str, parsed_args.nothing_if)),
        "once_per": parsed_args.once_per or "",
        "expand": "yes" if expands else "",
        "xml": "yes" if parsed_args.xml else "",
        "notify": ", ".join(dict.fromkeys(parsed_args.notify)),
        **settings_of_ids(parsed_args),
    }
    return {name: text for name, text in said.items() if text}
