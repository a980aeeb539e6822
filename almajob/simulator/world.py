"""One environment of a simulated institution: its jobs, its runs, its sets, and what it lets the API do.

A world is what its journal says happened, seen at the time of its clock: nothing else is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from almajob.simulator import lifecycle, reports
from almajob.simulator.catalogue import PRODUCTION, SANDBOX, SimulatedJob, jobs
from almajob.simulator.clock import Clock
from almajob.simulator.journal import Event, Journal
from almajob.simulator.lifecycle import Plan
from almajob.simulator.refusals import Refusal
from almajob.simulator.sets import Sets

INSTITUTION = "01SIM_INST"
API = ("exl_api", "Ex Libris, API")
SYSTEM = ("System", "")
STAFF = ("jdoe", "Doe, Jane")
_ID_STEP = 10_000
# Ids of one institution end in the same four digits.
_FIRST_ID = {SANDBOX: 9563643080000561, PRODUCTION: 9863643080000561}
_MOST_RUNNING = 3
_MOST_STARTS = 5
_HOUR = 3600.0


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
        """Say in which state it is."""
        return self.plan.state_at(now - self.submitted)

    def has_ended(self, now: float) -> bool:
        """Whether its end has come."""
        return self.state(now) not in lifecycle.ORDER

    @property
    def set_id(self) -> str:
        """The set it works on, or empty."""
        return dict(self.parameters).get("set_id", "")


@dataclass(slots=True)
class Rules:
    """How a world behaves where that is a matter of choice.

    Attributes:
        thresholds: whether running jobs and starts an hour are limited, and overlaps refused.
        checks_parameters: whether mandatory parameters are asked for.
        seconds: how long every run lasts; None for as long as its kind takes.
        activity: seconds between runs of the system's and the staff's own; None for none.
        endings: by job id or name, how its next runs go: status, seconds, progress.
    """

    thresholds: bool = True
    checks_parameters: bool = True
    seconds: float | None = None
    activity: float | None = None
    endings: dict[str, dict[str, Any]] = field(default_factory=dict)


class World:
    """An environment.

    Args:
        environment: SANDBOX or PRODUCTION.
        clock: its time.
        journal: where what happens is kept; in memory where not given.
        rules: how it behaves.
        job_count: how many jobs it has; the built-in ones where not given.
        timezone: of the institution, for the names of runs.

    Raises:
        ValueError: the journal is not one of a world.
    """

    def __init__(
        self,
        environment: str = SANDBOX,
        clock: Clock | None = None,
        journal: Journal | None = None,
        rules: Rules | None = None,
        *,
        job_count: int | None = None,
        timezone: str = "America/Chicago",
    ) -> None:
        self.environment = environment
        self.clock = clock or Clock()
        self.rules = rules or Rules()
        self.jobs = jobs(environment, job_count)
        self.sets = Sets(environment)
        self._by_id = {job.id: job for job in self.jobs}
        self._journal = journal or Journal()
        self._lock = threading.RLock()
        self._runs: dict[str, Run] = {}
        self._by_job: dict[str, list[Run]] = {}
        self._begun = self.clock()
        self._activities = 0
        try:
            self._zone: Any = ZoneInfo(timezone)
        except ZoneInfoNotFoundError:
            # A machine without time zone data.
            self._zone = UTC
        self._catch_up()

    def job(self, job_id: str) -> SimulatedJob | None:
        """Find a job."""
        return self._by_id.get(job_id)

    def run(self, run_id: str) -> Run | None:
        """Find a run."""
        with self._lock:
            self._catch_up()
            return self._runs.get(run_id)

    def runs(self, job_id: str | None = None) -> list[Run]:
        """Give the runs of a job, or all, oldest first."""
        with self._lock:
            self._catch_up()
            return list(self._runs.values()) if job_id is None else list(self._by_job.get(job_id, ()))

    def submit(
        self, job: SimulatedJob, parameters: Iterable[tuple[str, str]], by: tuple[str, str] = API
    ) -> Run:
        """Start a job, as Alma would.

        Raises:
            Refusal: Alma would not.
        """
        given = tuple(parameters)
        with self._lock, self._journal.writing() as write:
            self._catch_up()
            if by == API:
                self._refuse_start(job, dict(given))
            event = self._run_event(job, given, by, self.clock())
            write(event)
            self._apply(event)
            return self._runs[event["id"]]

    def end(self, run: Run, status: str, progress: float | None = None) -> None:
        """End a run now, as somebody who aborts it in Alma does, or a crash."""
        self.record({"kind": "end", "id": run.id, "at": self.clock(), "status": status, "progress": progress})

    def record(self, event: Event) -> None:
        """Let something happen."""
        with self._lock, self._journal.writing() as write:
            self._catch_up()
            write(event)
            self._apply(event)

    def instance(self, run: Run, base: str) -> dict[str, Any]:
        """Give a run as Alma shows it at this moment; ``base`` is put before the paths of its links."""
        now = self.clock()
        listed = run.job.listed(base)
        return {
            "id": run.id,
            "name": run.name,
            **lifecycle.members(run.plan, run.submitted, now),
            "external_id": str(int(run.id) - 10_000_000),
            "submitted_by": {"value": run.by[0], **({"desc": run.by[1]} if run.by[1] else {})},
            **(reports.report(run.job, run.id, run.state(now), base) if run.has_ended(now) else {}),
            "job_info": {**listed, "description": run.job.detailed(base)["description"]},
            "link": f"{base}/almaws/v1/conf/jobs/{run.job.id}/instances/{run.id}",
        }

    def _refuse_start(self, job: SimulatedJob, parameters: Mapping[str, str]) -> None:
        if job.is_chain:
            raise Refusal("402231")
        if not job.may_be_submitted:
            raise Refusal("402248" if job.type == "SCHEDULED" else "402249")
        if self.rules.checks_parameters and job.needs_set:
            if "set_id" not in parameters:
                raise Refusal("402228", "set_id")
            if parameters["set_id"] not in self.sets:
                raise Refusal("402229", "set_id")
        if self.rules.thresholds:
            self._refuse_more(job, parameters.get("set_id", ""))

    def _refuse_more(self, job: SimulatedJob, set_id: str) -> None:
        now = self.clock()
        going_on = [run for run in self._recent() if not run.has_ended(now)]
        if any(run.job.id == job.id and run.set_id == set_id for run in going_on):
            raise Refusal("60347")
        if sum(run.by == API for run in going_on) >= _MOST_RUNNING:
            raise Refusal("402222")
        last_hour = [run for run in self._by_job.get(job.id, ())[-50:] if run.submitted > now - _HOUR]
        if sum(run.by == API for run in last_hour) >= _MOST_STARTS:
            raise Refusal("402223")

    def _recent(self) -> list[Run]:
        # Enough to hold every run that can still be going on, in a world of a hundred thousand.
        return [run for runs in self._by_job.values() for run in runs[-20:]]

    def _run_event(
        self, job: SimulatedJob, parameters: tuple[tuple[str, str], ...], by: tuple[str, str], at: float
    ) -> Event:
        wanted = dict(parameters).get("job_name", "")
        name = f"{wanted} - {self._local(at)}" if wanted else job.name
        ending = {**self.rules.endings.get(job.name, {}), **self.rules.endings.get(job.id, {})}
        return {
            "kind": "run",
            "id": str(_FIRST_ID[self.environment] + _ID_STEP * len(self._runs)),
            "job_id": job.id,
            "at": at,
            "name": name,
            "by": list(by),
            "parameters": [list(parameter) for parameter in parameters],
            "seconds": ending.get("seconds", self.rules.seconds),
            "status": ending.get("status"),
            "progress": ending.get("progress"),
        }

    def _local(self, at: float) -> str:
        local = datetime.fromtimestamp(at, UTC).astimezone(self._zone)
        return f"{local:%Y-%m-%d} {int(local.strftime('%I'))}:{local:%M %p}"

    def _catch_up(self) -> None:
        for event in self._journal.new_events():
            try:
                self._apply(event)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise ValueError("it is not a simulator's world") from error
        self._let_others_act()

    def _let_others_act(self) -> None:
        """Let the system and the staff start jobs of their own, at their intervals."""
        if self.rules.activity is None:
            return
        due = int((self.clock() - self._begun) / self.rules.activity)
        # After a long step of the clock only the latest matter.
        self._activities = max(self._activities, due - 20)
        scheduled = [job for job in self.jobs if job.type == "SCHEDULED"] or list(self.jobs)
        while self._activities < due:
            self._activities += 1
            job = scheduled[self._activities % len(scheduled)]
            by = SYSTEM if self._activities % 3 else STAFF
            self._apply(self._run_event(job, (), by, self._begun + self._activities * self.rules.activity))

    def _apply(self, event: Event) -> None:
        match event["kind"]:
            case "run":
                job = self._by_id[event["job_id"]]
                plan = reports.plan_of(job, event["seconds"])
                if event["status"] is not None:
                    seconds = plan.seconds
                    plan = lifecycle.spread(seconds, event["status"], event["progress"])
                lifecycle.instant(event["at"])
                parameters = tuple((str(name), str(value)) for name, value in event["parameters"])
                code, description = event["by"]
                run = Run(
                    str(int(event["id"])),
                    job,
                    event["at"],
                    event["name"],
                    (code, description),
                    plan,
                    parameters,
                )
                self._runs[run.id] = run
                self._by_job.setdefault(job.id, []).append(run)
            case "end":
                self._end(self._runs[event["id"]], event)
            case _:
                self.sets.apply(event)

    def _end(self, run: Run, event: Event) -> None:
        age = max(event["at"] - run.submitted, 0.0)
        if age >= run.plan.seconds:
            return
        kept = run.plan.progress if event["progress"] is None else event["progress"]
        plan = replace(lifecycle.spread(age, event["status"]), progress=kept)
        ended = replace(run, plan=plan)
        self._runs[run.id] = ended
        runs = self._by_job[run.job.id]
        runs[runs.index(run)] = ended
