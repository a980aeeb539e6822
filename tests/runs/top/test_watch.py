"""Which job is asked for next, at which pace, and what is known of the runs; hours pass at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from almajob.alma.models import JobFilter
from almajob.cli.context import Context
from almajob.config.settings import Options
from almajob.errors import ConfigurationError, KeyRefused, Unreachable
from almajob.runs.top.page import Page
from almajob.runs.top.watch import Watch
from almajob.store.ledger.record import State
from almajob.system import clock as clocks
from almajob.testing import SimulatedAlma
from tests.conftest import Run

ERP = "ERP export using profile FINANCE"
ERP_ID = "S9563600010000561"
SIS = "Users SYNCHRONIZE using profile SIS"
ENV = ("--env", "sandbox")
RUNS = "GET /conf/jobs/*/instances*"

NewWatch = Callable[..., Watch]


@pytest.fixture
def context(simulated: SimulatedAlma) -> Iterator[Context]:
    """The sandbox, with its list of jobs in the cache."""
    with Context(Options(env="sandbox")) as context:
        context.catalogue.jobs(JobFilter())
        simulated.log.clear()
        yield context


@pytest.fixture
def new_watch(context: Context) -> NewWatch:
    """Make a watch of all jobs, or of some that are named; chance gives the middle."""

    def make(*names: str, **more: object) -> Watch:
        jobs = [job for job in context.catalogue.jobs() if not names or job.name in names]
        more.setdefault("is_all", not names)
        return Watch(context.runs.follower(), lambda: jobs, chance=lambda: 0.5, **more)  # type: ignore[arg-type]

    return make


def _submit(alma: SimulatedAlma, name: str = ERP, *, seconds: float | None = None, status: str = "") -> str:
    """Start a job as Alma's schedule does: without almajob."""
    if seconds is not None:
        alma.set_ending(name, status or "COMPLETED_SUCCESS", seconds=seconds)
    world = alma.institution.sandbox
    return world.submit(next(job for job in world.jobs if job.name == name), [], ("System", "")).id


def _pass(watch: Watch, seconds: float) -> Page:
    """Let so much time pass for a watch, and return what it shows then; each call ends at once."""
    clock = clocks.system()
    end = clock.elapsed() + seconds
    while (now := clock.elapsed()) <= end:
        ask = watch.next_ask(now)
        if ask is None:
            clock.sleep(min(max(watch.due(now) - now, 0.001), end - now + 0.001))
            continue
        try:
            answer: object = ask.work()
        except Exception as error:  # noqa: BLE001  # as the page does
            answer = error
        ask.take(answer, clock.elapsed())
    return watch.page(clock.elapsed())


def _ids(page: Page) -> list[str]:
    return [each.run.instance.id for each in page.going_on]


def test_all_jobs_are_asked_for_once_at_first_then_in_turn(
    simulated: SimulatedAlma, new_watch: NewWatch
) -> None:
    """The first round is as quick as a wait for many runs; then there is a call in five seconds."""
    watch = new_watch()
    page = _pass(watch, 28)
    count = len(simulated.institution.sandbox.jobs)
    assert (page.asked, page.jobs) == (count, count)
    assert simulated.log.count(RUNS) in range(count, count + 5)
    assert len({entry.path for entry in simulated.log.requests(RUNS)}) == count
    simulated.log.clear()
    _pass(watch, 900)
    assert simulated.log.count("*") in range(175, 185)
    asked = [entry.path for entry in simulated.log.requests(RUNS)]
    # Each in turn: none is asked for a second time before all others were.
    assert max(map(asked.count, asked)) - min(map(asked.count, asked)) <= 1
    assert len(set(asked)) == count


def test_a_run_is_looked_at_as_a_wait_would(simulated: SimulatedAlma, new_watch: NewWatch) -> None:
    """After 5 seconds at first, after 180 later; its end is seen by then, and the calls are few."""
    watch = new_watch(ERP)
    run_id = _submit(simulated, seconds=1800)
    page = _pass(watch, 1)
    assert _ids(page) == [run_id]
    assert page.going_on[0].run.instance.submitted_by.value == "System"
    page = _pass(watch, 1750)
    assert _ids(page) == [run_id]
    assert int(page.going_on[0].age or 0) in range(1740, 1760)
    # As many as a wait of half an hour makes.
    assert simulated.log.count(RUNS) in range(30, 60)
    page = _pass(watch, 200)
    assert _ids(page) == []
    assert [run.instance.id for run in page.ended] == [run_id]
    assert page.ended[0].passed is True


