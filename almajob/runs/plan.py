"""What a start would do now: every check that it makes, and nothing sent."""

from __future__ import annotations

from dataclasses import dataclass, replace

from almajob.alma.api import StartRequest
from almajob.runs import prior
from almajob.runs.intention import Intention, Means, Place
from almajob.runs.prepare import Ready, drafted, prepared
from almajob.runs.submit import earlier, read
from almajob.store.record import Record, State


@dataclass(frozen=True, slots=True)
class Plan:
    """What a start would do.

    Attributes:
        action: in words.
        record: the run.
        request: what would be sent; None where nothing would.
    """

    action: str
    record: Record
    request: StartRequest | None = None


def plan(intention: Intention, place: Place, means: Means) -> Plan:
    """Say what ``submit.start`` would do; no record of the ledger is changed.

    Raises:
        AlmajobError: it would be refused.
    """
    draft = drafted(intention, place, means)
    # A ledger that cannot be written would stop the start.
    means.ledger.keep_fact("planned", draft.created)
    records = read(draft, means)
    for record in prior.open_of_job(draft, records):
        if record.state is not State.PREPARED:
            return Plan("look first for an earlier start of the job that is in doubt", record)
    same, attempt = earlier(intention, draft, records, place, means)
    if same is not None:
        return Plan("show the run that this is, and start nothing", same)
    ready = prepared(intention, place, means, replace(draft, attempt=attempt), records)
    if isinstance(ready, Ready):
        return Plan("start", ready.record, means.alma.start_request(draft.job_id, ready.parameters))
    return Plan("start nothing, and take a run that is there for this one", ready)
