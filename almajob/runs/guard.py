"""What stands before a start in production: all of it is shown, and a person types the id of the job."""

from __future__ import annotations

from almajob.alma.models import Job
from almajob.errors import ReadOnly, Refused
from almajob.runs.intention import Place, StartOptions
from almajob.runs.parameters import Parameters
from almajob.runs.prepare import Ready
from almajob.visible import visible

_LONGEST_VALUE = 200


class Unconfirmed(Refused):
    """A start in production that nobody has confirmed; all checks are made, and nothing was sent.

    It carries the record of what would have been sent.

    Attributes:
        question: what a person must see before the id is typed; several lines.
        job_id: what must be typed.
    """

    def __init__(self, ready: Ready, place: Place) -> None:
        record = ready.record
        super().__init__(
            f"{record.job_name!r} ({record.job_id}) in {place.environment} was not confirmed; "
            "nothing was sent.",
            why="A start in production is confirmed by a person at a terminal, or by --yes.",
            cure="Look at it with --dry-run; then add --yes to the same command.\n"
            "A saved run may have confirm = no instead.",
        )
        self.question = _question(ready, place)
        self.record = record
        self.job_id = record.job_id


def refuse_unagreed(ready: Ready, options: StartOptions, place: Place) -> None:
    """Refuse a start where none may be made, and one in production that nobody has agreed to.

    Raises:
        ReadOnly: nothing may be sent there.
        Unconfirmed: a person has to agree first.
    """
    if place.read_only:
        raise ReadOnly(place.read_only)
    if place.is_production and not options.is_confirmed:
        raise Unconfirmed(ready, place)


def refuse_typed(asked: Unconfirmed, typed: str) -> None:
    """Refuse a start for which something else than its job's id was typed.

    Raises:
        Refused: it was; ``y`` and ``yes`` are no ids either.
    """
    if typed.strip() == asked.job_id:
        return
    told = f"{typed.strip()[:80]!r} is not {asked.job_id}" if typed.strip() else "Nothing was typed"
    refused = Refused(
        f"{told}; nothing was sent.", cure=f"The same command asks again; the id to type is {asked.job_id}."
    )
    refused.record = asked.record
    raise refused


def refuse_other_job(found: Job, parameters: Parameters, options: StartOptions, place: Place) -> None:
    """Refuse a payload of another job than the one that was named, and an id that is another job's now.

    Raises:
        Refused: with both ids, or both names.
    """
    if parameters.job_id not in ("", found.id):
        raise Refused(
            f"The payload is of the job {parameters.job_id}, and {found.name!r} is {found.id} in "
            f"{place.environment}; nothing was sent.",
            why=f"{parameters.job_source} says so.",
            cure="Correct --job, or take the payload of this job; ids differ between environments.",
        )
    if options.job_name not in ("", found.name):
        raise Refused(
            f"{found.id} is not the job that was saved; nothing was sent.",
            why=f"It was {options.job_name!r}; Alma calls it {found.name!r} now.",
            cure=f"{place.program} list --refresh shows today's ids; then save the run anew.",
        )


def _question(ready: Ready, place: Place) -> str:
    record = ready.record
    parameters = [f"{visible(item.name)} = {_shortened(visible(item.value))}" for item in ready.given.given]
    lines = [
        "This starts a job in production.",
        *_column("Parameters", parameters or ["none"]),
        *_column("Set", [_set(ready)] if ready.set else []),
        *_column("Institution", [visible(record.institution) or "not told by Alma"]),
        *_column("Environment", [place.environment]),
        *_column("Job", [visible(record.job_name)]),
        *_column("Id", [visible(record.job_id)]),
    ]
    return "\n".join(lines)


def _column(heading: str, values: list[str]) -> list[str]:
    return [f"  {heading if not number else '':<12} {value}" for number, value in enumerate(values)]


def _set(ready: Ready) -> str:
    found = ready.set
    assert found is not None
    count = "an unknown number of members" if found.members is None else f"{found.members} members"
    described = visible(found.content.desc or found.content.value)
    return f"{visible(found.name)} ({found.id}): {count}, {described}"


def _shortened(value: str) -> str:
    return value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]} … ({len(value)} characters)"
