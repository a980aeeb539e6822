"""A job started in several environments: all are checked, then agreed to together, and only then started."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from almajob.alma.http.error_responses import GATEWAY_REFUSALS
from almajob.cli.console.progress import display
from almajob.cli.context import Context
from almajob.cli.many.each import do_in_each
from almajob.cli.many.outcome import Outcome, Part, name_some, word_briefly
from almajob.cli.options.global_options import pace_of
from almajob.cli.options.run_arguments import StartArguments, start_arguments_of, with_job
from almajob.cli.options.run_options import wait_options_of
from almajob.errors import (
    AlmajobError,
    AlmaRefused,
    AlreadyRunning,
    EarlierStartUnknown,
    JobBusy,
    LeftOut,
    NotConfirmed,
    Refused,
    UsageError,
)
from almajob.output.formats import ARRAY_FORMATS
from almajob.output.run_views import BRIEF_COLUMNS, START_COLUMNS, not_started, start_values
from almajob.runs.parameters import payload_file
from almajob.runs.parameters.parameters import SET_ID
from almajob.runs.saved_run import NotForHere
from almajob.runs.start.confirmation import Unconfirmed, refuse_typed, shorten_value
from almajob.runs.start.plan import Plan
from almajob.runs.start.preflight import RunsUnseen
from almajob.runs.start.start_limits import NoSlot
from almajob.runs.start_request import Start
from almajob.system.terminal import confirmer
from almajob.text.sanitize import sanitize

_OF_ONE = (AlreadyRunning, EarlierStartUnknown, JobBusy, NoSlot, RunsUnseen)
"""What one environment is refused for only now, and the others need not wait for."""
_CODES_OF_ONE = GATEWAY_REFUSALS - {"REQUEST_TOO_LARGE"}
_BRIEF_STARTED = ("instance_id", "job_id", "job_name", "status")


@dataclass(frozen=True, slots=True)
class Checked:
    """A start in one environment that nothing speaks against.

    Attributes:
        arguments: what the command line asks for there.
        plan: what the start will do.
        question: what a person has to agree to; None where nothing is sent, or it is agreed to.
    """

    arguments: StartArguments
    plan: Plan
    question: Unconfirmed | None


def refuse_of_one(parsed_args: argparse.Namespace) -> None:
    """Refuse what ``almajob run`` does in one environment only.

    Raises:
        UsageError: the command line asks for it.
    """
    given = {
        "--save": (parsed_args.save, "saves a job of one environment"),
        "--list-saved": (parsed_args.list_saved, "lists without asking any of them"),
        "--ids": (parsed_args.ids, "makes a set of records of one institution"),
    }
    for option, (value, reason) in given.items():
        if value:
            raise UsageError(
                f"{option} does not go with several environments: it {reason}.", hint="Name one with --env."
            )
    values = [value for _name, value in parsed_args.overrides]
    if payload_file.STDIN in (parsed_args.params, *(value.removeprefix("@") for value in values)):
        raise UsageError("Standard input can be read once only.", hint="Name a file.")


def refuse_saved_ids(parsed_args: argparse.Namespace, contexts: Sequence[Context]) -> None:
    """Refuse a saved run with ids, as ``--ids`` is refused.

    Raises:
        UsageError: it has some in one of the environments.
    """
    for context in contexts:
        try:
            has_ids = start_arguments_of(parsed_args, context).ids is not None
        except AlmajobError:
            # The work there reports it.
            continue
        if has_ids:
            raise UsageError(
                f"This saved run has ids for {context.environment_name}; nothing was started.",
                reason="It makes a set of records of one institution.",
                hint="Name one environment with --env.",
            )


def start_in_each(parsed_args: argparse.Namespace, contexts: Sequence[Context]) -> list[Outcome[Part]]:
    """Start a job in several environments, and return what came of each.

    What is wrong with the command (a name, a set, a parameter) keeps it from being started anywhere. What is
    wrong with one environment (it is down, its key is refused, the job runs already) leaves that one out.
    """
    refuse_saved_ids(parsed_args, contexts)
    _wait_as_splayed(parsed_args, contexts)
    pace = pace_of(parsed_args)
    found = do_in_each(
        *(contexts, partial(_check, parsed_args), pace._replace(stop_after=0)),
        doing="Checking",
        is_told=False,
    )
    wrong = [each for each in found if each.error is not None and _is_of_command(each.error)]
    if wrong:
        return _start_nothing(parsed_args, found, {each.context: each.error for each in wrong})
    checked = {each.context: each.value for each in found if each.value is not None}
    failures = len(found) - len(checked)
    if 0 < pace.stop_after <= failures:
        reason = f"--stop-after ended it: {failures} failed when they were checked."
        return _start_nothing(parsed_args, found, {each.context: each.error for each in found}, reason)
    try:
        agreed_to = _confirm(parsed_args, found)
    except NotConfirmed as refused:
        asked = [context for context, each in checked.items() if each.question is not None]
        return _start_nothing(parsed_args, found, dict.fromkeys(asked, refused))
    start = partial(_start, parsed_args, checked, agreed_to)
    pace = pace._replace(is_strict=True, stop_after=max(pace.stop_after - failures, 0))
    started = {
        each.context: each if each.value else _show_failure(parsed_args, each.context, each.error)
        for each in do_in_each(
            *(list(checked), start, pace), doing="Starting in", is_told=False, is_timed=False
        )
    }
    return [
        started.get(each.context) or _show_failure(parsed_args, each.context, each.error)
        for each in found
        if each.error is not None or each.context in started
    ]


def _is_of_command(error: AlmajobError) -> bool:
    if isinstance(error, _OF_ONE) or (isinstance(error, AlmaRefused) and error.code in _CODES_OF_ONE):
        return False
    is_bug = type(error) is AlmajobError
    return is_bug or isinstance(error, UsageError | Refused | AlmaRefused | NotForHere)


def _check(parsed_args: argparse.Namespace, context: Context) -> tuple[Checked, None]:
    arguments = start_arguments_of(parsed_args, context)

    def check(job: str) -> tuple[Unconfirmed | None, Plan]:
        return context.runs.check_start(Start(job, arguments.parameters, arguments.options))

    question, plan = with_job(parsed_args, arguments, context, check)
    return Checked(arguments, plan, question), None


def _start(
    parsed_args: argparse.Namespace,
    checked: Mapping[Context, Checked],
    agreed_to: Mapping[Context, str],
    context: Context,
) -> tuple[Part, AlmajobError | None]:
    """Start the job in one environment, and follow it if that is asked for."""
    arguments, runs = checked[context].arguments, context.runs
    options, policy = wait_options_of(parsed_args), arguments.options.policy
    if parsed_args.wait and policy is not None:
        runs.unreported.waiting = " ".join(filter(None, (options.words(), policy.words())))
    start = partial(
        runs.start,
        parameters=arguments.parameters,
        # Whoever is not asked any more has agreed to what was shown, or is refused.
        options=replace(arguments.options, agreed_to=agreed_to.get(context, "")),
        look=not parsed_args.wait,
    )
    try:
        run = with_job(parsed_args, arguments, context, start)
    except AlmajobError as error:
        failed = _show_failure(parsed_args, context, error)
        return failed.value or Part(START_COLUMNS, []), failed.error
    if not parsed_args.wait:
        return Part(START_COLUMNS, [start_values(run)], _BRIEF_STARTED), None
    run = runs.follow(run, options, policy=policy, display=display)
    return Part(START_COLUMNS, [start_values(run)], BRIEF_COLUMNS), run.verdict


def _show_failure(
    parsed_args: argparse.Namespace, context: Context, error: AlmajobError | None
) -> Outcome[Part]:
    """Return what is known of a start that led to no run: for programs a row, for people the error."""
    if error is None or parsed_args.formatter not in ARRAY_FORMATS:
        return Outcome(context, error=error)
    run_key = parsed_args.run_key or ""
    recalled = error if isinstance(error, LeftOut) else context.recall(error, run_key)
    row = not_started(context.environment_name, recalled, run_key)
    return Outcome(context, Part(START_COLUMNS, [row]), recalled)


def _start_nothing(
    parsed_args: argparse.Namespace,
    found: Sequence[Outcome[Checked]],
    errors: Mapping[Context, AlmajobError | None],
    reason: str = "What cannot be started everywhere is started nowhere.",
) -> list[Outcome[Part]]:
    """Return that nothing was started anywhere, and why: all of it, at once."""

    def leave_out(outcome: Outcome[Checked]) -> LeftOut:
        own = word_briefly(outcome.error) if outcome.error else ""
        return LeftOut(f"Nothing was started. {own}".rstrip(), reason=reason)

    return [
        _show_failure(parsed_args, each.context, errors.get(each.context) or leave_out(each))
        for each in found
    ]


def _wait_as_splayed(parsed_args: argparse.Namespace, contexts: Sequence[Context]) -> None:
    if parsed_args.splay:
        from almajob.cli.console.sign_of_life import show_busy
        from almajob.runs.start import splay

        named = (parsed_args.saved, parsed_args.profile_id, parsed_args.job, parsed_args.word)
        environments = ",".join(context.environment_name for context in contexts)
        splay.wait(environments, next(filter(None, named), ""), parsed_args.splay, show_busy)


def _confirm(
    parsed_args: argparse.Namespace,
    found: Sequence[Outcome[Checked]],
    make_confirmer: Callable[[], Callable[[str], str] | None] = confirmer,
) -> dict[Context, str]:
    """Show all starts in production to a person at once; return to what was agreed, by environment.

    Raises:
        NotConfirmed: nobody has agreed.
    """
    asked = {
        each.context: each.value.question
        for each in found
        if each.value is not None and each.value.question is not None
    }
    if not asked:
        return {}
    confirm = None if parsed_args.no_input else make_confirmer()
    if confirm is None:
        raise NotConfirmed(
            f"The start in {name_some([each.environment_name for each in asked])} was not confirmed; "
            "nothing was sent anywhere.",
            reason="A start in production is confirmed by a person at a terminal.",
            hint="Look at it with --dry-run.\nThen add --yes to the same command.",
        )
    refuse_typed(next(iter(asked.values())), confirm(_word_question(found)))
    return {context: question.question for context, question in asked.items()}


def _word_question(found: Sequence[Outcome[Checked]]) -> str:
    """Return one question about all starts, to which the id of the first job is the answer.

    What is the same everywhere is shown once; then there is a line for each environment, and below it what is
    its own.
    """
    plans = [each.value.plan for each in found if each.value is not None]
    sent = [plan for plan in plans if plan.ready is not None]
    facts = [_list_facts(plan) for plan in sent]
    common = [fact for fact in facts[0] if all(fact in others for others in facts)]
    rows = [_make_row(plan) for plan in sent]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = []
    for row, own in zip(rows, facts, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"  {'  '.join(cells)}".rstrip())
        lines += [f"    {heading}: {text}" for heading, text in own if (heading, text) not in common]
    unsent = [plan for plan in plans if plan.ready is None]
    out = [f"  {each.environment}: {word_briefly(each.error)}" for each in found if each.error is not None]
    asked = [each.value for each in found if each.value is not None and each.value.question is not None]
    first = asked[0].plan.record
    return "\n".join(
        [
            f"This starts a job in {len(sent)} environments, of which {len(asked)} are in production.",
            *(f"  {heading:<12} {text}" for heading, text in common),
            *lines,
            *(f"In {plan.record.environment}: {plan.action}." for plan in unsent),
            *(["Left out:", *out] if out else []),
            f"To start all of them, type the id of the first: {sanitize(first.job_id)}",
        ]
    )


def _list_facts(plan: Plan) -> list[tuple[str, str]]:
    """Return what may be the same everywhere: the job's name, its parameters, the set's name."""
    ready = plan.ready
    given = [item for item in ready.given.given if item.name != SET_ID] if ready else []
    return [
        ("Job", shorten_value(plan.record.job_name)),
        *((shorten_value(item.name), shorten_value(item.value) or "(empty)") for item in given),
        *([("Set", shorten_value(ready.set.name))] if ready and ready.set else []),
    ]


def _make_row(plan: Plan) -> tuple[str, ...]:
    """Return what is of one environment: its name, the institution, the job's id, the set and its members."""
    record, found = plan.record, plan.ready.set if plan.ready else None
    count = "" if found is None or found.members is None else f"{found.members} members"
    if found is not None and not count:
        count = "an unknown number of members"
    return (
        f"{record.environment}{'' if record.kind == 'production' else ' (sandbox)'}",
        shorten_value(record.institution) or "not told by Alma",
        sanitize(record.job_id),
        sanitize(found.id) if found else "",
        count,
    )
