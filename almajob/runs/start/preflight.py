"""All that comes before a start: where the key leads, the job as it is now, what runs, Alma's limits."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from almajob.alma.job_instances import Instance
from almajob.alma.models import Job, Parameter
from almajob.alma.pagination import Listing, read_instances
from almajob.alma.sets import Set
from almajob.errors import AlmajobError, AlreadyRunning, Refused
from almajob.jobs.job_lookup import reread
from almajob.runs import run_key
from almajob.runs.evidence.match_instance import is_by_api, make_candidate
from almajob.runs.parameters import payload_history, set_check
from almajob.runs.parameters.parameters import SET_ID, Parameters
from almajob.runs.start import environment_check, idempotency, recover, start_limits
from almajob.runs.start_request import Deps, StartRequest
from almajob.store.ledger.gap import LONGEST_MEMORY, Gap
from almajob.store.ledger.record import Certainty, Record, State, Transition
from almajob.text import time_format

LOG = logging.getLogger(__name__)

_UNKNOWN_OFFSET = 3600.0
_DAY = 24 * start_limits.HOUR


@dataclass(frozen=True, slots=True)
class Ready:
    """A start that nothing speaks against any more.

    Attributes:
        record: the run, with everything but its trail settled.
        given: what was asked for.
        parameters: as they are sent, with the tag.
        set: that the job works on; None where the start names none.
        instances: the job's runs of the last two days, as Alma lists them.
        clock: Alma's time, seconds since the epoch, when ``elapsed`` was this machine's.
    """

    record: Record
    given: Parameters
    parameters: tuple[Parameter, ...]
    set: Set | None
    instances: tuple[Instance, ...]
    clock: float
    elapsed: float


def draft_record(request: StartRequest, deps: Deps) -> Record:
    """Make the record of a start that is only meant as yet; asks where the key leads, if nobody knows.

    Raises:
        ConfigurationError: the key leads to another environment.
    """
    target, now = deps.target, deps.clock.now()
    found = environment_check.find_proof(deps.alma, deps.ledger, target.identity, now)
    environment_check.refuse_contradiction(found, target.environment, target.kind)
    return Record(
        id=run_key.make_record_id(time_format.to_local(now)),
        environment=target.environment,
        institution=found.institution,
        job_id=request.job.id,
        job_name=request.job.name,
        run_key=request.run_key,
        is_named=request.is_named,
        attempt=1,
        parameters=request.parameters.fingerprint,
        tag="",
        trail=(Transition(State.PREPARED, now, "checked, nothing sent yet"),),
        identity=target.identity,
        named_institution=target.institution,
        kind=target.kind,
        holder=f"process {os.getpid()} on {platform.node()}",
        notify=request.options.notify,
    )


def choose_key(request: StartRequest, environment: str, now: float) -> StartRequest:
    """Choose the run key, once for all tries: the one that was given, the period's, or a random one."""
    options, job_id = request.options, request.job.id
    if options.run_key:
        return replace(request, run_key=options.run_key, is_named=True)
    if not options.once_per:
        return replace(request, run_key=run_key.make_random_key(job_id, time_format.to_local(now)))
    hashed = request.parameters.fingerprint
    key = run_key.make_period_key(options.once_per, environment, job_id, hashed, time_format.to_local(now))
    return replace(request, run_key=key, is_named=True)


def prepare(request: StartRequest, deps: Deps, draft: Record, records: Sequence[Record]) -> Ready | Record:
    """Make every check that comes before a start, but that of Alma's limits; nothing is written.

    Returns:
        What is to be sent, or the record of an instance that is this run.

    Raises:
        AlmajobError: something speaks against it; nothing was started.
    """
    job = reread(deps.alma, request.job, deps.target.environment)
    has_tag = deps.target.has_tags and run_key.takes_tag(job)
    tag, earlier_tag = run_key.make_tags(draft) if has_tag else ("", "")
    draft = replace(draft, tag=tag)
    before = deps.clock.elapsed()
    claimed = {record.instance_id for record in records if record.has_run}
    listing, is_longer = _list_baseline(request, draft, deps)
    elapsed = deps.clock.elapsed()
    alma_now = deps.clock.now() if listing.clock is None else listing.clock
    recent = _take_recent(listing, alma_now) if is_longer else listing.instances
    found = (
        _find_tagged(draft, earlier_tag, listing, claimed)
        or _find_lost_runs(request, draft, deps, records, abs(alma_now - deps.clock.now()))
        or _find_running(request, draft, recent, deps.target.program)
    )
    if found is not None:
        return found
    found_set = check_payload(request, job, deps)
    error = _UNKNOWN_OFFSET if listing.clock is None else listing.clock_error + elapsed - before
    record = replace(draft, baseline=tuple(item.id for item in listing.instances), sent_error=error)
    sent = run_key.add_tag(job, request.parameters.sent, tag)
    return Ready(record, request.parameters, sent, found_set, recent, alma_now, elapsed)


