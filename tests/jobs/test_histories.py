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
from almajob.alma.http.response import Reading
from almajob.alma.http.session import Session
from almajob.alma.job_instances import Instance, Page
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
DAYS = 30 if IN_CI else 8
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

    def fill(self, days: int) -> None:
        """Let so many days pass."""
        for hour in range(days * 24):
            self.simulated.clock.advance(HOUR)
            self.start(0, 600.0)
            for job in range(1 + hour % 24, len(self.jobs), 24):
                if job % 7 or hour % 5 == 0:
                    self.start(job, 1200.0)
        self.simulated.clock.advance(2 * HOUR)

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
def open_desk() -> Iterator[Desk]:
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
    with open_desk() as made:
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
    with open_desk() as desk, pytest.MonkeyPatch.context() as patched:
        patched.setattr("almajob.alma.client.PAGE", 5)
        patched.setattr("almajob.jobs.history.PAGE", 5)
        for number in range(24):
            desk.start(number % 7 % 3, 600.0, _ENDS[number % 5])
            desk.simulated.clock.advance(2 * DAY if number < 20 else 5 * HOUR)
        listener: tuple[float, float] | None = None
        for step in steps:
            if isinstance(step, _Ask):
                _check(desk, step, _make_records(desk, *listener) if listener else None)
            elif step == ("listen",):
                listener = time.time(), desk.world.clock()
            else:
                _take_step(desk, *step)


def _take_step(desk: Desk, kind: str, *given: Any) -> None:
    match kind:
        case "start":
            desk.start(*given)
        case "many":
            for number in range(given[1]):
                desk.start(given[0], 60.0 + number)
                desk.simulated.clock.advance(900)
        case "advance":
            desk.simulated.clock.advance(*given)
        case "end":
            runs = desk.world.runs()
            run = runs[given[0] % len(runs)]
            if not run.has_ended(desk.world.clock()):
                desk.world.end(run, "USER_ABORTED")
        case "lose":
            desk.caches[0].clear()
            desk.caches[1].close()
        case "damage":
            _damage(desk, *given)


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


def _make_records(desk: Desk, since: float, heard_from: float) -> EndRecords:
    """Return what a listener knows that hears of every end since a time, by both clocks."""
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


@pytest.fixture
def month(desk: Desk) -> Desk:
    """A month of an institution: 88 jobs, of which most run once a day, some seldom, and one each hour.

    It is a shorter one where not everything is tried.
    """
    desk.fill(DAYS)
    return desk


