"""A start whose outcome is unknown: look for it in Alma until it is certain, or take a person's word."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from almajob.alma.call_log import for_run
from almajob.alma.job_instances import Instance
from almajob.alma.pagination import Listing, read_instances
from almajob.errors import AlmajobError, Refused
from almajob.runs.evidence import match_instance
from almajob.runs.evidence.match_instance import ABSENT_FOR_GOOD, LOOKS, Finding, Trust
from almajob.runs.start import idempotency
from almajob.runs.start_request import Deps
from almajob.store.ledger.ledger import InstanceTaken
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Certainty, Record, State, alma_of
from almajob.text.busy import count_down

LOG = logging.getLogger(__name__)

_LOOK_PATIENCE = 20.0
_DAY = timedelta(days=1)
_MONTH = timedelta(days=31)
_LOOKING_LEADS_TO = {
    State.UNKNOWN: {State.ADOPTED, State.ABSENT, State.AMBIGUOUS},
    State.ABSENT: {State.ADOPTED, State.AMBIGUOUS},
    State.AMBIGUOUS: {State.ADOPTED},
}


def recover_start(record: Record, deps: Deps) -> Record:
    """Find out what became of an open start; its job's lock is held, so nobody else is working on it.

    Returns:
        The record as it is then; still open where Alma's answers do not decide it.
    """
    if record.state is State.PREPARED:
        reason = "the process that prepared it ended before it sent anything"
        return keep(record.advance(State.NOT_STARTED, deps.clock.now(), reason), deps)
    if record.trail[0].state is State.AMBIGUOUS:
        # The ledger has lost what could decide it.
        return record
    if record.state is State.SENDING:
        record = keep(_note_abandoned(record, deps), deps)
    with for_run(record.run_key):
        return look_for(record, deps)


def _note_abandoned(record: Record, deps: Deps) -> Record:
    reason = "the process that sent it ended before the answer was kept"
    return record.advance(State.UNKNOWN, deps.clock.now(), reason)


def look_for(record: Record, deps: Deps) -> Record:
    """Look for a start in Alma's list, again and again while it may still appear there."""
    trust = _read_trust(record, deps)
    age = _age(record, deps.clock.now())
    begun = deps.clock.elapsed()
    moments = _plan_looks(record, age)
    end = begun + moments[-1] - age
    looking = count_down("Looking for the run", end, deps.clock.elapsed)
    with deps.busy(looking):
        for moment in moments:
            is_last = moment == moments[-1]
            pause = moment - age - (deps.clock.elapsed() - begun)
            if pause < 0 and not is_last and moment != age:
                # The last look took longer than until here.
                continue
            deps.clock.sleep(max(pause, 0.0))
            try:
                listing = list_around(record, deps)
            except AlmajobError as error:
                LOG.info("The run of key %r cannot be looked for now: %s", record.run_key, error.message)
                continue
            claimed = read_claimed(record, (item.id for item in listing.instances), deps)
            finding = match_instance.judge(record, listing, claimed=claimed, trust=trust, is_last=is_last)
            if finding.is_missing and record.missing_at is None and listing.clock is not None:
                at_alma = listing.clock + listing.clock_error
                record = replace(record, missing_at=deps.clock.now(), missing_at_alma=at_alma)
                if record.state is State.ABSENT:
                    # As an almajob that did not keep this has left it.
                    record = keep(record, deps)
            record = _apply_finding(record, finding, deps)
            if record.state is State.ABSENT and finding.state is State.ABSENT:
                record = _give_up_absent(record, listing, trust, deps)
            if finding.state is not None:
                break
    return record


def look_once(record: Record, deps: Deps) -> Finding:
    """Look whether a start that Alma has refused is there all the same, as soon as it may be listed.

    Raises:
        AlmajobError: it cannot be looked for.
    """
    trust = _read_trust(record, deps)
    deps.clock.sleep(LOOKS[0])
    listing = list_around(record, deps)
    claimed = read_claimed(record, (item.id for item in listing.instances), deps)
    return match_instance.judge(record, listing, claimed=claimed, trust=trust, is_last=True)


