"""What the answer to a start proves: started, not started, or neither.

Certain only on positive evidence. Alma has no key that would make a repeated start harmless and no call that
stops a job; so all that is not evidence is "unknown", and is looked for instead of sent again.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from almajob.alma.job_instances import Submission
from almajob.errors import AlmaError, AlmajobError, CallsUsedUp, NotSent, ReadOnly
from almajob.store.ledger.record import State

THRESHOLD_CODES = frozenset({"402222", "402223", "60347", "PER_SECOND_THRESHOLD", "DAILY_THRESHOLD"})
"""The refusals that pass with time."""
OVERLAP_CODES = frozenset({"402222", "402223", "60347", "PER_SECOND_THRESHOLD"})
"""The refusals that another request explains: perhaps a copy of our own, where a proxy sent it twice."""
REFUSAL_CODES = THRESHOLD_CODES | {
    *("402215", "402216", "402220", "402221", "402228", "402229", "402231", "402248", "402249"),
    *("UNAUTHORIZED", "FORBIDDEN", "INVALID_REQUEST"),
}
"""The codes with which Alma says that it did not start the job."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known right after a start was sent.

    Attributes:
        state: STARTED, NOT_STARTED or UNKNOWN.
        reason: one sentence.
        instance_id: the Process ID, where it was started.
        submit_time: to the second, from Alma's sentence; None where it cannot be read.
        error: what proves that it was not started, or leaves it open.
    """

    state: State
    reason: str
    instance_id: str = ""
    submit_time: datetime | None = None
    error: AlmajobError | None = None


def judge(job_id: str, answer: Submission | AlmajobError, known: Collection[str] = ()) -> Outcome:
    """Decide what an answer proves.

    Args:
        answer: Alma's, or what came instead of one.
        known: instances that cannot be it: Alma listed them before, or they are other starts'.
    """
    if isinstance(answer, Submission):
        if answer.is_replayed or answer.instance_id in known:
            of_run = f", of run {answer.instance_id}" if answer.instance_id else ""
            return Outcome(State.UNKNOWN, f"the answer is an older one{of_run}")
        if answer.instance_id and answer.job_id == job_id:
            reason = f"Alma named run {answer.instance_id}"
            return Outcome(State.STARTED, reason, answer.instance_id, _time_in(answer.sentence))
        return Outcome(State.UNKNOWN, "Alma accepted the request without naming the run")
    reason = " ".join(f"{answer.message} {answer.reason}".split()).rstrip(".")
    state = State.NOT_STARTED if is_refusal(answer) else State.UNKNOWN
    return Outcome(state, f"{reason} [{answer.alma}]" if answer.alma else reason, error=answer)


def is_refusal(error: AlmajobError) -> bool:
    """Whether an error proves that Alma started nothing."""
    if isinstance(error, AlmaError):
        is_listed = bool(error.codes) and REFUSAL_CODES.issuperset(error.codes)
        return 400 <= error.http_status < 500 and is_listed and not error.names_run
    return isinstance(error, (NotSent, ReadOnly, CallsUsedUp))


def is_perhaps_a_copys(outcome: Outcome) -> bool:
    """Whether Alma refused the start because of another run, which may be that of a copy of the request."""
    error = outcome.error
    return (
        outcome.state is State.NOT_STARTED
        and isinstance(error, AlmaError)
        and not OVERLAP_CODES.isdisjoint(error.codes)
    )


def is_threshold(error: AlmajobError) -> bool:
    """Whether an error says that the same start may be accepted later."""
    return isinstance(error, CallsUsedUp) or (isinstance(error, AlmaError) and error.code in THRESHOLD_CODES)


def _time_in(sentence: str) -> datetime | None:
    found = re.search(r"triggered on (.+)$", sentence)
    try:
        return parsedate_to_datetime(found[1]) if found else None
    except (ValueError, OverflowError):
        return None
