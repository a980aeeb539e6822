"""``wait JOB`` and ``status JOB``: the run of a job that is going on, its next one, its last one."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from almajob.system.clock import Clock
from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run

ERP = "ERP export using profile FINANCE"
ERP_ID = "S9563600010000561"
SIS = "Users SYNCHRONIZE using profile SIS"
ENV = ("--env", "sandbox")
LIST = f"GET /conf/jobs/{ERP_ID}/instances"

_DAY = 86400.0

Later = Callable[[float, Callable[[], Any]], None]


def _submit(alma: SimulatedAlma, name: str = ERP) -> str:
    """Start a job as Alma's schedule does: without almajob."""
    world = alma.institution.sandbox
    return world.submit(next(job for job in world.jobs if job.name == name), []).id


@pytest.fixture
def later(simulated: SimulatedAlma, monkeypatch: pytest.MonkeyPatch) -> Later:
    """Let something happen so many seconds from now, while almajob waits."""
    planned: list[tuple[float, Callable[[], Any]]] = []

    def sleep(seconds: float) -> None:
        end = simulated.clock() + max(seconds, 0.0)
        while planned and planned[0][0] <= end:
            at, action = planned.pop(0)
            simulated.clock.advance(max(at - simulated.clock(), 0.0))
            action()
        simulated.clock.advance(max(end - simulated.clock(), 0.0))

    passing = Clock(simulated.clock, simulated.clock, sleep, simulated.clock)
    monkeypatch.setattr("almajob.system.clock.SYSTEM", passing)

    def plan(seconds: float, action: Callable[[], Any]) -> None:
        planned.append((simulated.clock() + seconds, action))
        planned.sort(key=lambda item: item[0])

    return plan


@pytest.fixture
def noon(simulated: SimulatedAlma) -> None:
    """Let the test begin at noon, far from the midnight at which Alma counts its calls anew."""
    simulated.clock.advance(_DAY - (simulated.clock() - _DAY / 2) % _DAY)


def _shown(done: Result) -> Any:
    shown = json.loads(done.out)
    return shown[0] if len(shown) == 1 else shown


def _ahead_of(alma: SimulatedAlma, seconds: float) -> Callable[[], float]:
    return lambda: alma.clock() + seconds


@pytest.mark.parametrize("words", [(ERP,), (ERP_ID,), ("--job", ERP)])
def test_the_run_that_is_going_on_is_waited_for(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...]
) -> None:
    """Named by the job's name or id; who started it does not matter."""
    simulated.set_ending(ERP, "COMPLETED_FAILED", seconds=600)
    _submit(simulated)
    simulated.clock.advance(3600)
    run_id = _submit(simulated)
    done = almajob(*ENV, "wait", *words, "-f", "json")
    assert (done.code, _shown(done)["instance_id"], _shown(done)["status"]) == (3, run_id, "COMPLETED_FAILED")


def test_where_no_run_is_going_on_nothing_is_waited_for(simulated: SimulatedAlma, almajob: Run) -> None:
    """Exit code 5, at once; the last one is named, and both lines to type work."""
    never = almajob(*ENV, "wait", ERP)
    assert never.code == 5
    assert never.err == (
        f"almajob: No run of {ERP!r} ({ERP_ID}) is going on in sandbox.\n"
        "  Alma lists no run of it.\n"
        f"  To wait for the next one: almajob --env sandbox wait {ERP_ID} --next\n"
    )
    assert almajob(*ENV, "status", ERP).code == 5
    run_id = _submit(simulated)
    simulated.clock.advance(3600)
    done = almajob(*ENV, "wait", ERP)
    assert (done.code, done.out) == (5, "")
    assert f"The last one, run {run_id}, ended with COMPLETED_SUCCESS.\n" in done.err
    (line,) = (line for line in done.err.splitlines() if "To see the last one: almajob " in line)
    assert almajob(*shlex.split(line.partition(": almajob ")[2])).code == 0
    assert simulated.log.count("POST *") == 0


def test_of_several_that_are_going_on_a_person_chooses(simulated: SimulatedAlma, almajob: Run) -> None:
    """None is taken for the one that is meant; all can be waited for with the line that is shown."""
    simulated.institution.rules.thresholds = False
    one, two = _submit(simulated), _submit(simulated)
    done = almajob(*ENV, "wait", ERP)
    assert done.code == 5
    assert f"2 runs of {ERP!r} ({ERP_ID}) are going on in sandbox." in done.err
    assert f"almajob --env sandbox wait {two} {one}\n" in done.err


def test_the_last_run_of_a_job_is_shown(simulated: SimulatedAlma, almajob: Run) -> None:
    """By its name, as a run key or a Process ID would be; --job beside a run stays a check."""
    first = _submit(simulated)
    simulated.clock.advance(3600)
    last = _submit(simulated)
    for words in ((ERP,), ("--job", ERP), (ERP_ID,), ("--job", ERP, last)):
        done = almajob(*ENV, "status", *words, "-f", "json")
        assert (done.code, _shown(done)["instance_id"]) == (0, last)
    assert almajob(*ENV, "status", "--job", SIS, first).code == 5
    both = almajob(*ENV, "status", ERP, first, "-f", "json")
    assert [row["instance_id"] for row in _shown(both)] == [last, first]