def _read_trust(record: Record, deps: Deps) -> Trust:
    """Read what may be relied on."""
    tags_show = tags_shown(record.job_id, deps)
    with deps.ledger.read() as view:
        others = (each for each in view.read_back(job_id=record.job_id) if _is_other(each, record))
        return Trust(tags_show, deps.target.may_infer, match_instance.clocks_disagree(others))


def read_claimed(record: Record, instance_ids: Iterable[str], deps: Deps) -> set[str]:
    """Read which instances are the runs of other starts in the same Alma, whatever its section is called."""
    with deps.ledger.read() as view:
        claims = view.list_claims(instance_ids)
    return {each.instance_id for each in claims if _is_other(each, record)}


def _is_other(other: Record, record: Record) -> bool:
    return other.id != record.id and idempotency.is_here(other, record) is not False


def tags_shown(job_id: str, deps: Deps) -> bool | None:
    """Whether tags are seen in the names of a job's runs; None where nobody knows yet."""
    identity = deps.target.identity
    with deps.ledger.read() as view:
        known = [view.fact(_tags_fact(job_id, alma)) for alma in (alma_of(identity), identity)]
    return next((each for each in known if isinstance(each, bool)), None)


def learn_tags(record: Record, instance: Instance, deps: Deps) -> None:
    """Learn from a tagged run whether Alma shows tags; no failure here is one of the run."""
    if record.state is not State.STARTED or not record.tag or not instance.name:
        return
    show = record.tag in instance.name
    try:
        if tags_shown(record.job_id, deps) is show:
            return
        deps.ledger.keep_fact(_tags_fact(record.job_id, alma_of(deps.target.identity)), show)
    except LedgerUnusable as error:
        LOG.debug("It cannot be kept whether tags show: %s", error.reason)
    if not show:
        LOG.warning(
            "Alma does not show the tag %s in the name of run %s. Without tags a start that gets no answer "
            "is harder to find; tag = no in the configuration file turns tags off.",
            record.tag,
            instance.id,
        )


def list_around(record: Record, deps: Deps, more: timedelta = timedelta(0)) -> Listing:
    """List the job's runs from the day before a start, or ``more``, to as long after it can have left."""
    sent = record.created_at if record.sent_at is None else record.sent_at
    days = [_day(sent), *(_day(past.at) for past in record.trail if past.state is State.UNKNOWN)]
    if record.missing_at_alma is not None:
        days.append(_day(record.missing_at_alma))

    def list_until(until: date) -> Listing:
        since = days[0] - _DAY - more
        return read_instances(deps.alma, record.job_id, since=since, until=until, patience=_LOOK_PATIENCE)

    until = max(days) + _DAY + more
    listing = list_until(until)
    if listing.clock is not None and record.missing_at is None and _day(listing.clock) >= until:
        # This machine stood still, and does not know yet for how long.
        return list_until(_day(listing.clock) + _DAY)
    return listing


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()


def keep(record: Record, deps: Deps) -> Record:
    """Write a record where the truth must be told all the same if that fails."""
    try:
        deps.ledger.write(record)
    except InstanceTaken as taken:
        return _give_back(record, taken, deps)
    except LedgerUnusable as error:
        LOG.warning(
            "What became of the run %s (%s) cannot be saved: %s The same command looks for it again.",
            record.run_key,
            record.outcome,
            # Not what it means for a start to come.
            f"{error.reason.partition('. ')[0]}.",
        )
    return record


def _give_back(record: Record, taken: InstanceTaken, deps: Deps) -> Record:
    """Return a start as it was before the run of another one was taken for its own."""
    LOG.warning("%s So it cannot be this start.", taken.message)
    before = replace(
        record,
        trail=record.trail[:-1],
        instance_id="",
        submit_time="",
        certainty=Certainty.NONE,
        candidates=(),
    )
    if before.state is not State.SENDING:
        return before
    reason = f"Alma named run {record.instance_id}, which is the one of {taken.other.id}"
    return keep(before.advance(State.UNKNOWN, deps.clock.now(), reason), deps)


def _plan_looks(record: Record, age: float) -> list[float]:
    """Return when to look, in seconds after the start was given up, which was ``age`` seconds ago."""
    if record.state is not State.UNKNOWN or age > LOOKS[-1]:
        return [age]
    ahead = [at for at in LOOKS if at > age]
    return [age, *ahead] if age > LOOKS[0] else ahead


