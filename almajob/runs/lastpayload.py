"""The last payload that a job was started with from here: what a new one is compared with, and its skeleton.

Alma never lists a job's parameters; what it took once is all that is known of them.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence

from almajob.alma.models import Job, Parameter
from almajob.errors import Refused
from almajob.runs.parameters import SET_ID, Parameters
from almajob.runs.records import SHORT_WAIT
from almajob.runs.runkey import JOB_NAME, takes_tag
from almajob.store.ledger import Ledger, LedgerUnusable

LOG = logging.getLogger(__name__)

# Every manual job takes these.
_ALWAYS_KNOWN = frozenset({SET_ID, JOB_NAME})
_SHOWN = 5


def recall(ledger: Ledger, environment: str, job_id: str) -> tuple[Parameter, ...] | None:
    """Give the parameters of the last start that Alma took; None where there was none from here.

    Raises:
        LedgerUnusable: it cannot be read.
    """
    kept = ledger.fact(_name(environment, job_id))
    return None if kept is None else tuple(Parameter(name, value) for name, value in kept)


def remember(ledger: Ledger, environment: str, job_id: str, parameters: Sequence[Parameter]) -> None:
    """Keep the parameters of a start that Alma took; the start stands, whether or not that succeeds."""
    if not parameters:
        return
    try:
        kept = [[item.name, item.value] for item in parameters]
        ledger.keep_fact(_name(environment, job_id), kept, wait=SHORT_WAIT)
    except LedgerUnusable as error:
        LOG.debug("The parameters were not kept: %s", error.what)


def refuse_unlike(
    parameters: Parameters, last: Sequence[Parameter] | None, job: Job, *, environment: str
) -> None:
    """Refuse a payload that has what the last one had not, or lacks the set that it had.

    Args:
        parameters: as they are to be sent.
        last: the last payload of the job; None where none is known.
        job: as Alma has it now.
        environment: its name, for the message.

    Raises:
        Refused: with the names that may have been meant.
    """
    if not takes_tag(job):
        if parameters.given:
            raise Refused(
                f"{job.name!r} is no manual job, and takes no parameters; nothing was sent.",
                cure="Leave them out, or add --allow-unknown.",
            )
        return
    if last is None:
        return
    known = {item.name for item in last} | _ALWAYS_KNOWN
    unknown = [item for item in parameters.given if item.name not in known]
    cure = (
        f"almajob --env {environment} params {job.id} shows the last payload.\n"
        "--allow-unknown sends this one all the same; from then on it is the one to be compared with."
    )
    if unknown:
        told = "; ".join(_told(item.name, item.source, known) for item in unknown[:_SHOWN])
        more = f"; and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise Refused(
            f"The last payload of {job.id} had no parameter of {_these(len(unknown))}; nothing was sent.",
            why=f"{told}{more}",
            cure=cure,
        )
    if SET_ID in {item.name for item in last} and parameters.get(SET_ID) is None:
        raise Refused(
            f"The last payload of {job.id} had a set, and this one has none; nothing was sent.",
            why="Add --param set_id=ID, or --set NAME.",
            cure=cure,
        )


def _told(name: str, source: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f", did you mean {near[0]}?" if near else ""
    return f"{name}{f' ({source})' if source else ''}{meant}"


def _these(count: int) -> str:
    return "this name" if count == 1 else f"these {count} names"


def _name(environment: str, job_id: str) -> str:
    return f"payload:{environment}:{job_id}"
