"""Start a job once: the intention on disk first, then one POST, then an honest word on what came of it.

Alma starts a job for every POST that arrives and can stop none. So a start is never sent again unless it is
certain that the first one was not accepted; after a kill -9 the ledger tells the next process what to look
for.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from almajob.alma.api import StartRequest
from almajob.errors import AlmajobError
from almajob.runs import prior, settle, slots, wait
from almajob.runs.intention import Intention, Means, Place
from almajob.runs.locks import key_lock
from almajob.runs.outcome import Outcome, is_threshold, judge
from almajob.runs.prepare import Ready, drafted, prepared
from almajob.store.record import Certainty, Record, State

LOG = logging.getLogger(__name__)

_SLOT_PAUSE = 30.0


def start(intention: Intention, place: Place, means: Means) -> Record:
    """Start a job, or find the run that this command already is.

    Returns:
        A record that has a run: started now, before, or found in Alma.

    Raises:
        OutcomeUnknown: it cannot be told whether the job was started; the error has the record.
        AlmajobError: nothing was started.
    """
    where = f"{place.environment}:{intention.job.id}"
    with ExitStack() as locks:
        locks.enter_context(means.locks.lock(where, intention.options.lock_wait))
        draft = drafted(intention, place, means)
        if draft.is_named:
            # The same name for another job, at the same time.
            key = key_lock(draft.run_key)
            locks.enter_context(means.locks.lock(key, intention.options.lock_wait))
        record = _start(intention, place, means, draft)
        # Until this process has told of it, or is dead.
        means.locks.hold(record.id)
        return record


def _start(intention: Intention, place: Place, means: Means, draft: Record) -> Record:
    records = means.ledger.records(prior.rows_for(draft, means.clock.now()))
    prior.refuse_other_use(draft, records)
    records = [
        _settled(record, place, means) if record in prior.open_of_job(draft, records) else record
        for record in records
    ]
    same = prior.same_run(draft, records, means.clock.now(), means.locks.is_held)
    if same is not None and not (intention.options.rerun_failed and _has_failed(same, means)):
        LOG.info("Started before: %s is run %s (%s).", same.job_name, same.instance_id, same.run_key)
        return same
    if same is not None:
        draft = replace(draft, attempt=same.attempt + 1)
    ready = prepared(intention, place, means, draft, records)
    if isinstance(ready, Ready):
        return _send(ready, place, means)
    LOG.info("Nothing is sent: %s.", ready.trail[-1].reason)
    means.ledger.write(ready)
    if len(ready.candidates) > 1:
        raise settle.unknown(ready)
    return ready


def start_when_free(intention: Intention, place: Place, means: Means) -> Record:
    """Start a job as ``start``; where one of Alma's limits is reached, wait for a slot and try again."""
    end = means.clock.elapsed() + intention.options.wait_for_slot
    while True:
        try:
            return start(intention, place, means)
        except AlmajobError as error:
            if not (isinstance(error, slots.NoSlot) or is_threshold(error)):
                raise
            rest = end - means.clock.elapsed()
            pause = getattr(error, "free_in", None) or _SLOT_PAUSE
            # A slot that is known to be free too late is not waited for.
            if rest <= 0 or (pause > rest and isinstance(error, slots.NoSlot) and error.free_in):
                raise
            LOG.info("%s Waiting for a slot, for %.0f s at most.", error.what, rest)
            means.clock.sleep(min(max(pause, 1.0), rest))


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
    """Say what ``start`` would do now, with all of its checks; sends nothing, and changes no record.

    Raises:
        AlmajobError: it would be refused.
    """
    draft = drafted(intention, place, means)
    now = means.clock.now()
    records = means.ledger.records(prior.rows_for(draft, now))
    prior.refuse_other_use(draft, records)
    for record in prior.open_of_job(draft, records):
        if record.state is not State.PREPARED:
            return Plan("look first for an earlier start of the job, which has no outcome yet", record)
    same = prior.same_run(draft, records, now, means.locks.is_held)
    if same is not None and not (intention.options.rerun_failed and _has_failed(same, means)):
        return Plan("show the run that this is, and start nothing", same)
    if same is not None:
        draft = replace(draft, attempt=same.attempt + 1)
    ready = prepared(intention, place, means, draft, records)
    if isinstance(ready, Ready):
        return Plan("start", ready.record, means.alma.start_request(draft.job_id, ready.parameters))
    return Plan("start nothing, and take a run that is there for this one", ready)


