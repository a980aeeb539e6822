"""Which of the runs that Alma lists is the one whose start got no answer; decided without asking anybody."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from almajob.alma.job_instances import Instance
from almajob.alma.pagination import Listing
from almajob.runs.run_key import TAG
from almajob.store.ledger.record import Candidate, Certainty, Record, State

LOOKS = (2.0, 5.0, 10.0, 18.0, 31.0, 51.0, 81.0, 120.0)
"""When to look for a start without an answer, in seconds after it was given up."""
ABSENT_FOR_GOOD = 3600.0
"""Seconds between the first and the last look that do not show a start, until it counts as not made."""
CLOCKS_AGREE = 20 * 3600.0
"""Seconds by which Alma's Date header and its submit times may differ; a list reaches a day further."""
_TIME_MARGIN = 2.0
# "exl_api" is what real answers say; "API" is what the documentation says.
_API = {"exl_api", "api"}


@dataclass(frozen=True, slots=True)
class Trust:
    """What may be relied on in an environment.

    Attributes:
        tags_show: whether tags are seen in the names of runs: True, False, or None where nobody knows yet.
        may_infer: whether the only run that fits may be taken for ours without a tag.
        clocks_disagree: whether Alma's Date header and its submit times are known to.
    """

    tags_show: bool | None = None
    may_infer: bool = False
    clocks_disagree: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What one listing says of a start.

    Attributes:
        state: the next one; None where the listing decides nothing.
        reason: one sentence.
        instances: those that are ours; more than one where Alma started it twice.
        candidates: those that may be ours.
        is_missing: whether the list is whole, and has nothing that may be ours.
    """

    state: State | None
    reason: str
    instances: tuple[Instance, ...] = ()
    certainty: Certainty = Certainty.NONE
    candidates: tuple[Candidate, ...] = ()
    is_missing: bool = False


def judge(
    record: Record, listing: Listing, *, claimed: Collection[str], trust: Trust, is_last: bool
) -> Finding:
    """Decide what a listing says of a start whose outcome is unknown.

    Args:
        listing: the job's runs since the day before it.
        claimed: instances that other records of the ledger have.
        is_last: whether Alma has had the time to show it.
    """
    fresh = [item for item in listing.instances if item.id not in record.baseline and item.id not in claimed]
    ours = _oldest_first([item for item in fresh if record.tag and record.tag in item.name])
    if ours:
        reason = f"run {ours[0].id} has the tag {record.tag}"
        return Finding(State.ADOPTED, reason, tuple(ours), Certainty.TAGGED)
    # Another tag is another run's.
    fitting = [
        item
        for item in fresh
        if _submitter(item) in {*_API, ""} and not (record.tag and _is_tagged(record, item))
    ]
    tags_show = trust.tags_show or any(_is_tagged(record, item) for item in listing.instances)
    if record.tag and tags_show:
        # The tag comes first; of a name that is cut there may be too little of it left.
        fitting = [item for item in fitting if record.tag.startswith(item.name)]
    if fitting:
        may_infer = trust.may_infer and not (record.tag and trust.tags_show is None)
        return _infer_only(record, listing, fitting, may_infer=may_infer) or (
            _leave_to_person(fitting) if is_last else Finding(None, "Alma may not show all of them yet")
        )
    if not listing.is_complete:
        return Finding(None, "Alma's list has gaps")
    if not is_last:
        return Finding(None, "Alma does not show it yet", is_missing=True)
    return Finding(State.ABSENT, "Alma's list does not show it", is_missing=True)


def clocks_disagree(records: Iterable[Record]) -> bool:
    """Whether Alma's Date header and its submit times did in the latest start of which both are known."""
    for record in sorted(records, key=lambda record: record.created_at, reverse=True):
        submitted = _seconds(record.submit_time)
        # A run that was found instead of one to be started may have been submitted at any time.
        if (
            record.sent_at is not None
            and submitted is not None
            and record.certainty is not Certainty.INFERRED
        ):
            return abs(submitted - record.sent_at) > CLOCKS_AGREE + record.sent_error
    return False


def is_ahead(listing: Listing) -> bool:
    """Whether a run was submitted after the list was made: then Alma's two clocks do not agree."""
    if listing.clock is None:
        return False
    latest = listing.clock + listing.clock_error + CLOCKS_AGREE
    times = (item.submit_time for item in listing.instances)
    return any(isinstance(when, datetime) and when.timestamp() > latest for when in times)


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _infer_only(
    record: Record, listing: Listing, fitting: Sequence[Instance], *, may_infer: bool
) -> Finding | None:
    """Take the only run that fits for ours, where that may be."""
    only = fitting[0]
    may_infer = may_infer and len(fitting) == 1 and listing.is_complete and is_by_api(only)
    if not (may_infer and _is_timely(record, only)):
        return None
    reason = f"run {only.id} is the only one that fits"
    return Finding(State.ADOPTED, reason, (only,), Certainty.INFERRED)


def _leave_to_person(fitting: Sequence[Instance]) -> Finding:
    one = "one run fits, but nothing proves that it was started here"
    reason = one if len(fitting) == 1 else f"{len(fitting)} runs fit"
    found = tuple(make_candidate(item) for item in _oldest_first(fitting))
    return Finding(State.AMBIGUOUS, reason, candidates=found)


def _is_tagged(record: Record, item: Instance) -> bool:
    """Whether a run has a tag that does not belong to the job's own name."""
    return bool(TAG.search(item.name.replace(record.job_name, "")))


def _is_timely(record: Record, item: Instance) -> bool:
    """Whether a run was submitted when or after ours was sent, by Alma's clock."""
    if record.sent_at is None or not isinstance(item.submit_time, datetime):
        return False
    return item.submit_time.timestamp() >= record.sent_at - record.sent_error - _TIME_MARGIN


def is_by_api(item: Instance) -> bool:
    """Whether a run was started through the API."""
    return _submitter(item) in _API


def _submitter(item: Instance) -> str:
    return item.submitted_by.value.casefold()


def _oldest_first(items: Sequence[Instance]) -> list[Instance]:
    return sorted(items, key=lambda item: (str(item.submit_time or ""), item.id))


def make_candidate(item: Instance) -> Candidate:
    """Keep of a run what a person needs to recognise it."""
    when = item.submit_time
    text = when.isoformat(timespec="seconds") if isinstance(when, datetime) else str(when or "")
    return Candidate(item.id, item.name, text, item.submitted_by.value)
