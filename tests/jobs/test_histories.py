"""The runs of many jobs: what is kept of them is what Alma has, and little is asked twice."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.alma.job_instances import Instance
from almajob.alma.models import Job
from almajob.errors import AlmaFailed, AlmaRefused, Unreachable
from almajob.jobs.histories import EndRecords, FoundRuns, read_runs
from almajob.jobs.history import Period, put_in_order
from almajob.jobs.kept_runs import MOST_RUNS, KeptRuns
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock as SimulatorClock
from almajob.simulator.world.run import SYSTEM, Ending
from almajob.store.cache import Cache
from almajob.system.clock import Clock
from almajob.testing import SimulatedAlma
from tests.support.thoroughness import IN_CI

HOUR, DAY = 3600.0, 86400.0
LISTED = "GET /conf/jobs/*/instances"


class Desk:
    """A simulator, the cache of one or two processes, and what they read."""

    def __init__(self, simulated: SimulatedAlma, directory: Path) -> None:
        self.simulated = simulated
        self.world = simulated.institution.sandbox
        self.directory = directory
        self.alma = Alma(Session(simulated.base_url, Key("simulator-sandbox-key")))
        self.caches = [Cache(directory), Cache(directory)]
        self.jobs = [Job(job.id, job.name) for job in self.world.jobs]

    def start(self, job: int = 0, seconds: float = 60, status: str = "COMPLETED_SUCCESS") -> str:
        """Let somebody else start a job."""
        self.world.rules.endings[self.jobs[job].id] = Ending(status, seconds)
        return self.world.submit(self.world.jobs[job], [], SYSTEM).id

    def read(
        self,
        jobs: Sequence[Job] | None = None,
        wanted: Period | None = None,
        *,
        process: int = 0,
        identity: str = "sandbox:1",
        **more: Any,
    ) -> FoundRuns:
        kept = KeptRuns(self.caches[process], environment="sandbox", identity=identity)
        return read_runs(self.alma, kept, self.jobs if jobs is None else jobs, wanted or Period(), **more)

    def count(self, read: Callable[[], object]) -> int:
        """Count the calls that something takes."""
        before = self.simulated.log.count("GET *")
        read()
        return self.simulated.log.count("GET *") - before

    def list_truth(self) -> list[Instance]:
        """List all runs as Alma shows them now."""
        now = self.world.clock()
        return [Instance.from_json(run.instance("", now)) for run in self.world.runs()]

    @property
    def database(self) -> Path:
        return self.directory / ".cache.runs.sandbox" / "cache.db"

    def close(self) -> None:
        for cache in self.caches:
            cache.close()


@contextmanager
def _open_desk() -> Iterator[Desk]:
    with (
        pytest.MonkeyPatch.context() as patched,
        TemporaryDirectory() as directory,
        Simulator(Institution(SimulatorClock(speed=0))) as simulator,
    ):
        simulated = SimulatedAlma(simulator)
        clock = simulated.clock
        passing = Clock(clock, clock, lambda seconds: clock.advance(max(seconds, 0)), clock)
        patched.setattr("almajob.system.clock.SYSTEM", passing)
        with closing(Desk(simulated, Path(directory, "cache"))) as desk:
            yield desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    with _open_desk() as made:
        yield made


def _plain(runs: Sequence[Instance]) -> list[Instance]:
    """Of a run's job only what a history shows."""
    return [replace(run, job=Job(run.job.id, run.job.name) if run.job else None) for run in runs]


class _Ask(NamedTuple):
    """One question."""

    jobs: tuple[int, ...]
    since: float | None = None
    until: float | None = None
    limit: int = 0
    status: str = ""
    only_ended: bool = False
    process: int = 0


