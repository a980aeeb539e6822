"""The task's process, the triggerer, the scheduler, all workers are killed: one start, and no task fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.world.run import Ending
from tests.airflow.figures import write_figures
from tests.airflow.site import HAS_STATE_STORE, Site, TakeJobs

_WAITS = {"deferred", "awaiting_input"}
_STARTED_TWICE = 9
_WRITES = {"MANUAL": 8, "SCHEDULED": 5}
"""So many are numbered: those of a start, and of manual jobs, of which there are more, some until its end."""
_ALWAYS = 5
"""The writes that each start has; how many there are later depends on what a wait sees."""
_OF_RESUMABLE = 1


def _list_moments(dag_id: str, kind: str) -> list[str]:
    writes = _OF_RESUMABLE if dag_id == "resumable" else _WRITES[kind]
    numbered = [f"write {number} {when}" for number in range(1, writes + 1) for when in ("before", "after")]
    return [*numbered, "post before", "post after"]


@dataclass
class Case:
    """A start whose first try dies.

    Attributes:
        dag_id: how it is made.
        job: the id of its job, which no other case has at the same time.
        moment: when it dies.
        run_id: of its DAG run.
    """

    dag_id: str
    job: str
    moment: str
    set_id: str
    run_id: str = ""
    posts: int = 0
    state: str = ""
    tries: int = 0
    asked: bool = False
    died: bool = False


def _accepted(simulator: Simulator, job: str) -> int:
    """Count the starts of a job that Alma has accepted."""
    return len(simulator.institution.sandbox.runs(job))


def _try_all(cases: Sequence[Case], site: Site, simulator: Simulator, notes: Path) -> None:
    """Let each of the cases come to its end; a person who is asked says which run it is."""
    for case in cases:
        note = notes / f"{case.dag_id} {case.job} {case.moment}"
        case.posts = -_accepted(simulator, case.job)
        case.run_id = site.trigger(
            case.dag_id, job=case.job, set_id=case.set_id, dies_at=case.moment, note=str(note)
        )
    for case in cases:
        case.asked = _answer_until_ended(case, site)
        task = site.task(case.dag_id, case.run_id)
        case.state, case.tries = task["state"], task["try_number"]
        case.posts += _accepted(simulator, case.job)
        case.died = (notes / f"{case.dag_id} {case.job} {case.moment}").exists()


def _answer_until_ended(case: Case, site: Site) -> bool:
    was_asked = False
    for _ in site.ticks(300.0):
        task = site.task(case.dag_id, case.run_id)
        if task["state"] in {"success", "failed"}:
            return was_asked
        if task["state"] in _WAITS:
            was_asked |= site.answer(case.dag_id, case.run_id)
    raise TimeoutError(site.task_log(case.dag_id, case.run_id) + site.logs())


@pytest.mark.parametrize("kind", ["MANUAL", "SCHEDULED"])
@pytest.mark.parametrize("dag_id", ["waiting_default", "waiting_own", "resumable"])
def test_a_task_that_dies_starts_its_job_once(
    dag_id: str,
    kind: str,
    running: Site,
    simulator: Simulator,
    tmp_path: Path,
    take_jobs: TakeJobs,
) -> None:
    """At every durable write and around the POST; of Airflow's own mixin it is only written down."""
    if dag_id == "resumable" and not HAS_STATE_STORE:
        pytest.skip("Airflow has had it since 3.3")
    moments = _list_moments(dag_id, kind)
    set_id = _find_set(simulator) if kind == "MANUAL" else ""
    jobs = take_jobs(kind, len(moments))
    cases = [Case(dag_id, job, moment, set_id) for job, moment in zip(jobs, moments, strict=True)]
    _try_all(cases, running, simulator, tmp_path)
    write_figures(f"{dag_id} {kind}", [vars(case) for case in cases])
    if dag_id == "resumable":
        return
    twice = [case for case in cases if case.posts > 1]
    if twice:
        # Whatever is tried once more, this is not.
        pytest.exit(f"started twice: {twice}", _STARTED_TWICE)
    later = [f"write {number}" for number in range(_ALWAYS + 1, _WRITES[kind] + 1)]
    assert all(case.died for case in cases if not case.moment.startswith(tuple(later)))
    wrong = [case for case in cases if (case.posts, case.state, case.tries) != (1, "success", 1 + case.died)]
    assert wrong == [], running.task_log(wrong[0].dag_id, wrong[0].run_id)
    # A task with a ledger of its own never takes the only run that fits for its own.
    asked = {case.moment for case in cases if case.asked}
    assert bool(asked) == (dag_id == "waiting_own" and kind == "SCHEDULED")


def test_a_triggerer_that_dies_is_followed_by_another(
    running: Site, simulator: Simulator, take_jobs: TakeJobs
) -> None:
    """The deferred task ends well in the next one, with its first try and one start."""
    jobs = dict(zip(("deferred_default", "deferred_own"), take_jobs("SCHEDULED", 2), strict=True))
    before = {job: _accepted(simulator, job) for job in jobs.values()}
    run_ids = {}
    for dag_id, job in jobs.items():
        simulator.institution.sandbox.rules.endings[job] = Ending("COMPLETED_SUCCESS", 60.0)
        run_ids[dag_id] = running.trigger(dag_id, job=job)
    for dag_id, run_id in run_ids.items():
        running.wait_for(dag_id, run_id, ["deferred"])
    assert running.kill("triggerer")
    running.start("triggerer")
    for dag_id, run_id in run_ids.items():
        (task,) = running.wait_for(dag_id, run_id)
        assert (task["state"], task["try_number"]) == ("success", 1), running.task_log(dag_id, run_id)
    assert {job: _accepted(simulator, job) - before[job] for job in before} == dict.fromkeys(before, 1)


def test_a_host_that_dies_is_followed_by_another(
    running: Site, simulator: Simulator, take_jobs: TakeJobs
) -> None:
    """Scheduler, all workers, task and triggerer at once: what was started is found and waited for."""
    dag_ids = ("waiting_default", "waiting_own", "deferred_default", "deferred_own")
    jobs = dict(zip(dag_ids, take_jobs("SCHEDULED", 4), strict=True))
    before = {job: _accepted(simulator, job) for job in jobs.values()}
    run_ids = {}
    for dag_id, job in jobs.items():
        simulator.institution.sandbox.rules.endings[job] = Ending("COMPLETED_SUCCESS", 40.0)
        run_ids[dag_id] = running.trigger(dag_id, job=job)
    for _ in running.ticks(240.0):
        if all(_accepted(simulator, job) > before[job] for job in before):
            break
    killed = running.kill("scheduler", "triggerer")
    running.start("scheduler", "triggerer")
    seen = {}
    for dag_id, run_id in run_ids.items():
        (task,) = running.wait_for(dag_id, run_id, seconds=500.0)
        assert task["state"] == "success", running.task_log(dag_id, run_id)
        seen[dag_id] = {"tries": task["try_number"], "seconds": task["duration"]}
    assert {job: _accepted(simulator, job) - before[job] for job in before} == dict.fromkeys(before, 1)
    write_figures("host", [{"killed": killed, **seen}])


def _find_set(simulator: Simulator) -> str:
    found = simulator.institution.sandbox.sets
    return next(each.id for each in found if each.content == "BIB_MMS" and each.members)
