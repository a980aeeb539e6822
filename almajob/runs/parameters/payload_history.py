"""What a job was started with from here: its last payload, and what its earlier ones had.

Alma never lists a job's parameters; what it took is all that is known of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almajob.alma.models import Job, Parameter
from almajob.errors import ParametersRefused
from almajob.runs.parameters.parameters import SET_ID, Parameters
from almajob.runs.run_key import JOB_NAME, takes_tag
from almajob.runs.run_reference import SHORT_WAIT
from almajob.store.ledger.ledger import Ledger
from almajob.text.suggestions import find_near

LOG = logging.getLogger(__name__)

# Every manual job takes these: a payload of nothing else tells nothing of the job.
_OF_ANY_JOB = frozenset({SET_ID, JOB_NAME})
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class KnownPayload:
    """What is known of a job's parameters.

    Attributes:
        last: those of the last start.
        may_be_empty: each name that a start ever had, and whether one had it empty, or not at all.
    """

    last: tuple[Parameter, ...]
    may_be_empty: Mapping[str, bool]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> KnownPayload:
        """Read what ``to_json`` gave.

        Raises:
            TypeError, ValueError, LookupError: it is something else.
        """
        last = tuple(Parameter(str(name), str(value)) for name, value in raw["last"])
        return cls(last, {str(name): bool(empty) for name, empty in dict(raw["may_be_empty"]).items()})

    def to_json(self) -> dict[str, Any]:
        """Return it in the form in which it is kept."""
        return {"last": [[item.name, item.value] for item in self.last], "may_be_empty": self.may_be_empty}


def recall(ledger: Ledger, environment: str, job_id: str) -> KnownPayload | None:
    """Return what is known of a job's parameters; None where it was never started from here with any.

    Raises:
        LedgerUnusable: it cannot be read.
    """
    with ledger.read() as view:
        kept = view.fact(_name_fact(environment, job_id))
    try:
        return None if kept is None else KnownPayload.from_json(kept)
    except (TypeError, ValueError, LookupError):
        LOG.debug("What is kept of the parameters of %s cannot be read.", job_id)
        return None


def remember(ledger: Ledger, environment: str, job_id: str, parameters: Sequence[Parameter]) -> None:
    """Keep the parameters of a start that Alma took; the start stands, whether or not that succeeds."""
    if not parameters:
        return
    names = {item.name for item in parameters}
    empty = {item.name for item in parameters if not item.value.strip()}
    try:
        before = recall(ledger, environment, job_id)
        known = dict(before.may_be_empty) if before else {}
        for name in {*known, *names}:
            # What an earlier start did not have at all, it had empty.
            known[name] = known.get(name, before is not None) or name in empty or name not in names
        kept = KnownPayload(tuple(parameters), known).to_json()
        ledger.keep_fact(_name_fact(environment, job_id), kept, wait=SHORT_WAIT)
    except Exception:  # no bug here is one of a start that was made
        LOG.debug("The parameters were not kept.", exc_info=True)


def refuse_unlike(parameters: Parameters, known: KnownPayload | None, job: Job, program: str) -> None:
    """Refuse a payload that has what no earlier one had, or leaves empty what each of them had.

    Raises:
        Refused: with the names that may have been meant.
    """
    if not takes_tag(job):
        if parameters.given:
            raise ParametersRefused(
                f"{job.name!r} is not a manual job and takes no parameters; nothing was sent.",
                hint="Leave them out.\n--allow-unknown sends them anyway.",
            )
        return
    if known is None:
        return
    hint = (
        f"{program} params {job.id} shows the last payload.\n"
        "--allow-unknown sends it anyway, and later payloads are compared with it."
    )
    names = {*known.may_be_empty, *_OF_ANY_JOB}
    tells_names = not set(known.may_be_empty) <= _OF_ANY_JOB
    given = dict.fromkeys(item.name for item in parameters.given)
    unknown = [name for name in given if tells_names and name not in names]
    if unknown:
        described = "; ".join(_suggest_name(name, names) for name in unknown[:_SHOWN])
        these = "this name" if len(unknown) == 1 else f"these {len(unknown)} names"
        more = f"; and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise ParametersRefused(
            f"No earlier payload of {job.id} had a parameter of {these}; nothing was sent.",
            reason=f"{described}{more}",
            hint=hint,
        )
    _refuse_emptied(parameters, known, job, hint)


def _refuse_emptied(parameters: Parameters, known: KnownPayload, job: Job, hint: str) -> None:
    empty = dict.fromkeys(item.name for item in parameters.given if not item.value.strip())
    emptied = [name for name in empty if not known.may_be_empty.get(name, True)]
    if emptied:
        raise ParametersRefused(
            f"Earlier payloads of {job.id} had a value for {', '.join(emptied[:_SHOWN])}; nothing was sent.",
            reason="In this one it is empty.",
            hint=hint,
        )
    if parameters.get(SET_ID) is None and not known.may_be_empty.get(SET_ID, True):
        raise ParametersRefused(
            f"Earlier payloads of {job.id} had a set, and this one has none; nothing was sent.",
            hint=f"Add --set NAME, or --param set_id=ID.\n{hint}",
        )


def _suggest_name(name: str, known: set[str]) -> str:
    near = find_near(name, known, count=1)
    return f"{name}, did you mean {near[0]}?" if near else name


def _name_fact(environment: str, job_id: str) -> str:
    return f"payload:{environment}:{job_id}"