def test_the_last_run_of_a_job_is_watched_and_judged(simulated: SimulatedAlma, almajob: Run) -> None:
    """As a run that is named by its Process ID."""
    simulated.set_ending(ERP, "FAILED", seconds=600)
    run_id = _submit(simulated)
    assert almajob(*ENV, "status", ERP, "--exit-status").code == 8
    done = almajob(*ENV, "status", ERP, "--watch", "--exit-status", "-f", "json")
    assert (done.code, _shown(done)["instance_id"]) == (3, run_id)
    assert almajob(*ENV, "status", "--job", ERP, "--watch").code == 0


def test_a_run_key_counts_before_a_job_of_that_name(simulated: SimulatedAlma, almajob: Run) -> None:
    """--job names the job in any case."""
    other = json.loads(almajob(*ENV, "run", "--job", SIS, "--run-key", ERP, "-f", "json").out)["instance_id"]
    last = _submit(simulated)
    assert _shown(almajob(*ENV, "status", ERP, "-f", "json"))["instance_id"] == other
    assert _shown(almajob(*ENV, "status", "--job", ERP, "-f", "json"))["instance_id"] == last


def test_a_word_that_names_neither_is_refused(simulated: SimulatedAlma, almajob: Run) -> None:
    """With the jobs that may be meant."""
    for command in ("wait", "status"):
        done = almajob(*ENV, command, "ERP export")
        assert done.code == 5
        assert "There is no run and no job called 'ERP export'." in done.err
        assert "ERP export using profile" in done.err
    assert almajob(*ENV, "wait", "@last").code == 5
    assert almajob(*ENV, "wait", ERP, "--job", ERP).code == 2
    assert almajob(*ENV, "wait", "--next", "9563643080000561").code == 2
    assert almajob(*ENV, "wait", "--next", "@last").code == 2
    assert almajob(*ENV, "wait", "--next").code == 2


def test_the_next_run_is_waited_for_and_followed(
    simulated: SimulatedAlma, almajob: Run, later: Later
) -> None:
    """The one that Alma's schedule starts hours later; those that began before do not count."""
    simulated.set_ending(ERP, "COMPLETED_FAILED", seconds=1200)
    _submit(simulated)
    simulated.clock.advance(3600)
    before = _submit(simulated)
    begun: list[str] = []
    later(6 * 3600, lambda: begun.append(_submit(simulated)))
    done = almajob(*ENV, "wait", ERP, "--next", "-f", "json")
    assert done.code == 3
    assert _shown(done)["instance_id"] == begun[0] != before
    assert done.err.startswith(f"Waiting for the next run of {ERP}.\n{ERP} (run {begun[0]}): ")
    # 6 hours, and as many looks as at a run that is as old.
    assert simulated.log.count(LIST) < 140
    assert simulated.log.count(f"{LIST}/{begun[0]}") + simulated.log.count("GET /conf/jobs/*/instances/*") > 0


def test_a_run_that_began_and_ended_between_two_looks_counts(
    simulated: SimulatedAlma, almajob: Run, later: Later
) -> None:
    """Of two that began meanwhile, the first is the next one."""
    simulated.set_ending(ERP, seconds=4)
    begun: list[str] = []
    for seconds in (3600.0, 3610.0):
        later(seconds, lambda: begun.append(_submit(simulated)))
    done = almajob(*ENV, "wait", ERP_ID, "--next", "--interval", "1h", "-f", "json")
    assert (done.code, _shown(done)["instance_id"]) == (0, begun[0])
    assert len(begun) == 2