def test_of_a_job_that_was_named_the_next_run_is_seen_soon(
    simulated: SimulatedAlma, new_watch: NewWatch
) -> None:
    """After a tenth of the time gone by, and five minutes at most, as a wait for it would."""
    watch = new_watch(ERP, SIS)
    assert _ids(_pass(watch, 1200)) == []
    assert simulated.log.count(RUNS) < 100
    run_id = _submit(simulated, seconds=3000)
    assert _ids(_pass(watch, 150)) == [run_id]


def test_jobs_that_had_runs_lately_have_more_turns(simulated: SimulatedAlma, new_watch: NewWatch) -> None:
    """Ten for one of a quiet job, which is not forgotten all the same."""
    for _ in range(3):
        _submit(simulated, SIS, seconds=60)
        simulated.clock.advance(3600)
    watch = new_watch()
    _pass(watch, 30)
    simulated.log.clear()
    _pass(watch, 900)
    asked = [entry.path for entry in simulated.log.requests(RUNS)]
    (sis,) = (job.id for job in simulated.institution.sandbox.jobs if job.name == SIS)
    of_sis = sum(f"/{sis}/" in path for path in asked)
    assert of_sis in range(20, 40)
    assert len(set(asked)) == len(simulated.institution.sandbox.jobs)


def test_what_was_started_from_here_is_asked_for_first(
    simulated: SimulatedAlma, almajob: Run, new_watch: NewWatch
) -> None:
    """The ledger knows which job it is; a start that comes later is noticed, too, within ten seconds."""
    simulated.set_ending(ERP, seconds=3000)
    simulated.set_ending(SIS, seconds=3000)
    run_id = json.loads(almajob(*ENV, "run", ERP, "-f", "json").out)["instance_id"]
    simulated.log.clear()
    watch = new_watch()
    # Time for one call.
    page = _pass(watch, 0.2)
    assert (page.asked, _ids(page)) == (1, [run_id])
    _pass(watch, 60)
    other = json.loads(almajob(*ENV, "run", SIS, "-f", "json").out)["instance_id"]
    assert set(_ids(_pass(watch, 10))) == {run_id, other}


def test_a_run_that_alma_does_not_list_is_looked_at(
    simulated: SimulatedAlma, almajob: Run, new_watch: NewWatch
) -> None:
    """Where the ledger knows that it is there."""
    simulated.set_ending(ERP, seconds=3000)
    run_id = json.loads(almajob(*ENV, "run", ERP, "-f", "json").out)["instance_id"]
    simulated.faults.add("listing-lag", RUNS, times=None)
    page = _pass(new_watch(ERP), 2)
    assert _ids(page) == [run_id]
    assert page.going_on[0].run.instance.status.value
    assert simulated.log.count(f"GET /conf/jobs/{ERP_ID}/instances/{run_id}") > 0


def test_a_start_whose_outcome_is_unknown_is_shown(simulated: SimulatedAlma, almajob: Run) -> None:
    """As long as it is, in its environment; not where other jobs were chosen."""
    simulated.faults.add("reset-after", "POST /conf/jobs/*")
    assert almajob("--env", "production", "run", ERP, "--yes").code == 9

    def list_unclear(environment: str, name: str) -> list[State]:
        with Context(Options(env=environment)) as context:
            jobs = [job for job in context.catalogue.jobs() if name in ("", job.name)]
            watch = Watch(context.runs.follower(), lambda: jobs, is_all=not name)
            return [start.state for start in _pass(watch, 0.5).unclear]

    assert list_unclear("production", "") == [State.AMBIGUOUS]
    assert list_unclear("production", ERP) == [State.AMBIGUOUS]
    assert list_unclear("production", SIS) == []
    assert list_unclear("sandbox", "") == []