def _settled(record: Record, place: Place, means: Means) -> Record:
    """Settle an earlier start of the job; nothing is started beside one that is in doubt."""
    LOG.info(
        "An earlier start of %s (%s) has no outcome yet; looking for it.", record.job_name, record.run_key
    )
    record = settle.settle(record, place, means)
    if record.is_open or len(record.candidates) > 1:
        raise settle.unknown(record)
    LOG.info("It was %s: %s.", "started" if record.has_run else "not started", record.trail[-1].reason)
    return record


def _has_failed(record: Record, means: Means) -> bool:
    """Ask Alma whether a run has ended, and not well."""
    seen = means.alma.instance(record.instance_id, record.job_id)
    return slots.has_ended(seen) and wait.verdict(seen, "") is not None


def _send(ready: Ready, place: Place, means: Means) -> Record:
    """Send it, once: PREPARED and SENDING are on disk before the first byte, the result directly after."""
    record, clock = ready.record, means.clock
    means.ledger.write(record)
    LOG.info(
        "Starting %s (%s) in %s; run key %s.",
        record.job_name,
        record.job_id,
        place.environment,
        record.run_key,
    )
    sent_at = ready.clock + clock.elapsed() - ready.elapsed
    record = record.moved(State.SENDING, clock.now(), "about to be sent", sent_at=sent_at)
    means.ledger.write(record)
    outcome = _post(record, ready, means)
    record = record.moved(outcome.state, clock.now(), outcome.reason, **_named(outcome))
    try:
        settle.keep(record, means)
        if outcome.state is State.UNKNOWN:
            LOG.warning("%s. Looking for the run in Alma, for up to two minutes.", outcome.reason)
            record = settle.look_for(record, place, means)
    except BaseException:
        if record.has_run:
            LOG.warning("%s", wait.goes_on(record.instance_id, record.environment))
        else:
            LOG.warning("%s", settle.unknown(record))
        raise
    if outcome.state is State.NOT_STARTED:
        assert outcome.error is not None
        outcome.error.record = record
        raise outcome.error
    if not record.has_run or len(record.candidates) > 1:
        raise settle.unknown(record)
    found = "Started" if outcome.state is State.STARTED else "Found"
    LOG.info("%s %s: run %s.", found, record.job_name, record.instance_id)
    return record


def _named(outcome: Outcome) -> dict[str, Any]:
    """Give what is known of a run that Alma named."""
    if outcome.state is not State.STARTED:
        return {}
    when = outcome.submit_time.isoformat() if outcome.submit_time else ""
    return {"instance_id": outcome.instance_id, "certainty": Certainty.CONFIRMED, "submit_time": when}


def _post(record: Record, ready: Ready, means: Means) -> Outcome:
    try:
        return judge(record.job_id, means.alma.submit(record.job_id, ready.parameters))
    except AlmajobError as error:
        return judge(record.job_id, error)
    except Exception as error:
        # A bug of ours, met while the answer was read: Alma may well have accepted the request.
        LOG.debug("The answer could not be read.", exc_info=True)
        return Outcome(State.UNKNOWN, f"almajob failed on the answer: {type(error).__name__}")
    except BaseException:
        # Ctrl-C or SIGTERM while the request was under way: Alma may have it already.
        reason = "almajob was interrupted before the answer came"
        record = settle.keep(record.moved(State.UNKNOWN, means.clock.now(), reason), means)
        LOG.warning("%s", settle.unknown(record))
        raise