def test_a_clock_that_is_wrong_here_changes_nothing(
    simulated: SimulatedAlma, almajob: Run, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What began before is decided by Alma's clock, days off or not."""
    from almajob.system import clock as clocks

    passing, begun = clocks.SYSTEM, list[str]()
    for off in (-3 * 86400.0, 9304.0, 400 * 86400.0):
        monkeypatch.setattr("almajob.system.clock.SYSTEM", passing._replace(now=_ahead_of(simulated, off)))
        before = _submit(simulated)
        later(600, lambda: begun.append(_submit(simulated)))
        done = almajob(*ENV, "wait", ERP, "--next", "-f", "json")
        assert (done.code, _shown(done)["instance_id"]) == (0, begun[-1])
        assert begun[-1] != before
        simulated.clock.advance(3600)


def test_an_outage_is_survived_and_a_run_that_began_in_it_counts(
    simulated: SimulatedAlma, almajob: Run, later: Later
) -> None:
    """Also where Alma is down from the first look on."""
    begun: list[str] = []
    simulated.faults.add("503", LIST, times=6)
    later(10, lambda: begun.append(_submit(simulated)))
    done = almajob(*ENV, "wait", ERP, "--next", "-f", "json")
    assert (done.code, _shown(done)["instance_id"]) == (0, begun[0])
    assert "cannot be seen at the moment" in done.err


def test_a_run_that_alma_lists_late_and_that_began_before_is_not_the_next(
    simulated: SimulatedAlma, almajob: Run, later: Later
) -> None:
    """It may be hidden for a minute."""
    before = _submit(simulated)
    simulated.clock.advance(30)
    simulated.faults.add("listing-lag", times=None)
    begun: list[str] = []
    later(1800, lambda: begun.append(_submit(simulated)))
    done = almajob(*ENV, "wait", ERP, "--next", "-f", "json")
    assert (done.code, _shown(done)["instance_id"]) == (0, begun[0])
    assert before != begun[0]


def test_a_time_limit_ends_the_wait_for_a_beginning(simulated: SimulatedAlma, almajob: Run) -> None:
    """Exit code 8, with the line that goes on; no other run is shown for it."""
    _submit(simulated)
    simulated.clock.advance(3600)
    done = almajob(*ENV, "wait", ERP, "--next", "--timeout", "2h", "--accept", "SKIPPED", "-q")
    assert (done.code, done.out) == (8, "")
    assert done.err == (
        f"almajob: The next run of {ERP} had not begun after 2 h 00 min.\n"
        f"  Resume: almajob --env sandbox wait {ERP_ID} --next --accept SKIPPED\n"
    )


@pytest.mark.usefixtures("noon")
def test_what_never_can_be_looked_for_ends_at_once(simulated: SimulatedAlma, almajob: Run) -> None:
    """A used-up day before the first look, and an Alma that is down for an hour."""
    assert almajob(*ENV, "list").code == 0
    simulated.faults.add("503", LIST, times=None)
    down = almajob(*ENV, "wait", ERP, "--next")
    assert (down.code, down.out) == (6, "")
    assert f"The next run of {ERP} could not be looked for in 1 h 00 min." in down.err
    assert f"wait {ERP_ID} --next" in down.err
    simulated.faults.clear()
    simulated.institution.gateway.remaining = 0
    simulated.clock.advance(600)
    assert almajob(*ENV, "wait", ERP, "--next").code == 10


def test_the_next_runs_of_several_jobs(simulated: SimulatedAlma, almajob: Run, later: Later) -> None:
    """On one schedule; the first to begin does not end the wait for the others."""
    begun: dict[str, str] = {}
    later(300, lambda: begun.setdefault(SIS, _submit(simulated, SIS)))
    later(3600, lambda: begun.setdefault(ERP, _submit(simulated)))
    simulated.set_ending(SIS, "FAILED", seconds=60)
    done = almajob(*ENV, "wait", "--next", ERP, SIS, ERP, "-f", "json")
    assert done.code == 3
    assert [row["instance_id"] for row in _shown(done)] == [begun[ERP], begun[SIS]]


def test_what_began_and_what_did_not_are_told_apart(
    simulated: SimulatedAlma, almajob: Run, later: Later
) -> None:
    """Two lines to go on with: one run is there, and one is not."""
    simulated.set_ending(SIS, seconds=7200)
    begun: list[str] = []
    later(300, lambda: begun.append(_submit(simulated, SIS)))
    done = almajob(*ENV, "wait", "--next", ERP, SIS, "--timeout", "1h", "-q", "-f", "json")
    assert done.code == 8
    assert [row["instance_id"] for row in _shown(done)] == [None, begun[0]]
    assert f"The next run of {ERP} had not begun after 1 h 00 min." in done.err
    assert f"{SIS} (run {begun[0]}) had not ended after 1 h 00 min." in done.err
    assert f"Resume: almajob --env sandbox wait {begun[0]}\n" in done.err
    assert f"Resume: almajob --env sandbox wait {ERP_ID} --next\n" in done.err


@pytest.mark.usefixtures("noon")
def test_few_calls_left_make_looks_rarer(simulated: SimulatedAlma, almajob: Run, later: Later) -> None:
    """A quarter as often, as in any wait."""
    looks = []
    for remaining in (90_000, 900):
        simulated.institution.gateway.remaining = remaining
        assert almajob(*ENV, "list", "--refresh").code == 0
        later(1800, lambda: _submit(simulated))
        before = simulated.log.count(LIST)
        assert almajob(*ENV, "wait", ERP, "--next").code == 0
        looks.append(simulated.log.count(LIST) - before)
        simulated.clock.advance(3600)
    assert looks[1] < looks[0] / 2


def test_an_interrupted_wait_says_how_to_go_on(simulated: SimulatedAlma, almajob: Run, later: Later) -> None:
    """Nothing is said to go on in Alma that has not begun."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    later(600, interrupt)
    done = almajob(*ENV, "-q", "wait", ERP, "--next", "--interval", "60")
    assert (done.code, done.out) == (130, "")
    assert done.err == (
        f"The next run of {ERP} had not begun. "
        f"Resume: almajob --env sandbox wait {ERP_ID} --next --interval 60s\n"
    )
