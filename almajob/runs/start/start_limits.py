"""Alma's limits on starts, computed before one is sent: 3 running, 5 of one job an hour.

Source: the page of "Submit Job", https://developers.exlibrisgroup.com/alma/apis/docs/conf/ , which does not
say which of its two codes (402222, 402223) stands for which limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from almajob.alma.job_instances import Instance
from almajob.errors import Refused
from almajob.runs.evidence.match_instance import is_by_api
from almajob.store.ledger.record import Record
from almajob.text import time_format

MOST_RUNNING = 3
MOST_STARTS = 5
HOUR = 3600.0
_LONGEST_RUN = 24 * HOUR
_MOST_ASKED = 6


class NoSlot(Refused):
    """One of Alma's limits is reached.

    Args:
        now: by Alma's clock, seconds since the epoch.
        free_at: when the next slot is free; None where that depends on the end of a run.

    Attributes:
        free_in: seconds until then.
    """

    kind = "no_slot"

    def __init__(self, message: str, *, reason: str, now: float, free_at: float | None) -> None:
        when = "when one of them has ended"
        if free_at is not None:
            when = f"at {time_format.to_local(free_at):%H:%M:%S (%z)}"
        hint = f"The next slot is free {when}.\n--wait-for-slot DURATION waits for it."
        super().__init__(message, reason=reason, hint=hint)
        self.free_in = None if free_at is None else free_at - now


def find_free_slot(instances: Iterable[Instance], now: float) -> float | None:
    """Return when a job with these runs may be started again, by the limit of starts an hour; None where now.

    All by Alma's clock, in seconds since the epoch.
    """
    started = sorted(
        when
        for item in instances
        if is_by_api(item)
        and isinstance(item.submit_time, datetime)
        and (when := item.submit_time.timestamp()) > now - HOUR
    )
    return started[-MOST_STARTS] + HOUR if len(started) >= MOST_STARTS else None


def find_perhaps_running(records: Iterable[Record], job_id: str, now: float) -> list[Record]:
    """Return the runs of other jobs in the ledger that may still be running: the newest of the last day.

    A few only: each costs a call, and Alma itself refuses what is too much.
    """
    # By Process ID: several records may stand for one run, that was attached to.
    found = {
        record.instance_id: record
        for record in records
        if record.has_run and record.job_id != job_id and record.created_at > now - _LONGEST_RUN
    }
    return list(found.values())[-_MOST_ASKED:]


def refuse_if_full(
    instances: Sequence[Instance],
    others: Sequence[Record],
    now: float,
    is_running: Callable[[Record], bool],
) -> None:
    """Refuse a start that Alma would refuse, by its job's runs and those of others that may be running.

    Args:
        now: by Alma's clock, seconds since the epoch.
        is_running: asks Alma about one of the others; only called where it matters.

    Raises:
        NoSlot: a limit is reached.
    """
    free_at = find_free_slot(instances, now)
    if free_at is not None:
        raise NoSlot(
            f"The job was started {MOST_STARTS} times by the API within the last hour.",
            reason="Alma takes no more of one job.",
            now=now,
            free_at=free_at,
        )
    running = [item.id for item in instances if is_by_api(item) and not item.has_ended]
    if len(running) + len(others) < MOST_RUNNING:
        return
    for record in reversed(others):
        if len(running) < MOST_RUNNING and is_running(record):
            running.append(record.instance_id)
    if len(running) >= MOST_RUNNING:
        raise NoSlot(
            f"{MOST_RUNNING} jobs that were started by the API are running.",
            reason=f"Alma takes no more at once; they are the runs {', '.join(running)}.",
            now=now,
            free_at=None,
        )