def _age(record: Record, now: float) -> float:
    """Return for how long, by this machine's clock, the request certainly cannot leave any more.

    It may have left long after SENDING was written: a process can be stopped, and a machine can sleep.
    """
    given_up = [past.at for past in record.trail if past.state is State.UNKNOWN]
    return max(now - given_up[0], 0.0) if given_up else 0.0


def _apply_finding(record: Record, finding: Finding, deps: Deps) -> Record:
    """Write down what a look has found, where it is something new."""
    if finding.state is State.AMBIGUOUS is record.state and finding.candidates != record.candidates:
        return keep(replace(record, candidates=finding.candidates), deps)
    if finding.state is None or finding.state not in _LOOKING_LEADS_TO[record.state]:
        return record
    changes: dict[str, Any] = {"certainty": finding.certainty, "candidates": finding.candidates}
    if finding.instances:
        first = match_instance.make_candidate(finding.instances[0])
        changes |= {"instance_id": first.id, "submit_time": first.submit_time}
        if len(finding.instances) > 1:
            changes["candidates"] = tuple(match_instance.make_candidate(item) for item in finding.instances)
    return keep(record.advance(finding.state, deps.clock.now(), finding.reason, **changes), deps)


def _give_up_absent(record: Record, listing: Listing, trust: Trust, deps: Deps) -> Record:
    """Count a start as not made that Alma did not show in two complete lists an hour apart.

    Both its clock and ours must have gone on for so long: either may have been set, or have stood still.
    """
    if record.missing_at is None or record.missing_at_alma is None or listing.clock is None:
        return record
    now = deps.clock.now()
    alma_apart = listing.clock - listing.clock_error - record.missing_at_alma
    if min(alma_apart, now - record.missing_at) < ABSENT_FOR_GOOD:
        return record
    # The days of a list are those of the submit times, which may be far from those of the Date header.
    try:
        wide = list_around(record, deps, _MONTH)
    except AlmajobError as error:
        LOG.info("The run of key %r cannot be looked for now: %s", record.run_key, error.message)
        return record
    claimed = read_claimed(record, (item.id for item in wide.instances), deps)
    finding = match_instance.judge(record, wide, claimed=claimed, trust=trust, is_last=True)
    if not finding.is_missing:
        return _apply_finding(record, finding, deps)
    if trust.clocks_disagree or match_instance.is_ahead(wide):
        LOG.info("Alma's own clocks do not agree; so nothing follows from how long ago it was.")
        return record
    reason = "an hour after it was first looked for, Alma's complete list still does not show it"
    return keep(record.advance(State.NOT_STARTED, now, reason), deps)


def resolve(record: Record, deps: Deps, *, found: Instance | None, by: str) -> Record:
    """Write down what a person knows.

    Args:
        record: an open start, sent and without an answer; its job's lock is held.
        found: the run that it is; None where it was not started.
    """
    now = deps.clock.now()
    if record.state is State.SENDING:
        record = _note_abandoned(record, deps)
    if found is None:
        record = record.advance(State.NOT_STARTED, now, f"{by} says that it was not started")
    else:
        record = record.advance(
            *(State.ADOPTED, now, f"{by} says that it is run {found.id}"),
            instance_id=found.id,
            submit_time=match_instance.make_candidate(found).submit_time,
            certainty=Certainty.CONFIRMED,
            # They were what it could have been; of a run that is known they would be its copies.
            candidates=(),
        )
    deps.ledger.write(record)
    return record


def _tags_fact(job_id: str, alma: str) -> str:
    return f"tags:{alma}:{job_id}"


def read_claimed_run(record: Record, instance_id: str, deps: Deps) -> Instance:
    """Read a run that a person says is a start's.

    Raises:
        Refused: it cannot be, as it was there before, or is another start's.
        AlmaRefused: Alma knows no such run of the job.
    """
    found = deps.alma.instance(instance_id, record.job_id)
    if instance_id in record.baseline:
        raise Refused(
            f"Run {instance_id} cannot be it: Alma listed it before the start was sent.",
            hint=f"almajob runs show {record.id} shows what may be it.",
        )
    with deps.ledger.read() as view:
        claims = view.list_claims([instance_id])
    for other in claims:
        if _is_other(other, record):
            raise InstanceTaken(other)
    return found
