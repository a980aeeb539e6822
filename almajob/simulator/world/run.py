"""One run of a job: what was submitted, what becomes of it, and how Alma shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from almajob.simulator.world import lifecycle, reports
from almajob.simulator.world.job_data import SimulatedJob
from almajob.simulator.world.journal import Event
from almajob.simulator.world.lifecycle import Plan

API = ("exl_api", "Ex Libris, API")
SYSTEM = ("System", "")
STAFF = ("jdoe", "Doe, Jane")
_JOB_INFO = ("id", "name", "description", "type", "category", "link")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job: when it was submitted (seconds since the epoch), by whom, and what becomes of it."""

    id: str
    job: SimulatedJob
    submitted: float
    name: str
    by: tuple[str, str]
    plan: Plan
    parameters: tuple[tuple[str, str], ...] = ()

    def state(self, now: float) -> str:
        """Return the state that it is in."""
        return self.plan.state_at(now - self.submitted)

    def has_ended(self, now: float) -> bool:
        """Whether its end has come."""
        return self.state(now) not in lifecycle.ORDER

    @property
    def ends(self) -> float:
        """When it ends, seconds since the epoch."""
        return self.submitted + self.plan.seconds

    @property
    def set_id(self) -> str:
        """The set it works on, or empty."""
        return dict(self.parameters).get("set_id", "")

    def instance(self, base: str, now: float) -> dict[str, Any]:
        """Return it as Alma shows it at a time, in its order; ``base`` stands before the paths of links."""
        detailed = self.job.detail(base)
        changing = lifecycle.members(self.plan, self.submitted, now)
        first = {name: changing.pop(name) for name in ("progress", "status")}
        code, description = self.by
        return {
            "id": self.id,
            "name": self.name,
            **first,
            "external_id": str(int(self.id) - 10_000_000),
            "submitted_by": {"value": code, **({"desc": description} if description else {})},
            **changing,
            **(reports.make_report(self.job, self.id, self.state(now), base) if self.has_ended(now) else {}),
            "job_info": {name: detailed[name] for name in _JOB_INFO},
            "link": f"{base}/almaws/v1/conf/jobs/{self.job.id}/instances/{self.id}",
        }


@dataclass(frozen=True, slots=True)
class Ending:
    """How the next runs of a job go, where that is not left to its kind.

    Attributes:
        status: with which they end.
        seconds: how long they last.
        progress: per cent at the end.

    Raises:
        ValueError: no run can go so.
    """

    status: str | None = None
    seconds: float | None = None
    progress: float | None = None

    def __post_init__(self) -> None:
        if self.status is not None and self.status not in lifecycle.ENDS:
            raise ValueError(f"a run ends with one of: {', '.join(sorted(lifecycle.ENDS))}")
        for number in (self.seconds, self.progress):
            if number is not None and not (isinstance(number, (int, float)) and 0 <= number < 1e9):
                raise ValueError("seconds and progress are numbers from 0")


def run_of(event: Event, jobs: Mapping[str, SimulatedJob]) -> Run:
    """Read a run from what the journal says of it; the jobs are the world's, by id.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: it is no run.
    """
    job = jobs[event["job_id"]]
    code, description = event["by"]
    ending = Ending(event["status"], event["seconds"], event["progress"])
    plan = reports.plan_of(job, ending.seconds)
    if ending.status is not None:
        plan = lifecycle.spread_plan(plan.seconds, ending.status, ending.progress)
    elif ending.progress is not None:
        plan = replace(plan, progress=ending.progress)
    # What cannot be written must not be kept: times beyond the calendar, half a surrogate pair.
    lifecycle.instant(event["at"] + plan.seconds)
    event["name"].encode()
    parameters = tuple((str(name), str(value)) for name, value in event["parameters"])
    run_id = str(int(event["id"]))
    return Run(run_id, job, event["at"], event["name"], (code, description), plan, parameters)
