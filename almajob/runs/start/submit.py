"""Start a job once: the start on disk first, then one POST, then an honest word on what came of it.

Alma starts a job for every POST that arrives and can stop none. So a start is never sent again unless it is
certain that the first one was not accepted; after a kill -9 the ledger tells the next process what to look
for.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any, NamedTuple

from almajob.alma.call_log import of_start
from almajob.alma.http import transport_errors
from almajob.alma.http.error_responses import PER_SECOND_THRESHOLD
from almajob.alma.job_instances import Submission
from almajob.alma.rate_limit.limiter import Permit
from almajob.errors import AlmaError, AlmajobError, OwnFault, Refused, one_line
from almajob.runs.evidence.start_outcome import Outcome, is_perhaps_a_copys, is_threshold, judge
from almajob.runs.evidence.unknown_outcome import is_twice, make_sentence, outcome_unknown
from almajob.runs.job_lock import name_job_locks, name_key_locks
from almajob.runs.parameters import payload_history
from almajob.runs.start import idempotency, recover, start_limits
from almajob.runs.start.interruption import report_unsent
from almajob.runs.start.plan import Action, Plan, decide, find_same_run, read_records
from almajob.runs.start.preflight import Ready, draft_record
from almajob.runs.start_request import Deps, StartRequest
from almajob.store.ledger.ledger import InstanceTaken
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Certainty, Record, State
from almajob.store.ledger.run_key_forms import move_key
from almajob.system.clock import Clock
from almajob.text import time_format
from almajob.text.busy import Busy, count_down, show_nothing
from almajob.text.sanitize import sanitize

LOG = logging.getLogger(__name__)

# Between writing that a start is about to be sent and sending it: connections are made meanwhile.
_LONGEST_PAUSE = 300.0
_BUSY = "Try again when it has ended.\n--lock-wait DURATION waits longer for it."
_SLOT_PAUSE = 30.0
_LONGEST_SLOT_PAUSE = 300.0
# Alma tells its time in whole seconds.
_CLOCK_MARGIN = 2.0


class Submitted(NamedTuple):
    """A run that was started, or found to be the one that was asked for.

    Attributes:
        sentence: what became of the start; it names the run.
        is_earlier: whether the run was there before, so that nothing was started now.
    """

    record: Record
    sentence: str
    is_earlier: bool


def start(request: StartRequest, deps: Deps) -> Submitted:
    """Start a job, or find the run that this command already is.

    Returns:
        A record that has a run: started now, before, or found in Alma.

    Raises:
        OutcomeUnknown: it is unknown whether the job was started; the error has the record.
        AlmajobError: nothing was started.
    """
    with of_start(request.run_key), ExitStack() as locks:
        try:
            with report_unsent("it was still waiting for another almajob that is busy with the job"):
                _lock(request, deps, locks)
        except Refused as busy:
            record = _find_meanwhile(request, deps, busy)
            return Submitted(record, _word_found(record), is_earlier=True)
        draft = draft_record(request, deps)
        try:
            with deps.busy(lambda: f"Checking {request.job.name} before the start"):
                plan = decide(request, deps, draft)
            if plan.ready is None:
                record = _adopt(plan, deps)
            else:
                with deps.busy(lambda: f"Waiting for Alma's answer to the start of {request.job.name}"):
                    record = _send(plan.ready, deps, as_xml=request.options.as_xml)
        except AlmajobError as error:
            if error.record is None and error.is_retry_safe:
                refused = draft.advance(State.NOT_STARTED, deps.clock.now(), error.message)
                raise error.replace(record=refused) from error.__cause__
            raise
        # Until this process has told of it, or is dead.
        deps.locks.hold(record.id)
        is_earlier = plan.ready is None
        sentence = _word_found(record) if is_earlier else word_started(record)
        return Submitted(record, sentence, is_earlier)


def word_started(record: Record) -> str:
    """Return the sentence for a run that was started just now."""
    where = f"{sanitize(record.job_name)} in {record.environment}"
    how = "" if record.state is State.STARTED else ", found in Alma"
    return f"Started {where}{how}: run {record.instance_id}"


def _word_found(record: Record) -> str:
    """Return the sentence for a run that was there already, so that nothing was started."""
    run = f"run {record.instance_id} of {sanitize(record.job_name)} in {record.environment}"
    if record.is_attached:
        return f"Running already: {run}"
    return f"Started before: {run} (run key {record.run_key})"


def _lock(request: StartRequest, deps: Deps, locks: ExitStack) -> None:
    """Take the locks of a job, and those of its run key: another job may be started under the same one.

    Raises:
        Refused: another almajob has one of them for all the time that it is waited for.
    """
    end = deps.clock.elapsed() + request.options.lock_wait
    target = deps.target
    names = [(name, False) for name in name_job_locks(target.environment, target.identity, request.job.id)]
    if request.is_named:
        run_key = move_key(request.run_key, "")
        names += [(name, True) for name in name_key_locks(target.environment, target.identity, run_key)]
    waiting = count_down("Waiting for another almajob that is busy with the job", end, deps.clock.elapsed)
    with deps.busy(waiting):
        for name, is_removed in names:
            wait = max(end - deps.clock.elapsed(), 0.0)
            locks.enter_context(deps.locks.lock(name, wait, _BUSY, remove=is_removed))


def _find_meanwhile(request: StartRequest, deps: Deps, busy: Refused) -> Record:
    """Find the run that a command is already, though another almajob is busy with its job.

    Raises:
        OutcomeUnknown: nobody knows whether it was made, and the other one may be looking for it.
        Refused: it is none.
    """
    draft = draft_record(request, deps)
    records = read_records(draft, deps)
    same, _attempt = find_same_run(request, draft, records, deps)
    if same is not None:
        return same
    for record in idempotency.select_open(draft, records):
        if record.state is not State.PREPARED and idempotency.is_this_run(draft, record):
            raise outcome_unknown(record, deps.target.program)
    raise busy.replace(message=f"{busy.message} Nothing was sent.") from None


def _adopt(plan: Plan, deps: Deps) -> Record:
    """Take the run that is there for the one that was asked for.

    Raises:
        OutcomeUnknown: it is not certain that it is, or there are two.
    """
    record = plan.record
    if plan.action == Action.SHOW.value:
        if is_twice(record):
            LOG.warning("%s", outcome_unknown(record, deps.target.program))
        return record
    LOG.debug("Nothing is sent: %s.", record.trail[-1].reason)
    try:
        deps.ledger.write(record)
    except InstanceTaken as taken:
        # The locks were lost meanwhile, and another almajob was given the same command.
        if not idempotency.is_this_run(record, taken.other):
            raise
        record = taken.other
    if not record.has_run or is_twice(record):
        raise outcome_unknown(record, deps.target.program)
    return record


def wait_for_slot(
    error: AlmajobError, wait: float, begun: float, clock: Clock, busy: Busy = show_nothing
) -> None:
    """Wait until a start may be tried again for which one of Alma's limits left no room.

    Args:
        wait: seconds that a slot is waited for.
        busy: shows people that it is.

    Raises:
        AlmajobError: the same, where nothing is waited for, or not so long.
    """
    if not (isinstance(error, start_limits.NoSlot) or is_threshold(error)):
        raise error
    waited = clock.elapsed() - begun
    rest = wait - waited
    free_in = error.free_in if isinstance(error, start_limits.NoSlot) else None
    # A slot that is known to be free too late is not waited for.
    if rest <= 0 or (free_in or 0.0) > rest:
        raise error
    longest = min(max(waited / 10, _SLOT_PAUSE), _LONGEST_SLOT_PAUSE)
    pause = free_in + _CLOCK_MARGIN if free_in else longest
    end, why = clock.elapsed() + rest, one_line(error.alma or error.message)

    def describe() -> str:
        left = time_format.format_duration(max(round(end - clock.elapsed()), 0))
        return f"Waiting for a slot, for {left} at most: {why}"

    with busy(describe, is_long=True), report_unsent("it was still waiting for a slot (--wait-for-slot)"):
        clock.sleep(min(max(pause, 1.0), rest))


def _send(ready: Ready, deps: Deps, *, as_xml: bool) -> Record:
    """Send it, once: PREPARED and SENDING are on disk before the first byte, the result directly after.

    Raises:
        OutcomeUnknown: it is unknown whether the job was started.
        AlmajobError: nothing was started.
    """
    record = ready.record
    # Nothing is on its way, nor written, while other calls have the room.
    with report_unsent("other calls of Alma came first"):
        permit = deps.alma.get_start_permit()
    with permit:
        record = _write_sending(ready, deps)
        may_have_left = False

        def before_sending() -> None:
            nonlocal may_have_left
            _refuse_stale(record, deps)
            may_have_left = True

        try:
            submission = deps.alma.submit(
                *(record.job_id, ready.parameters),
                as_xml=as_xml,
                permit=permit,
                before_sending=before_sending,
            )
            outcome = judge(record.job_id, submission, _list_known(record, submission, deps))
        except AlmajobError as error:
            outcome = judge(record.job_id, error if may_have_left else _not_sent(error))
        except Exception as error:
            LOG.debug("The answer could not be read.", exc_info=True)
            # A bug of ours, met while the answer was read: Alma may well have accepted the request.
            unknown = Outcome(State.UNKNOWN, f"almajob failed on the answer: {type(error).__name__}")
            outcome = unknown if may_have_left else judge(record.job_id, _not_sent(error))
        except BaseException:
            # Ctrl-C or SIGTERM.
            _keep_interrupted(record, deps, may_have_left=may_have_left)
            raise
        if is_perhaps_a_copys(outcome):
            permit.report()
            outcome = _after_overlap(record, outcome, deps)
        record = record.advance(outcome.state, deps.clock.now(), outcome.reason, **_name_run(outcome))
        record = _find_out(record, outcome, deps, permit)
    if outcome.state is State.NOT_STARTED and outcome.error is not None:
        reason = outcome.error.reason or "Nothing was started."
        raise outcome.error.replace(record=record, reason=reason) from outcome.error.__cause__
    if not record.has_run or is_twice(record):
        raise outcome_unknown(record, deps.target.program)
    payload_history.remember(deps.ledger, record.environment, record.job_id, ready.given.sent)
    return record


def _write_sending(ready: Ready, deps: Deps) -> Record:
    """Write that a start is meant, and then that it is about to be sent.

    What is reported as failed may be on disk all the same: then it would be looked for, for an hour.

    Raises:
        LedgerUnusable: that cannot be written; nothing is sent, and that is kept if possible.
    """
    record, clock = ready.record, deps.clock
    with report_unsent("it was only prepared"):
        deps.ledger.write(record)
    LOG.info(
        "Starting %s (%s) in %s; run key %s.",
        *(record.job_name, record.job_id, record.environment, record.run_key),
    )
    sent_at = ready.clock + clock.elapsed() - ready.elapsed
    record = record.advance(State.SENDING, clock.now(), "about to be sent", sent_at=sent_at)
    try:
        deps.ledger.write(record)
    except LedgerUnusable:
        with suppress(LedgerUnusable):
            reason = "nothing was sent, as the ledger could not be written"
            deps.ledger.write(record.advance(State.NOT_STARTED, clock.now(), reason))
        raise
    except BaseException:
        # It may be on disk by now, and would be looked for.
        _keep_interrupted(record, deps, may_have_left=False)
        raise
    return record


def _find_out(record: Record, outcome: Outcome, deps: Deps, permit: Permit) -> Record:
    """Keep what the answer proved, and look for the run where it proved nothing.

    The request is out: whatever goes wrong here is no reason to say that nothing was sent.
    """
    try:
        record = recover.keep(record, deps)
        permit.report()
        if record.state is State.UNKNOWN:
            why = make_sentence(record.trail[-1].reason)
            LOG.warning("%s Looking for the run in Alma, for up to two minutes.", why)
            record = recover.look_for(record, deps)
    except Exception as error:
        LOG.debug("It could not be looked for.", exc_info=True)
        if not record.has_run and outcome.state is not State.NOT_STARTED:
            raise outcome_unknown(record, deps.target.program) from error
    except BaseException:
        # One that was started is named by whoever ends the command.
        if not record.has_run:
            LOG.warning("%s", outcome_unknown(record, deps.target.program))
        raise
    return record


def _list_known(record: Record, submission: Submission, deps: Deps) -> set[str]:
    """List the runs that were there before a start: a proxy may have answered with what Alma said of one."""
    known = set(record.baseline)
    # What was started cannot depend on a ledger that cannot be read any more.
    with suppress(LedgerUnusable):
        known |= recover.read_claimed(record, [submission.instance_id], deps)
    return known


def _name_run(outcome: Outcome) -> dict[str, Any]:
    """Return what is known of a run that Alma named."""
    if outcome.state is not State.STARTED:
        return {}
    when = outcome.submit_time.isoformat() if outcome.submit_time else ""
    return {"instance_id": outcome.instance_id, "certainty": Certainty.CONFIRMED, "submit_time": when}


def _not_sent(error: Exception) -> AlmajobError:
    """Return an error that says what is certain, where not one byte has left."""
    if isinstance(error, AlmajobError):
        return transport_errors.certify_not_sent(error)
    return OwnFault("Nothing was sent.", reason=f"almajob failed before: {type(error).__name__}.")


def _refuse_stale(record: Record, deps: Deps) -> None:
    """Refuse to send a start now for which everything was checked some time ago.

    Raises:
        OwnFault: this machine or process stood still in between.
    """
    stood = deps.clock.now() - record.trail[-1].at
    if stood > _LONGEST_PAUSE:
        raise OwnFault(
            f"{record.job_name!r} was not started: "
            f"this machine stood still for {time_format.format_duration(stood)}.",
            reason="All that was checked before the start may have changed meanwhile.",
            hint="Give the same command again.",
        )


def _keep_interrupted(record: Record, deps: Deps, *, may_have_left: bool) -> None:
    """Keep what is certain of a request that was interrupted: that it never leaves, or nothing."""
    if may_have_left:
        reason = "almajob was interrupted before the answer came"
        record = recover.keep(record.advance(State.UNKNOWN, deps.clock.now(), reason), deps)
        LOG.warning("%s", outcome_unknown(record, deps.target.program))
    else:
        reason = "almajob was interrupted before anything was sent"
        recover.keep(record.advance(State.NOT_STARTED, deps.clock.now(), reason), deps)
        LOG.warning("%s was not started: %s.", record.job_name, reason)


def _after_overlap(record: Record, refused: Outcome, deps: Deps) -> Outcome:
    """Look once whether the run that Alma refused to overlap is our own.

    A proxy may send a request twice: Alma starts the job for the first one, and refuses the second, whose
    answer is the one that comes back.
    """
    try:
        finding = recover.look_once(record, deps)
    except Exception as error:  # whatever it is, Alma has been asked to start the job
        LOG.debug("It could not be looked for.", exc_info=True)
        if isinstance(error, AlmaError) and PER_SECOND_THRESHOLD in error.codes:
            # The institution's programs do call too often: no copy of ours need explain it.
            return refused
        why = error.message if isinstance(error, AlmajobError) else type(error).__name__
        return replace(refused, state=State.UNKNOWN, reason=f"{refused.reason}; {why}")
    except BaseException:
        _keep_interrupted(record, deps, may_have_left=True)
        raise
    if finding.is_missing:
        return refused
    return replace(refused, state=State.UNKNOWN, reason=f"{refused.reason}; {finding.reason}")