def _take_recent(listing: Listing, now: float) -> tuple[Instance, ...]:
    """Return the runs of the last two days, which an ordinary start lists."""
    return tuple(
        item
        for item in listing.instances
        if not isinstance(item.submit_time, datetime) or item.submit_time.timestamp() > now - 2 * _DAY
    )


def refuse_if_full(ready: Ready, deps: Deps, records: Sequence[Record]) -> None:
    """Refuse a start for which Alma has no slot.

    Raises:
        NoSlot: one of Alma's limits is reached; another time it may go.
    """
    if deps.target.has_limits:
        others = start_limits.find_perhaps_running(records, ready.record.job_id, deps.clock.now())
        start_limits.refuse_if_full(
            ready.instances, others, ready.clock, lambda record: _is_running(record, deps)
        )


def check_payload(request: StartRequest, job: Job, deps: Deps) -> Set | None:
    """Check the parameters of a start, and the set that they name, for the job as Alma has it now.

    Raises:
        Refused: something speaks against them.
    """
    parameters = request.parameters
    set_id = parameters.get(SET_ID)
    if not request.options.allow_unknown:
        known = payload_history.recall(deps.ledger, deps.target.environment, job.id)
        payload_history.refuse_unlike(parameters, known, job, deps.target.program)
        if set_id is None:
            set_check.refuse_missing(job)
    if set_id is None:
        return None
    own = request.options.own_set
    if own is not None:
        return set_check.check_own(deps.alma, job, set_id, own)
    return set_check.check(deps.alma, job, set_id)


def _list_baseline(request: StartRequest, draft: Record, deps: Deps) -> tuple[Listing, bool]:
    """List the job's runs from yesterday, or as long as the ledger may lack this one, to tomorrow.

    Returns:
        The list, and whether it begins earlier than that of an ordinary start.
    """
    now = deps.clock.now()
    may_be_lost = bool(draft.tag) and draft.is_named
    since = _may_lack_since(draft, deps, now) if may_be_lost else now
    listing = _list_instances(request, deps, now, since)
    if listing.clock is not None and abs(listing.clock - now) > start_limits.HOUR:
        off = now - listing.clock
        direction = "ahead of" if off > 0 else "behind"
        LOG.warning("This machine's clock is %s %s Alma's.", time_format.format_duration(abs(off)), direction)
        listing = _list_instances(request, deps, listing.clock, since + min(listing.clock - now, 0.0))
    if may_be_lost and since == now and _has_unknown_tag(draft, listing, deps):
        # Another ledger started it, or this one before it was restored.
        since = now - LONGEST_MEMORY
        deps.ledger.keep_gap(Gap(since, now))
        listing = _list_instances(request, deps, now if listing.clock is None else listing.clock, since)
    return _refuse_gaps(listing), since < now


class RunsUnseen(Refused):
    """The list of a job's runs is not whole, or not of now, so nothing is started."""


def _refuse_gaps(listing: Listing) -> Listing:
    if listing.is_complete:
        return listing
    if listing.is_cached:
        raise RunsUnseen(
            "A proxy answered with an old list of the job's runs; nothing was started.",
            reason="Without today's a start that gets no answer could not be found again.",
            hint="Have the proxy pass Alma's answers on as they are; then try again.",
        )
    raise RunsUnseen(
        "Alma's list of the job's runs has gaps; nothing was started.",
        reason="Without it a start that gets no answer could not be found again.",
        hint="Try again in a minute.",
    )


def _may_lack_since(draft: Record, deps: Deps, now: float) -> float:
    """Return since when the ledger may lack a start of this run key, in seconds since the epoch."""
    with deps.ledger.read() as view:
        # A ledger that knows nothing of the job may be a new one, in the place of one that did.
        since = view.gap(now).since if view.knows(draft.environment, draft.job_id) else 0.0
    return max(since, now - LONGEST_MEMORY)


def _has_unknown_tag(draft: Record, listing: Listing, deps: Deps) -> bool:
    """Whether a run was started by almajob of which this ledger knows nothing."""
    tagged = {
        item.id for item in listing.instances if run_key.TAG.search(item.name.replace(draft.job_name, ""))
    }
    return bool(tagged) and not tagged <= recover.read_claimed(draft, tagged, deps)


def _list_instances(request: StartRequest, deps: Deps, now: float, since: float) -> Listing:
    # The run key's calendar is the local one; Alma's is not known, and may be a day ahead.
    options, today = request.options, time_format.to_local(now).date()
    waited = 0.0 if options.requested_at is None else max(deps.clock.now() - options.requested_at, 0.0)
    asked = time_format.to_local(now - waited).date()
    first = min(run_key.find_first_day(options.once_per, asked), time_format.to_local(since).date())
    return read_instances(deps.alma, request.job.id, since=first, until=today + timedelta(days=2))


