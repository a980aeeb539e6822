"""What a start would do now: every check that it makes, and nothing sent."""

from __future__ import annotations

from dataclasses import dataclass, replace

from almajob.alma.client import StartRequest
from almajob.runs.start import idempotency
from almajob.runs.start.preflight import Ready, draft_record, prepare, refuse_if_full
from almajob.runs.start.submit import earlier, read
from almajob.runs.start_request import Intention, Means, Place
from almajob.store.ledger_record import Record, State


@dataclass(frozen=True, slots=True)
class Plan:
    """What a start would do.

    Attributes:
        action: in words.
        record: the run.
        request: what would be sent; None where nothing would.
        ready: all that was found out about what would be sent; None where nothing would.
    """

    action: str
    record: Record
    request: StartRequest | None = None
    ready: Ready | None = None


def plan(intention: Intention, place: Place, means: Means) -> Plan:
    """Return what ``submit.start`` would do; no record of the ledger is changed.

    Raises:
        AlmajobError: it would be refused.
    """
    draft = draft_record(intention, place, means)
    # A ledger that cannot be written would stop the start.
    means.ledger.keep_fact("planned", draft.created_at)
    records = read(draft, means)
    for record in idempotency.open_of_job(draft, records):
        if record.state is not State.PREPARED:
            return Plan("look first for an earlier start of the job that is in doubt", record)
    same, attempt = earlier(intention, draft, records, place, means)
    if same is not None:
        return Plan("show the run that this is, and start nothing", same)
    ready = prepare(intention, place, means, replace(draft, attempt=attempt), records)
    if isinstance(ready, Ready):
        refuse_if_full(ready, place, means, records)
        as_xml = intention.options.as_xml
        request = means.alma.start_request(draft.job_id, ready.parameters, as_xml=as_xml)
        return Plan(_start_in(place, intention), ready.record, request, ready)
    if not ready.has_run:
        return Plan("start nothing, and ask a person which of the runs that are there is this one", ready)
    return Plan("start nothing, and take a run that is there for this one", ready)


def _start_in(place: Place, intention: Intention) -> str:
    if place.read_only:
        return f"refuse: the environment is read-only here ({place.read_only})"
    if place.is_production and not intention.options.is_confirmed:
        return "start, once a person at a terminal, or --yes, confirms it"
    return "start"