def test_what_ended_within_an_hour_is_shown_and_how(simulated: SimulatedAlma, new_watch: NewWatch) -> None:
    """The last first; one that ended earlier is not."""
    _submit(simulated, seconds=60)
    simulated.clock.advance(3900)
    failed = _submit(simulated, seconds=60, status="FAILED")
    simulated.clock.advance(600)
    good = _submit(simulated, seconds=60)
    simulated.clock.advance(600)
    page = _pass(new_watch(ERP), 1)
    assert [(run.instance.id, run.passed) for run in page.ended] == [(good, True), (failed, False)]
    watch = new_watch(ERP)
    assert len(_pass(watch, 3600).ended) == 2


def test_how_long_a_run_usually_takes_and_that_one_is_late(
    simulated: SimulatedAlma, new_watch: NewWatch
) -> None:
    """By the runs of the last days that Alma lists, no matter who started them."""
    for _ in range(6):
        _submit(simulated, seconds=100)
        simulated.clock.advance(1000)
    _submit(simulated, seconds=9000)
    watch = new_watch(ERP)
    (seen,) = _pass(watch, 90).going_on
    assert (seen.usual, seen.is_late) == (100, False)
    (seen,) = _pass(watch, 200).going_on
    assert (seen.usual, seen.is_late) == (100, True)


def test_while_alma_is_down_the_page_stays_and_alma_is_seldom_asked(
    simulated: SimulatedAlma, new_watch: NewWatch
) -> None:
    """After 5, 10, 20 seconds, up to 5 minutes; it says since when and why, and goes on by itself."""
    watch = new_watch()
    run_id = _submit(simulated, seconds=20_000)
    assert _ids(_pass(watch, 20)) == [run_id]
    simulated.log.clear()
    simulated.faults.add("503", "GET *", times=None)
    page = _pass(watch, 3600)
    assert _ids(page) == [run_id]
    assert page.trouble is not None
    assert page.trouble.error.exit_code == 6
    assert int(page.trouble.seconds) in range(3500, 3601)
    assert page.seen is not None
    assert int(page.seen) in range(3500, 3610)
    assert simulated.log.count("*") in range(12, 25)
    simulated.faults.clear()
    page = _pass(watch, 400)
    assert (page.trouble, _ids(page)) == (None, [run_id])


def test_alma_may_be_down_from_the_beginning(simulated: SimulatedAlma, context: Context) -> None:
    """Also for the list of jobs; it is read once Alma is back."""
    down = [True]

    def choose() -> list[object]:
        if down[0]:
            raise Unreachable("No connection to Alma.")
        return list(context.catalogue.jobs())

    watch = Watch(context.runs.follower(), choose, chance=lambda: 0.5)  # type: ignore[arg-type]
    page = _pass(watch, 30)
    assert (page.jobs, page.seen) == (None, None)
    assert page.trouble is not None
    down[0] = False
    page = _pass(watch, 60)
    assert (page.trouble, page.jobs) == (None, 88)


def test_a_job_that_is_not_there_any_more_keeps_none_from_being_seen(
    simulated: SimulatedAlma, new_watch: NewWatch
) -> None:
    """The list of jobs may be a day old."""
    world = simulated.institution.sandbox
    watch = new_watch(ERP, SIS)
    world._by_id = {key: job for key, job in world._by_id.items() if job.name != SIS}
    run_id = _submit(simulated, seconds=600)
    page = _pass(watch, 5)
    assert (_ids(page), page.trouble, page.asked) == ([run_id], None, 2)
    watch = new_watch(ERP, SIS)
    assert _ids(watch.look()) == [run_id]


@pytest.mark.parametrize(
    "failure",
    [
        KeyRefused("No.", code="UNAUTHORIZED", text="", tracking_id="", http_status=400),
        ConfigurationError("No key."),
    ],
)
def test_a_key_that_alma_has_never_accepted_ends_it(context: Context, failure: Exception) -> None:
    """It would not be accepted later; one that was accepted before may be so again."""
    failures = [failure]

    def choose() -> list[object]:
        raise failures[0]

    watch = Watch(context.runs.follower(), choose)  # type: ignore[arg-type]
    with pytest.raises(type(failure)):
        _pass(watch, 10)
    watch._answered = 1.0
    page = _pass(watch, 10)
    assert page.trouble is not None
    assert page.trouble.error is failure


