"""Start a job: one POST, never repeated, and an honest word on what came of it.

Alma has no key that would make a repeated start harmless, and no call that stops a job. So everything but
positive evidence counts as "unknown", and an unknown start is never sent again from here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from almajob.alma.api import Alma
from almajob.alma.models import Job, Parameter, Submission
from almajob.errors import AlmaError, AlmajobError, NotSent, OutcomeUnknown

LOG = logging.getLogger(__name__)

REFUSAL_CODES = frozenset(
    {
        *("402215", "402216", "402220", "402221", "402222", "402223", "402228", "402229", "402231"),
        *("402248", "402249", "60347"),
        *("UNAUTHORIZED", "FORBIDDEN", "INVALID_REQUEST", "PER_SECOND_THRESHOLD", "DAILY_THRESHOLD"),
    }
)
"""The codes with which Alma says that it did not start the job."""


@dataclass(frozen=True, slots=True)
class Started:
    """A start that Alma confirmed.

    Attributes:
        instance_id: the Process ID.
        submit_time: to the second, from Alma's sentence; None where it cannot be read.
    """

    job: Job
    instance_id: str
    submit_time: datetime | None


def start(alma: Alma, job: Job, parameters: Sequence[Parameter] = (), *, environment: str) -> Started:
    """Start a job.

    Args:
        alma: where to start it.
        job: as Alma has it now.
        parameters: in the order in which they are sent.
        environment: its name, for the messages.

    Raises:
        OutcomeUnknown: it cannot be told whether the job was started.
        AlmajobError: nothing was started.
    """
    LOG.info("Starting %s (%s) in %s.", job.name, job.id, environment)
    try:
        outcome: Submission | AlmajobError = alma.submit(job.id, parameters)
    except AlmajobError as error:
        outcome = error
    except Exception as error:
        # A bug of ours, met while the answer was read: Alma may well have accepted the request.
        why = f"almajob failed on the answer: {type(error).__name__}."
        raise _unknown(job, environment, why) from error
    except BaseException:
        # Ctrl-C or SIGTERM while the request was under way: Alma may have it already.
        LOG.warning("%s", _unknown(job, environment, "almajob was interrupted before the answer came."))
        raise
    return judge(job, outcome, environment)


def judge(job: Job, outcome: Submission | AlmajobError, environment: str) -> Started:
    """Decide what an outcome proves: started, not started, or neither.

    Raises:
        OutcomeUnknown: neither is proved.
        AlmajobError: the outcome itself, where it proves that nothing was started.
    """
    if isinstance(outcome, Submission):
        if outcome.instance_id and outcome.job_id == job.id:
            return Started(job, outcome.instance_id, _time_in(outcome.sentence))
        raise _unknown(job, environment, "Alma accepted the request without naming the run.")
    if is_refusal(outcome):
        raise outcome
    raise _unknown(job, environment, f"{outcome.what} {outcome.why}".strip(), alma=outcome.alma)


def is_refusal(error: AlmajobError) -> bool:
    """Whether an error proves that Alma started nothing."""
    if isinstance(error, AlmaError):
        return 400 <= error.http_status < 500 and error.code in REFUSAL_CODES
    return isinstance(error, NotSent)


def _unknown(job: Job, environment: str, why: str, alma: str = "") -> OutcomeUnknown:
    return OutcomeUnknown(
        f"It cannot be told whether {job.name!r} ({job.id}) was started.",
        why=why,
        cure="Do not start it again before you have looked: Alma, Admin > Monitor Jobs.\n"
        f"If it runs there: almajob --env {environment} status --id PROCESS_ID",
        alma=alma,
    )


def _time_in(sentence: str) -> datetime | None:
    found = re.search(r"triggered on (.+)$", sentence)
    try:
        return parsedate_to_datetime(found[1]) if found else None
    except (ValueError, OverflowError):
        return None