_ENDS = ("COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "SYSTEM_ABORTED", "MANUAL_HANDLING_REQUIRED")
_AGES = st.sampled_from([None, 0.5 * HOUR, 3 * HOUR, 2 * DAY, 10 * DAY, 45 * DAY])
_STEPS = st.one_of(
    st.tuples(
        st.just("start"), st.integers(0, 2), st.sampled_from([1.0, 600.0, 20 * HOUR]), st.sampled_from(_ENDS)
    ),
    st.tuples(st.just("many"), st.integers(0, 2), st.integers(3, 12)),
    st.tuples(st.just("advance"), st.sampled_from([0.3, 30.0, 1200.0, 2 * HOUR, 30 * HOUR, 9 * DAY])),
    st.tuples(st.just("end"), st.integers(0, 30)),
    st.tuples(st.just("lose")),
    st.tuples(st.just("damage"), st.integers(0, 2000)),
    st.tuples(st.just("listen")),
)
_ASKS = st.builds(
    _Ask,
    st.sampled_from([(0,), (0,), (1,), (0, 1, 2), (2, 0)]),
    _AGES,
    st.one_of(st.none(), _AGES),
    st.sampled_from([0, 0, 1, 4]),
    st.sampled_from(["", "", "FAILED"]),
    st.booleans(),
    st.integers(0, 1),
)


_MISSED = ("start", 0, 600.0, "FAILED")


@example(
    [("start", 0, 1.0, "FAILED"), ("advance", 2 * HOUR), _Ask((0,)), ("many", 0, 12), _Ask((0,), limit=1)]
)
@example([("start", 0, 20 * HOUR, "FAILED"), ("many", 0, 9), _Ask((0,)), ("advance", 30 * HOUR), _Ask((0,))])
@example([_Ask((0,), limit=1), _Ask((0,))])
@example([_Ask((0,), 2 * DAY), _Ask((0,), 10 * DAY)])
@example([_Ask((0,)), _MISSED, ("advance", DAY), ("listen",), _Ask((0,), only_ended=True)])
@example([_Ask((0,)), ("listen",), _Ask((0,)), _MISSED, ("advance", DAY), _Ask((0,), only_ended=True)])
@given(st.lists(st.one_of(_ASKS, _STEPS), min_size=2, max_size=25))
@settings(max_examples=300 if IN_CI else 40)
def test_whatever_happens_a_history_is_what_alma_has(steps: list[Any]) -> None:
    """Run for run: runs appear and end, are kept, the cache is lost or damaged, two processes take turns.

    With pages of five runs. A webhook listener that hears of every end changes nothing, either.
    """
    with _open_desk() as desk, pytest.MonkeyPatch.context() as patched:
        patched.setattr("almajob.alma.client.PAGE", 5)
        patched.setattr("almajob.jobs.history.PAGE", 5)
        listening, heard_from = None, 0.0
        for number in range(24):
            desk.start(number % 7 % 3, 600.0, _ENDS[number % 5])
            desk.simulated.clock.advance(2 * DAY if number < 20 else 5 * HOUR)
        for step in steps:
            match step:
                case _Ask():
                    _check(desk, step, _make_records(desk, listening, heard_from))
                case ("start", job, seconds, status):
                    desk.start(job, seconds, status)
                case ("many", job, count):
                    for number in range(count):
                        desk.start(job, 60.0 + number)
                        desk.simulated.clock.advance(900)
                case ("advance", seconds):
                    desk.simulated.clock.advance(seconds)
                case ("end", number):
                    runs = desk.world.runs()
                    if runs and not runs[number % len(runs)].has_ended(desk.world.clock()):
                        desk.world.end(runs[number % len(runs)], "USER_ABORTED")
                case ("lose",):
                    desk.caches[0].clear()
                    desk.caches[1].close()
                case ("damage", place):
                    _damage(desk, place)
                case ("listen",):
                    listening, heard_from = time.time(), desk.world.clock()


def _damage(desk: Desk, place: int) -> None:
    """Change a byte of what is kept, or leave a part of it out."""
    if not desk.database.exists():
        return
    with closing(sqlite3.connect(desk.database)) as database, database:
        rows = database.execute("SELECT rowid, value FROM Cache ORDER BY rowid").fetchall()
        if not rows:
            return
        number, value = rows[place % len(rows)]
        if place % 3 == 0:
            database.execute("DELETE FROM Cache WHERE rowid = ?", (number,))
            return
        at = place % len(value)
        other = b"7" if isinstance(value, bytes) else "7"
        changed = value[:at] + other + value[at + 1 :]
        database.execute("UPDATE Cache SET value = ? WHERE rowid = ?", (changed, number))


def _make_records(desk: Desk, since: float | None, heard_from: float) -> EndRecords | None:
    """Return what a listener knows that hears of every end since a time."""
    if since is None:
        return None
    now = desk.world.clock()
    ended = {run.id for run in desk.world.runs() if heard_from <= run.ends <= now}
    return EndRecords(since, time.time(), [run for run in desk.list_truth() if run.id in ended])


def _check(desk: Desk, ask: _Ask, records: EndRecords | None) -> None:
    now = desk.world.clock()
    since, until = (None if age is None else now - age for age in (ask.since, ask.until))
    if since is not None and until is not None and since >= until:
        since, until = until, since
    first, last = (None if at is None else datetime.fromtimestamp(at, UTC) for at in (since, until))
    wanted = Period(first, last, ask.status)
    truth = desk.list_truth()
    found = desk.read(
        [desk.jobs[place] for place in ask.jobs],
        wanted,
        process=ask.process,
        limit=ask.limit,
        is_wanted=lambda run: run.has_ended or not ask.only_ended,
        records=records if ask.only_ended else None,
    )
    assert found.unread == []
    ids = {desk.jobs[place].id for place in ask.jobs}
    right = [
        run
        for run in truth
        if run.job and run.job.id in ids and wanted.has(run) and (run.has_ended or not ask.only_ended)
    ]
    if not ask.limit:
        assert _plain(found.runs) == _plain(put_in_order(right, 0))
        return
    # What goes on is never left out, as far as it is on the pages that are read.
    going_on = [run for run in found.runs if not run.has_ended]
    assert {run.id for run in going_on} <= {run.id for run in right}
    ends = [run for run in put_in_order(right, 0) if run.has_ended]
    assert _plain(found.runs[len(going_on) :]) == _plain(ends[: max(ask.limit - len(going_on), 0)])
