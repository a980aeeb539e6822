"""What a start will do, decided before anything is done: ``--dry-run`` shows it, and a start acts on it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from almajob.alma.client import SubmitRequest
from almajob.errors import Refused
from almajob.jobs.success_policy import Policy
from almajob.runs.evidence.unknown_outcome import earlier_outcome_unknown, is_twice, outcome_unknown
from almajob.runs.start import idempotency, recover
from almajob.runs.start.confirmation import refuse_unconfirmed
from almajob.runs.start.interruption import report_interruption, report_unsent
from almajob.runs.start.preflight import Ready, draft_record, prepare, refuse_if_full
from almajob.runs.start_request import Deps, StartRequest
from almajob.store.ledger.record import Record, State

LOG = logging.getLogger(__name__)

_CHECKED = "it was still being checked"


class Action(Enum):
    """What a start does, in words."""

    LOOK_FIRST = "look first for an earlier start of the job whose outcome is unknown"
    SHOW = "show the run that this is, and start nothing"
    ASK = "start nothing, and ask a person which of the runs that are there is this one"
    ADOPT = "start nothing, and take a run that is there for this one"
    SEND = "start"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a start will do.

    Attributes:
        action: in words.
        record: the run.
        ready: all that was found out about what will be sent; None where nothing will.
        request: what would be sent, for who only looks; None where nothing would.
    """

    action: str
    record: Record
    ready: Ready | None = None
    request: SubmitRequest | None = None


def make_plan(request: StartRequest, deps: Deps) -> Plan:
    """Return what a start would do now; no record of the ledger is changed.

    Raises:
        AlmajobError: it would be refused.
    """
    draft = draft_record(request, deps)
    # A ledger that cannot be written would stop the start.
    deps.ledger.keep_fact("planned", draft.created_at)
    plan = decide(request, deps, draft, is_dry_run=True)
    if plan.ready is None:
        return plan
    sent = deps.alma.submit_request(draft.job_id, plan.ready.parameters, as_xml=request.options.as_xml)
    action = Action.SEND.value
    if deps.target.read_only:
        action = f"refuse: the environment is read-only here ({deps.target.read_only})"
    elif deps.target.is_production and request.options.is_confirmed is not True:
        action = "start, once a person at a terminal, or --yes, confirms it"
    return replace(plan, action=action, request=sent)


def decide(request: StartRequest, deps: Deps, draft: Record, *, is_dry_run: bool = False) -> Plan:
    """Decide what a start does, by what the ledger has and what Alma lists.

    Args:
        draft: its record, which is only meant as yet.
        is_dry_run: leave earlier starts whose outcome is unknown as they are, and ask nobody to agree.

    Raises:
        OutcomeUnknown: it is a start whose outcome is unknown, and still is.
        AlmajobError: something speaks against it; nothing was started.
    """
    records = read_records(draft, deps)
    for record in idempotency.select_open(draft, records):
        if not is_dry_run:
            records[records.index(record)] = _recover_earlier(draft, record, deps)
        elif record.state is not State.PREPARED:
            return Plan(Action.LOOK_FIRST.value, record)
    with report_unsent(_CHECKED):
        same, attempt = find_same_run(request, draft, records, deps)
        if same is not None:
            return Plan(Action.SHOW.value, same)
        ready = prepare(request, deps, replace(draft, attempt=attempt), records)
        if not isinstance(ready, Ready):
            return Plan((Action.ADOPT if ready.has_run else Action.ASK).value, ready)
        # Nobody is asked to agree to what Alma would not take, unless it is waited for.
        waits = bool(request.options.wait_for_slot) and not is_dry_run
        if not waits:
            refuse_if_full(ready, deps, records)
        if not is_dry_run:
            refuse_unconfirmed(ready, request, deps.target)
        if waits:
            refuse_if_full(ready, deps, records)
        return Plan(Action.SEND.value, ready.record, ready)


def read_records(draft: Record, deps: Deps) -> list[Record]:
    """Read what the ledger has that matters to a start.

    Raises:
        Refused: the run key stands for something else.
    """
    with deps.ledger.read() as view:
        found = idempotency.read_records(view, draft, deps.clock.now())
    records = idempotency.drop_foreign(draft, found)
    idempotency.refuse_other_use(draft, records)
    return records


def find_same_run(
    request: StartRequest, draft: Record, records: Sequence[Record], deps: Deps
) -> tuple[Record | None, int]:
    """Find the run that this command already is, or say which attempt it is."""
    same = idempotency.match_run(draft, records, deps.locks.is_held)
    if same is None:
        return None, 1
    if request.options.rerun_failed and _has_failed(same, request.options.policy or deps.target.policy, deps):
        return None, same.attempt + 1
    return same, same.attempt


def _recover_earlier(draft: Record, record: Record, deps: Deps) -> Record:
    """Look for an earlier start of the job; nothing is started beside one whose outcome is unknown."""
    was_sent = record.state is not State.PREPARED
    if was_sent:
        LOG.info(
            "The outcome of an earlier start of %s (%s) is unknown. Looking for it.",
            record.job_name,
            record.run_key,
        )
    explain = outcome_unknown if idempotency.is_this_run(draft, record) else earlier_outcome_unknown
    earlier, program = record, deps.target.program
    with report_interruption(lambda: explain(earlier, program)) if was_sent else report_unsent(_CHECKED):
        record = recover.recover_start(record, deps)
    if record.is_open or is_twice(record):
        raise explain(record, program)
    if was_sent:
        LOG.info("It was %s: %s.", "started" if record.has_run else "not started", record.trail[-1].reason)
    return record


def _has_failed(record: Record, policy: Policy, deps: Deps) -> bool:
    """Ask Alma whether a run has ended, and not well.

    Raises:
        Refused: that cannot be told by this policy; a slip in a condition must not start the job again.
    """
    seen = deps.alma.instance(record.instance_id, record.job_id)
    if not seen.has_ended:
        return False
    judgement = policy.judge(seen)
    if judgement.error is not None and not judgement.is_certain:
        error = judgement.error
        raise Refused(error.message, reason=error.reason, hint=error.hint)
    return judgement.error is not None