def test_a_month_of_88_jobs_is_read_once(month: Desk) -> None:
    """At first a call for each page; later one for each job; and none where a listener knows all ends."""
    assert len(month.jobs) == 88
    since = datetime.fromtimestamp(month.world.clock() - DAYS * DAY, UTC)
    truth = [run for run in month.list_truth() if Period(since).has(run)]
    pages = sum(len(month.world.runs(job.id)) // 100 for job in month.jobs)
    assert len(truth) > 80 * DAYS
    calls = month.count(lambda: month.read(wanted=Period(since)))
    assert 88 <= calls <= 88 + pages
    month.simulated.clock.advance(HOUR)
    newest = [month.start(0, 60.0), month.start(3, 60.0)]
    month.simulated.clock.advance(HOUR)
    found = FoundRuns()

    def read(**more: Any) -> None:
        nonlocal found
        found = month.read(wanted=Period(since), process=1, **more)

    assert month.count(read) == 88
    truth = put_in_order([run for run in month.list_truth() if Period(since).has(run)], 0)
    assert _plain(found.runs) == _plain(truth)
    assert {run.id for run in found.runs[:2]} == set(newest)
    # What was read before is a part of the past, which is believed for a day.
    last = Period(since, datetime.fromtimestamp(month.world.clock() - DAYS / 2 * DAY, UTC))
    assert month.count(lambda: read_runs_of_past(month, last)) == 0
    listening = time.time()
    month.read(wanted=Period(since))
    later = month.start(5, 60.0)
    month.simulated.clock.advance(HOUR)
    (heard,) = (run for run in month.list_truth() if run.id == later)
    records = EndRecords(listening, time.time(), [heard])
    assert month.count(lambda: read(records=records, is_wanted=lambda run: run.has_ended)) == 0
    assert (found.runs[0].id, len(found.runs), found.unasked) == (later, len(truth) + 1, 88)


def read_runs_of_past(desk: Desk, period: Period) -> None:
    """Read them, and compare them with what Alma has."""
    found = desk.read(wanted=period)
    assert _plain(found.runs) == _plain(put_in_order(filter(period.has, desk.list_truth()), 0))


def test_the_jobs_that_ran_last_are_asked_first(desk: Desk) -> None:
    """Those of which nothing is known come next, and those that have not run for a month last."""
    jobs = desk.jobs[:4]
    desk.start(3)
    desk.simulated.clock.advance(40 * DAY)
    desk.start(1)
    desk.simulated.clock.advance(DAY)
    desk.start(0)
    desk.read([jobs[0], jobs[1], jobs[3]])
    desk.simulated.log.clear()
    desk.read(jobs)
    asked = [entry.path.split("/")[-2] for entry in desk.simulated.log.requests(LISTED)]
    assert asked == [jobs[place].id for place in (0, 1, 2, 3)]


def test_a_job_that_alma_refuses_keeps_no_other_from_being_read(desk: Desk) -> None:
    """It is named, with what Alma says; alone it is an error."""
    run = desk.start(1)
    gone = Job("M999999", "Deleted since yesterday")
    desk.simulated.faults.add("accepted-500", f"GET /conf/jobs/{desk.jobs[2].id}/instances", times=None)
    found = desk.read([desk.jobs[0], gone, desk.jobs[2], desk.jobs[1]])
    assert [each.id for each in found.runs] == [run]
    assert [(each.job, type(each.error)) for each in found.unread] == [
        (gone, AlmaRefused),
        (desk.jobs[2], AlmaFailed),
    ]
    verdict = found.verdict
    assert verdict is not None
    assert verdict.exit_code == 3
    assert "The runs of 2 jobs were not read: Deleted since yesterday (M999999), " in str(verdict)
    with pytest.raises(AlmaRefused):
        desk.read([gone])


def test_an_alma_that_goes_down_is_asked_no_more(desk: Desk) -> None:
    """What was read by then is given, and what need not be asked for is as well."""
    desk.start(0)
    desk.simulated.clock.advance(DAY)
    past = Period(until=datetime.fromtimestamp(desk.world.clock() - 3 * HOUR, UTC))
    desk.read(desk.jobs[4:6])
    desk.simulated.faults.add("reset-before", f"GET /conf/jobs/{desk.jobs[1].id}/instances", times=None)
    found = desk.read([*desk.jobs[:4], *desk.jobs[4:6]], past)
    assert [each.job for each in found.unread] == [*desk.jobs[1:4]]
    assert {type(each.error) for each in found.unread} <= {type(found.unread[0].error)}
    assert isinstance(found.unread[0].error, Unreachable)
    assert len(found.runs) == 1
    assert desk.simulated.log.count(f"GET /conf/jobs/{desk.jobs[2].id}/*") == 0


def test_a_sandbox_that_was_copied_anew_is_read_anew(desk: Desk) -> None:
    """Its runs are others; what was kept is shown by nobody any more."""
    for _day in range(5):
        desk.start(0)
        desk.simulated.clock.advance(DAY)
    desk.read(desk.jobs[:1])
    desk.simulated.institution.reset()
    desk.world = desk.simulated.institution.sandbox
    assert desk.read(desk.jobs[:1]).runs == []
    run = desk.start(0)
    desk.simulated.clock.advance(DAY)
    assert [each.id for each in desk.read(desk.jobs[:1]).runs] == [run]
    # Nor is what was kept with another key or address.
    assert desk.count(lambda: desk.read(desk.jobs[:1], identity="sandbox:2")) == 1


def test_a_run_that_waits_for_a_person_is_read_again(desk: Desk) -> None:
    """It counts as ended, and goes on all the same once somebody has looked at it."""
    run = desk.start(0, status="MANUAL_HANDLING_REQUIRED")
    for _day in range(3):
        desk.simulated.clock.advance(DAY)
        desk.start(0)
    desk.simulated.clock.advance(DAY)
    assert len(desk.read(desk.jobs[:1]).runs) == 4
    kept = desk.world._runs[run]
    desk.world._keep(replace(kept, plan=replace(kept.plan, status="COMPLETED_SUCCESS")))
    assert [each.status.value for each in desk.read(desk.jobs[:1]).runs] == ["COMPLETED_SUCCESS"] * 4


def test_what_is_kept_of_an_end_stays(desk: Desk) -> None:
    """An answer that says otherwise, as a cache on the way may give one, changes nothing."""
    run = desk.start(0)
    desk.simulated.clock.advance(DAY)
    desk.read(desk.jobs[:1])
    kept = desk.world._runs[run]
    desk.world._keep(replace(kept, plan=replace(kept.plan, running=40 * DAY)))
    assert not next(each for each in desk.list_truth() if each.id == run).has_ended
    assert [each.status.value for each in desk.read(desk.jobs[:1]).runs] == ["COMPLETED_SUCCESS"]


def test_a_bounded_number_of_runs_is_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more, the newest; the others are read when they are asked for."""
    assert MOST_RUNS == 2000
    monkeypatch.setattr("almajob.jobs.kept_runs.MOST_RUNS", 20)
    for _run in range(150):
        desk.start(0)
        desk.simulated.clock.advance(HOUR)
    ids = [run.id for run in desk.list_truth()][::-1]
    assert [run.id for run in desk.read(desk.jobs[:1]).runs] == ids
    kept = KeptRuns(desk.caches[1], environment="sandbox", identity="sandbox:1").find(desk.jobs[0].id)
    assert kept is not None
    assert [row.id for row in kept.rows] == ids[:20]
    assert [run.id for run in desk.read(desk.jobs[:1], process=1).runs] == ids
    recent = Period(datetime.fromtimestamp(desk.world.clock() - 5.5 * HOUR, UTC))
    assert [run.id for run in desk.read(desk.jobs[:1], recent).runs] == ids[:5]


def test_ends_are_looked_for_no_longer_than_needed(desk: Desk) -> None:
    """With a limit, as soon as there are as many runs that ended so."""
    for number in range(450):
        desk.start(0, status="FAILED" if number % 50 == 0 else "COMPLETED_SUCCESS")
        desk.simulated.clock.advance(60)

    def failed(run: Instance) -> bool:
        return run.status.value == "FAILED"

    assert desk.count(lambda: desk.read(desk.jobs[:1], limit=3, is_wanted=failed)) == 2
    assert len(desk.read(desk.jobs[:1], limit=3, is_wanted=failed).runs) == 3


def test_a_cache_of_nobody_knows_whom_is_a_miss(desk: Desk) -> None:
    """Whatever stands where runs are expected, they are read from Alma."""
    run = desk.start(0)
    desk.simulated.clock.advance(DAY)
    good = {"since": None, "until": desk.world.clock(), "asked_at": time.time(), "newest": 0.0}
    key = f"runs:sandbox:1:{desk.jobs[0].id}"
    odd: list[list[Any]] = [
        [7],
        [{}],
        [good, 7],
        [good, [[1.0, {"id": 7, "status": {}}]]],
        [{**good, "until": float("nan")}],
        [good, [[1.0, {"id": "1", "status": {"value": "FAILED"}}], [2.0, {"id": "2"}]]],
        [{**good, "since": 5.0}, [[1.0, {"id": "1", "status": {"value": "FAILED"}}]]],
    ]
    for parts in odd:
        desk.caches[0].put_list("runs.sandbox", key, parts)
        assert [each.id for each in desk.read(desk.jobs[:1]).runs] == [run]


def test_nothing_rests_on_the_order_of_the_runs(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Alma lists the oldest first, in pages of five, all of them are read, and the same is kept."""
    original = desk.alma.instances_page

    def page_upside_down(job_id: str, *, offset: int, **asked: Any) -> tuple[Page[Instance], Reading]:
        page, reading = original(job_id, offset=0, **asked)
        return Page(page.items[::-1][offset : offset + 5], page.total), reading

    monkeypatch.setattr(desk.alma, "instances_page", page_upside_down)
    for turn in range(3):
        for _run in range(11):
            desk.start(0)
            desk.simulated.clock.advance(HOUR)
        truth = put_in_order(desk.list_truth(), 0)
        assert _plain(desk.read(desk.jobs[:1]).runs) == _plain(truth)
        assert desk.read(desk.jobs[:1], limit=1).runs[0].id == truth[0].id, turn


def test_an_old_answer_proves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that a cache on the way has kept is shown; what it lacks is looked for again."""
    original = desk.alma.instances_page

    def page_of_a_cache(job_id: str, **asked: Any) -> tuple[Page[Instance], Reading]:
        page, reading = original(job_id, **asked)
        return page, replace(reading, is_cached=True)

    monkeypatch.setattr(desk.alma, "instances_page", page_of_a_cache)
    desk.start(0)
    desk.simulated.clock.advance(DAY)
    assert len(desk.read(desk.jobs[:1]).runs) == 1
    kept = KeptRuns(desk.caches[0], environment="sandbox", identity="sandbox:1")
    assert kept.find(desk.jobs[0].id) is None
