"""What stands before a start in production: all of it is shown, and a person types the id of the job."""

from __future__ import annotations

from collections.abc import Sequence

from almajob.alma.sets import Set
from almajob.errors import NotConfirmed, ReadOnly
from almajob.runs.parameters.parameters import SET_ID
from almajob.runs.start.preflight import Ready
from almajob.runs.start_request import StartRequest, Target
from almajob.text.sanitize import sanitize, show_blanks

_LONGEST_VALUE = 200


class Unconfirmed(NotConfirmed):
    """A start in production that nobody has confirmed; all checks are made, and nothing was sent.

    Attributes:
        question: what a person must see before the id is typed; several lines.
        job_id: what must be typed.
    """

    def __init__(self, ready: Ready, target: Target, question: str, typed_job: str = "") -> None:
        record = ready.record
        reason = "A start in production is confirmed by a person at a terminal."
        # A line for each: a plugin's command may have one of these options, or none.
        hint = "Look at it with --dry-run.\nThen add --yes to the same command.\n"
        hint += "What was saved with --save may have confirm = no instead."
        if typed_job:
            reason += f" {typed_job!r} is not the job's exact name."
            hint = f"Look at it with --dry-run.\nThen name it by its id, with --yes: {record.job_id}"
        super().__init__(
            f"{record.job_name!r} ({record.job_id}) in {target.environment} was not confirmed; "
            "nothing was sent.",
            reason=reason,
            hint=hint,
        )
        self.question = question
        self.job_id = record.job_id


def refuse_unconfirmed(ready: Ready, request: StartRequest, target: Target) -> None:
    """Refuse a start where none may be made, and one in production that nobody has agreed to.

    Raises:
        ReadOnly: nothing may be sent there.
        Unconfirmed: a person has to agree first, or agreed to something else.
    """
    if target.read_only:
        raise ReadOnly(target.read_only)
    options, typed_job = request.options, request.typed_job
    # A text such as "no" is true, too.
    if not target.is_production or options.is_confirmed is True:
        return
    question = _word_question(ready, request, target)
    if question != options.agreed_to:
        raise Unconfirmed(ready, target, question, typed_job)


def refuse_typed(asked: Unconfirmed, typed: str) -> None:
    """Refuse a start for which something else than its job's id was typed.

    Raises:
        Refused: it was; ``y`` and ``yes`` are no ids either.
        TypeError: it is no text.
    """
    if not isinstance(typed, str):
        raise TypeError(f"confirm returns what was typed, and not a {type(typed).__name__}")
    if typed.strip() == asked.job_id:
        return
    problem = f"{typed.strip()[:80]!r} is not {asked.job_id}" if typed.strip() else "Nothing was typed"
    hint = f"The same command asks again; the id to type is {asked.job_id}."
    raise NotConfirmed(f"{problem}; nothing was sent.", hint=hint).replace(record=asked.record)


def join_questions(asked: Sequence[Unconfirmed]) -> str:
    """Return one question about several starts, to which the id of the first job is the answer."""
    if len(asked) == 1:
        return asked[0].question
    lines = [f"This starts {len(asked)} jobs in production."]
    for number, each in enumerate(asked, start=1):
        lines += [f"{number}.", *each.question.split("\n")[1:]]
    return "\n".join([*lines, f"To start all of them, type the id of the first: {asked[0].job_id}"])


def _word_question(ready: Ready, request: StartRequest, target: Target) -> str:
    record, typed_job, own = ready.record, request.typed_job, request.options.own_set
    # What is agreed to is the set as it will be, and it has no id before it is there.
    given = [item for item in ready.given.given if own is None or item.name != SET_ID]
    found = f"{shorten_value(own.name)}: made for this start, of {own.ids} ids" if own else ""
    if ready.set and not own:
        found = _describe_set(ready.set)
    parameters = [f"{shorten_value(item.name)} = {shorten_value(item.value) or '(empty)'}" for item in given]
    lines = [
        "This starts a job in production.",
        *_format_lines("Parameters", parameters or ["none"]),
        *_format_lines("Set", [found] if found else []),
        *_format_lines("Institution", [shorten_value(record.institution) or "not told by Alma"]),
        *_format_lines("Environment", [target.environment]),
        *_format_lines("You typed", [shorten_value(repr(typed_job))] if typed_job else []),
        *_format_lines("Job", [shorten_value(record.job_name)]),
        *_format_lines("Id", [sanitize(record.job_id)]),
    ]
    return "\n".join(lines)


def _format_lines(heading: str, values: list[str]) -> list[str]:
    return [f"  {heading if not number else '':<12} {value}" for number, value in enumerate(values)]


def _describe_set(found: Set) -> str:
    count = "an unknown number of members" if found.members is None else f"{found.members} members"
    described = sanitize(found.content.desc or found.content.value)
    return f"{shorten_value(found.name)} ({sanitize(found.id)}): {count}, {described}"


def shorten_value(text: str) -> str:
    """Show a text of others within a line: not longer than that, and without room to hide something in."""
    folded = show_blanks(sanitize(text))
    if len(folded) <= _LONGEST_VALUE:
        return folded
    return f"{folded[:_LONGEST_VALUE]} … ({len(text)} characters)"
