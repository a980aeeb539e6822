"""One environment of a simulated institution: its jobs, its runs, its sets, and what it lets the API do.

A world is what its journal says happened, seen at the time of its clock: nothing else is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from almajob.simulator.errors import Refusal
from almajob.simulator.world import lifecycle
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.job_data import PRODUCTION, SANDBOX, SimulatedJob, jobs
from almajob.simulator.world.journal import Event, Journal
from almajob.simulator.world.run import API, STAFF, SYSTEM, Ending, Run, run_of
from almajob.simulator.world.sets import Sets

INSTITUTION = "01SIM_INST"
_ID_STEP = 10_000
# Ids of one institution end in the same four digits.
_FIRST_ID = {SANDBOX: 9563643080000561, PRODUCTION: 9863643080000561}
_MOST_RUNNING = 3
_MOST_STARTS = 5
_HOUR = 3600.0
_MOST_ACTIVITIES = 10_000
# Of the institution, for the names of runs.
_TIMEZONE = "America/Chicago"


@dataclass(slots=True)
class Rules:
    """How a world behaves where that is a matter of choice.

    Attributes:
        thresholds: whether running jobs and starts an hour are limited, and overlaps refused.
        checks_parameters: whether mandatory parameters are asked for.
        seconds: how long every run lasts; None for as long as its kind takes.
        activity: seconds between runs of the system's and the staff's own; None for none.
        endings: by job id or name, how its next runs go.
        filling: in how many seconds Alma fills a set that is made from others, or from an import.

    Raises:
        ValueError: the seconds are none.
    """

    thresholds: bool = True
    checks_parameters: bool = True
    seconds: float | None = None
    activity: float | None = None
    endings: dict[str, Ending] = field(default_factory=dict)
    filling: float = 4.0

    def __post_init__(self) -> None:
        if self.activity is not None and not self.activity > 0:
            raise ValueError("activity is a number of seconds, more than none")


class World:
    """An environment.

    Args:
        environment: SANDBOX or PRODUCTION.
        journal: where what happens is kept; in memory where not given.
        job_count: how many jobs it has; the built-in ones where not given.

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
    ) -> None:
        self.environment = environment
        self.clock = clock or Clock()
        self.rules = rules or Rules()
        self.jobs = jobs(environment, job_count)
        self._sets = Sets(environment)
        self._by_id = {job.id: job for job in self.jobs}
        self._journal = journal or Journal()
        self._lock = threading.RLock()
        self._runs: dict[str, Run] = {}
        self._by_job: dict[str, list[Run]] = {}
        self._going_on: dict[str, Run] = {}
        self._api_starts: dict[str, list[float]] = {}
        self._begun = self.clock()
        self._activities = 0
        try:
            self._zone: Any = ZoneInfo(_TIMEZONE)
        except ZoneInfoNotFoundError:
            # A machine without time zone data.
            self._zone = UTC
        self._look()

    @property
    def sets(self) -> Sets:
        """Its sets."""
        with self._lock:
            self._look()
            return self._sets

    def job(self, job_id: str) -> SimulatedJob | None:
        """Find a job."""
        return self._by_id.get(job_id)

    def run(self, run_id: str) -> Run | None:
        """Find a run."""
        with self._lock:
            self._look()
            return self._runs.get(run_id)

    def runs(self, job_id: str | None = None) -> list[Run]:
        """Return the runs of a job, or all, oldest first."""
        with self._lock:
            self._look()
            return list(self._runs.values()) if job_id is None else list(self._by_job.get(job_id, ()))

    def submit(
        self, job: SimulatedJob, parameters: Iterable[tuple[str, str]], by: tuple[str, str] = API
    ) -> Run:
        """Start a job, as Alma would.

        Raises:
            Refusal: Alma would not.
        """
        given = tuple(parameters)
        with self._lock:
            self._look()
            with self._journal.writing() as write:
                self._catch_up()
                if by == API:
                    self._refuse_start(job, dict(given))
                return self._begin(write, job, given, by, self.clock())

    def end(self, run: Run, status: str, progress: float | None = None) -> None:
        """End a run now, as somebody who aborts it in Alma does, or a crash.

        Raises:
            ValueError: no run ends so.
        """
        at = self.clock()
        self.happen(lambda: {"kind": "end", "id": run.id, "at": at, "status": status, "progress": progress})

    def happen(self, decide: Callable[[], Event]) -> Event:
        """Record and return what happens, decided while nobody else can change the world."""
        with self._lock, self._journal.writing() as write:
            self._catch_up()
            event = decide()
            # Applied first: what cannot happen must not be written.
            self._apply(event)
            write(event)
            return event

    def _refuse_start(self, job: SimulatedJob, parameters: Mapping[str, str]) -> None:
        if job.is_chain:
            raise Refusal("402231")
        if not job.may_be_submitted:
            raise Refusal("402248" if job.type == "SCHEDULED" else "402249")
        if self.rules.checks_parameters and job.needs_set:
            if "set_id" not in parameters:
                raise Refusal("402228", "set_id")
            if parameters["set_id"] not in self._sets:
                raise Refusal("402229", "set_id")
        if not self.rules.thresholds:
            return
        now, set_id = self.clock(), parameters.get("set_id", "")
        self._going_on = {run.id: run for run in self._going_on.values() if not run.has_ended(now)}
        if any(run.job.id == job.id and run.set_id == set_id for run in self._going_on.values()):
            raise Refusal("60347")
        if sum(run.by == API for run in self._going_on.values()) >= _MOST_RUNNING:
            raise Refusal("402222")
        last_hour = [started for started in self._api_starts.get(job.id, ()) if started > now - _HOUR]
        if len(last_hour) >= _MOST_STARTS:
            raise Refusal("402223")

    def _begin(
        self,
        write: Callable[[Event], None],
        job: SimulatedJob,
        parameters: tuple[tuple[str, str], ...],
        by: tuple[str, str],
        at: float,
    ) -> Run:
        wanted, name = dict(parameters).get("job_name", ""), job.name
        if wanted:
            local = datetime.fromtimestamp(at, UTC).astimezone(self._zone)
            name = f"{wanted} - {local:%Y-%m-%d} {int(local.strftime('%I'))}:{local:%M %p}"
        ending = self.rules.endings.get(job.id) or self.rules.endings.get(job.name) or Ending()
        event: Event = {
            "kind": "run",
            "id": str(_FIRST_ID[self.environment] + _ID_STEP * len(self._runs)),
            "job_id": job.id,
            "at": at,
            "name": name,
            "by": list(by),
            "parameters": [list(parameter) for parameter in parameters],
            "seconds": self.rules.seconds if ending.seconds is None else ending.seconds,
            "status": ending.status,
            "progress": ending.progress,
        }
        self._apply(event)
        write(event)
        return self._runs[event["id"]]

    def _look(self) -> None:
        """See what has happened by now."""
        self._catch_up()
        if self.rules.activity is not None:
            self._let_others_act(self.rules.activity)

    def _catch_up(self) -> None:
        for event in self._journal.new_events():
            try:
                self._apply(event)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise ValueError("it is not a simulator's world") from error

    def _let_others_act(self, interval: float) -> None:
        """Start the jobs that the system and the staff start, at their intervals."""
        due = int((self.clock() - self._begun) / interval)
        if self._activities >= due:
            return
        # A clock that jumps over years does not fill the memory.
        self._activities = max(self._activities, due - _MOST_ACTIVITIES)
        by_type = {kind: [job for job in self.jobs if job.type == kind] for kind in ("SCHEDULED", "MANUAL")}
        with self._journal.writing() as write:
            self._catch_up()
            while self._activities < due:
                self._activities += 1
                by, kind = (SYSTEM, "SCHEDULED") if self._activities % 3 else (STAFF, "MANUAL")
                choice = by_type[kind] or list(self.jobs)
                if choice:
                    job = choice[self._activities % len(choice)]
                    self._begin(write, job, (), by, self._begun + self._activities * interval)

    def _apply(self, event: Event) -> None:
        match event["kind"]:
            case "run":
                run = run_of(event, self._by_id)
                self._keep(run)
                if run.by == API:
                    kept = self._api_starts.get(run.job.id, [])[-_MOST_STARTS:]
                    self._api_starts[run.job.id] = [*kept, run.submitted]
            case "end":
                run = self._runs[event["id"]]
                ending = Ending(event["status"], progress=event["progress"])
                age = max(event["at"] - run.submitted, 0.0)
                if ending.status is not None and age < run.plan.seconds:
                    plan = lifecycle.cut_plan(run.plan, age, ending.status, ending.progress)
                    self._keep(replace(run, plan=plan))
            case _:
                self._sets.apply(event)

    def _keep(self, run: Run) -> None:
        runs = self._by_job.setdefault(run.job.id, [])
        if run.id in self._runs:
            runs[runs.index(self._runs[run.id])] = run
        else:
            runs.append(run)
        self._runs[run.id] = run
        self._going_on[run.id] = run
