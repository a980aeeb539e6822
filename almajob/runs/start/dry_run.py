"""What a start would do now: every check that it makes, and nothing sent."""

from __future__ import annotations

from dataclasses import dataclass, replace

from almajob.alma.client import SubmitRequest
from almajob.runs.start import idempotency
from almajob.runs.start.preflight import Ready, draft_record, prepare, refuse_if_full
from almajob.runs.start.submit import earlier, read
from almajob.runs.start_request import Deps, StartRequest, Target
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
    request: SubmitRequest | None = None
    ready: Ready | None = None


def plan(request: StartRequest, target: Target, deps: Deps) -> Plan:
    """Return what ``submit.start`` would do; no record of the ledger is changed.

    Raises:
        AlmajobError: it would be refused.
    """
    draft = draft_record(request, target, deps)
    # A ledger that cannot be written would stop the start.
    deps.ledger.keep_fact("planned", draft.created_at)
    records = read(draft, deps)
    for record in idempotency.open_of_job(draft, records):
        if record.state is not State.PREPARED:
            return Plan("look first for an earlier start of the job that is in doubt", record)
    same, attempt = earlier(request, draft, records, target, deps)
    if same is not None:
        return Plan("show the run that this is, and start nothing", same)
    ready = prepare(request, target, deps, replace(draft, attempt=attempt), records)
    if isinstance(ready, Ready):
        refuse_if_full(ready, target, deps, records)
        as_xml = request.options.as_xml
        sent = deps.alma.submit_request(draft.job_id, ready.parameters, as_xml=as_xml)
        return Plan(_start_in(target, request), ready.record, sent, ready)
    if not ready.has_run:
        return Plan("start nothing, and ask a person which of the runs that are there is this one", ready)
    return Plan("start nothing, and take a run that is there for this one", ready)


def _start_in(target: Target, request: StartRequest) -> str:
    if target.read_only:
        return f"refuse: the environment is read-only here ({target.read_only})"
    if target.is_production and not request.options.is_confirmed:
        return "start, once a person at a terminal, or --yes, confirms it"
    return "start"