def _find_begin(request: StartRequest, now: float) -> float:
    """Return when the period of a run began, in seconds since the epoch."""
    asked = request.options.requested_at
    today = time_format.to_local(now if asked is None else asked).date()
    first = run_key.find_first_day(request.options.once_per, today) + timedelta(days=1)
    return datetime(first.year, first.month, first.day).timestamp()


def _find_lost_runs(
    request: StartRequest,
    draft: Record,
    deps: Deps,
    records: Sequence[Record],
    off: float,
) -> Record | None:
    """Find the runs that may be this one, where the ledger has lost records and no tag can tell.

    This machine's clock, which dates the loss, is ``off`` Alma's by so many seconds now.

    Returns:
        A record that a person must settle; None where none is in question.
    """
    if not draft.is_named:
        return None
    with deps.ledger.read() as view:
        gap = view.gap(draft.created_at)
    if gap.lost_since is None or gap.lost_until is None:
        return None
    if draft.tag and recover.tags_shown(draft.job_id, deps):
        return None
    slack = _DAY + off
    if request.options.once_per and _find_begin(request, draft.created_at) > gap.lost_until + slack:
        return None
    # What this key came to since then is known.
    if any(record.created_at >= gap.lost_until for record in idempotency.select_same_key(draft, records)):
        return None
    since = max(gap.lost_since, draft.created_at - LONGEST_MEMORY) - slack
    until = gap.lost_until + slack
    days = (
        time_format.to_local(since).date() - timedelta(days=1),
        time_format.to_local(until).date() + timedelta(days=1),
    )
    listing = _refuse_gaps(read_instances(deps.alma, draft.job_id, since=days[0], until=days[1]))
    known = recover.read_claimed(draft, (item.id for item in listing.instances), deps)
    found = [
        item
        for item in listing.instances
        if item.id not in known
        and is_by_api(item)
        and isinstance(item.submit_time, datetime)
        and since <= item.submit_time.timestamp() <= until
    ]
    if not found:
        return None
    lost_until = time_format.to_local(gap.lost_until).isoformat(" ", "minutes")
    reason = f"the ledger has lost records of before {lost_until}, and a run that it lacks may be this one"
    return replace(
        draft,
        trail=(Transition(State.AMBIGUOUS, draft.created_at, reason),),
        candidates=tuple(make_candidate(item) for item in found[::-1]),
    )


def _find_tagged(draft: Record, earlier_tag: str, listing: Listing, claimed: set[str]) -> Record | None:
    """Find an instance that has this run's tag, or the one that an earlier almajob gave it."""
    # The newest is listed first.
    ours = [
        item
        for item in listing.instances[::-1]
        if draft.tag and item.id not in claimed and (draft.tag in item.name or earlier_tag in item.name)
    ]
    if not ours:
        return None
    found = _adopt(draft, ours[0], Certainty.TAGGED, f"it has the tag {draft.tag}")
    return replace(found, candidates=tuple(map(make_candidate, ours))) if len(ours) > 1 else found


def _find_running(
    request: StartRequest, draft: Record, recent: Sequence[Instance], program: str
) -> Record | None:
    """Find an instance that is running, and may be attached to.

    Raises:
        Refused: the job is running, and nobody said what then.
    """
    first = next((item for item in recent if not item.has_ended), None)
    if first is None or request.options.if_running == "start":
        return None
    if request.options.if_running == "attach":
        # It was not sent with our tag.
        attached = replace(draft, tag="")
        return _adopt(attached, first, Certainty.INFERRED, "it was running, and was attached to")
    since = ""
    if isinstance(first.submit_time, datetime):
        since = f" since {time_format.to_local(first.submit_time.timestamp()).isoformat(' ', 'seconds')}"
    raise AlreadyRunning(
        f"{draft.job_name!r} is running already: run {first.id}{since}, {first.status.value}.",
        hint=f"To follow it: {program} wait {first.id}\n"
        "--if-running attach uses that run instead of starting another.\n"
        "--if-running start starts another one beside it, which Alma refuses for most jobs.",
    )


def _adopt(draft: Record, item: Instance, certainty: Certainty, reason: str) -> Record:
    reason = f"run {item.id} is taken for it: {reason}"
    return replace(
        draft,
        trail=(Transition(State.ADOPTED, draft.created_at, reason),),
        instance_id=item.id,
        certainty=certainty,
        submit_time=make_candidate(item).submit_time,
    )


def _is_running(record: Record, deps: Deps) -> bool:
    try:
        return not deps.alma.instance(record.instance_id, record.job_id).has_ended
    except AlmajobError:
        # Alma itself will say whether there is room.
        return False
