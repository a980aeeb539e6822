"""What becomes of a run as time goes by: a value computed from its plan, and nothing else.

QUEUED, INITIALIZING, RUNNING, FINALIZING, and an end. The progress lies as Alma's does: it stays 0 on failure
and may end above 100; FINALIZING already has an end time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from almajob.alma.status_codes import STATUSES

ORDER = ("QUEUED", "INITIALIZING", "RUNNING", "FINALIZING")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long each state of a run lasts, in seconds, and how the run ends.

    Attributes:
        progress: per cent at the end.
        has_end_time: whether an end time is ever shown; an abort by the system may leave it out.
        has_started: whether the run ever left the queue.
    """

    queued: float
    initializing: float
    running: float
    finalizing: float
    status: str = "COMPLETED_SUCCESS"
    progress: float = 100
    has_end_time: bool = True
    has_started: bool = True

    @property
    def seconds(self) -> float:
        """From the submission to the end."""
        return self.queued + self.initializing + self.running + self.finalizing

    def state_at(self, age: float) -> str:
        """Return the state that a run of this age is in; a clock that went back leaves it queued."""
        end = 0.0
        for state, lasts in zip(
            ORDER, (self.queued, self.initializing, self.running, self.finalizing), strict=True
        ):
            end += lasts
            if age < end:
                return state
        return self.status


def spread_plan(seconds: float, status: str = "COMPLETED_SUCCESS", progress: float | None = None) -> Plan:
    """Plan a run that lasts so many seconds from its submission to its end."""
    ends_at = progress if progress is not None else 0 if status in ("FAILED", "SKIPPED") else 100
    return Plan(
        queued=seconds * 0.15,
        initializing=seconds * 0.15,
        running=seconds * 0.55,
        finalizing=seconds * 0.15,
        status=status,
        progress=ends_at,
        has_end_time=status != "SYSTEM_ABORTED",
    )


def cut_plan(plan: Plan, age: float, status: str, progress: float | None = None) -> Plan:
    """Plan a run that goes as planned until it is ended from outside at this age."""
    queued = min(plan.queued, age)
    initializing = min(plan.initializing, age - queued)
    running = min(plan.running, age - queued - initializing)
    reached = 0 if status in ("FAILED", "SKIPPED") else _progress(plan, age, plan.state_at(age))
    return Plan(
        queued,
        initializing,
        running,
        age - queued - initializing - running,
        status=status,
        progress=reached if progress is None else progress,
        has_end_time=status != "SYSTEM_ABORTED",
        has_started=age > plan.queued,
    )


def members(plan: Plan, submitted: float, now: float) -> dict[str, Any]:
    """Return the members of an instance that change with time, as Alma writes them.

    Args:
        submitted, now: when it was submitted, and the time of the answer, in seconds since the epoch.
    """
    age = now - submitted
    state = plan.state_at(age)
    ended = state not in ORDER
    description = STATUSES[state].description if state in STATUSES else ""
    found: dict[str, Any] = {
        "progress": _progress(plan, age, state),
        "status": {"value": state, "desc": description} if description else {"value": state},
        "submit_time": instant(submitted),
    }
    if age >= plan.queued and plan.has_started:
        found["start_time"] = instant(submitted + plan.queued)
    end = submitted + plan.seconds
    if plan.has_end_time and (ended or state == "FINALIZING"):
        found["end_time"] = instant(end)
    found["status_date"] = datetime.fromtimestamp(min(now, end), UTC).strftime("%Y-%m-%dZ")
    return found


ENDS = frozenset(STATUSES) - frozenset(ORDER) - {"PENDING"}
"""The statuses with which a run can end."""


def _progress(plan: Plan, age: float, state: str) -> float:
    if state not in ORDER:
        return plan.progress
    if state in ("QUEUED", "INITIALIZING") or plan.progress == 0:
        return 0
    done = (age - plan.queued - plan.initializing) / (plan.running or 1)
    return min(round(done * 100), 100)


def instant(seconds: float) -> str:
    """Write a time as Alma does: UTC, milliseconds, Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