def test_a_bug_ends_nothing(context: Context) -> None:
    """The page says so, and tries again."""

    def choose() -> list[object]:
        raise ZeroDivisionError

    page = _pass(Watch(context.runs.follower(), choose), 3)  # type: ignore[arg-type]
    assert page.trouble is not None
    assert page.trouble.error.message == "almajob failed on the answer: ZeroDivisionError."


def test_where_few_calls_are_left_looks_are_seldom(simulated: SimulatedAlma, context: Context) -> None:
    """A quarter as many, the first round included; the page says so."""
    context.alma.general()
    simulated.institution.gateway.remaining = 4000
    context.alma.general()
    simulated.log.clear()
    jobs = context.catalogue.jobs()
    watch = Watch(context.runs.follower(), lambda: jobs, chance=lambda: 0.5)
    page = _pass(watch, 600)
    assert page.is_thrifty
    assert simulated.log.count("*") in range(25, 35)
    assert page.asked < len(jobs)


def test_a_message_of_the_end_is_heeded(simulated: SimulatedAlma, context: Context) -> None:
    """Where a webhook listener runs: at once, and hardly a call is made for a run that goes on."""
    run_id = _submit(simulated, seconds=1800)
    messages = context.runs.messages
    assert messages is not None
    jobs = [job for job in context.catalogue.jobs() if job.name == ERP]
    with messages.listen():
        messages.note_heard()
        watch = Watch(context.runs.follower(), lambda: jobs, is_all=False, chance=lambda: 0.5)
        assert _ids(_pass(watch, 1750)) == [run_id]
        assert simulated.log.count(RUNS) in range(5, 10)
        simulated.clock.advance(200)
        messages.keep_end(context.alma.instance(run_id))
        simulated.log.clear()
        page = _pass(watch, 6)
        assert (_ids(page), [run.instance.id for run in page.ended]) == ([], [run_id])
        # Nor of jobs that were not chosen.
        other = _submit(simulated, SIS, seconds=10)
        simulated.clock.advance(20)
        messages.keep_end(context.alma.instance(other))
        assert [run.instance.id for run in _pass(watch, 6).ended] == [run_id]


def test_a_message_that_the_listener_cannot_decide_costs_one_call(
    simulated: SimulatedAlma, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for each message; the run is looked at then."""
    run_id = _submit(simulated, seconds=3000)
    messages = context.runs.messages
    assert messages is not None
    jobs = [job for job in context.catalogue.jobs() if job.name == ERP]
    with messages.listen():
        messages.note_heard()
        watch = Watch(context.runs.follower(), lambda: jobs, is_all=False, chance=lambda: 0.5)
        _pass(watch, 20)
        simulated.log.clear()
        monkeypatch.setattr(type(messages), "is_overdue", lambda _self, instance_id: instance_id == run_id)
        _pass(watch, 60)
        assert simulated.log.count(RUNS) == 1


def test_a_ledger_that_cannot_be_read_is_named(simulated: SimulatedAlma, new_watch: NewWatch) -> None:
    """And what Alma shows is shown."""
    run_id = _submit(simulated, seconds=600)
    watch = new_watch(ERP)
    place = watch._follower.ledger.place

    class Broken:
        def __getattr__(self, name: str) -> object:
            return getattr(place, name)

        def read(self, *_given: object, **_more: object) -> object:
            from almajob.store.ledger.place import LedgerUnusable

            raise LedgerUnusable("The ledger cannot be read.")

    ledger = type(watch._follower.ledger)(Broken(), None)  # type: ignore[arg-type]
    watch._follower = replace(watch._follower, ledger=ledger)
    page = _pass(watch, 5)
    assert (_ids(page), page.ledger_problem) == ([run_id], "The ledger cannot be read.")


def test_a_page_of_one_look_is_as_quick_as_a_wait(simulated: SimulatedAlma, new_watch: NewWatch) -> None:
    """One call for each job, seven a second; nothing but GETs."""
    run_id = _submit(simulated, seconds=600)
    begun = simulated.clock()
    page = new_watch().look()
    assert _ids(page) == [run_id]
    assert simulated.log.count("*") in (88, 89)
    assert simulated.clock() - begun > 87 / 7
    assert {entry.method for entry in simulated.log.requests()} == {"GET"}
