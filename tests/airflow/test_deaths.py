"""The task's process, the triggerer, the scheduler and all workers are killed: one start, and no task fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from almajob.simulator.http.server import Simulator
from tests.airflow.figures import write_figures
from tests.airflow.site import PROGRAMS, Site
from tests.support.environments import ROOT

_DAGS = ROOT / "tests" / "airflow" / "dags" / "deaths.py"
_OURS = [f"{way}_{store}" for way in ("waiting", "deferred") for store in ("default", "own")]
_HAS_MIXIN = "3.2" not in Path(PROGRAMS).name
_WAITS = {"deferred", "awaiting_input"}
_WRITES = 5
MOMENTS = (
    *(f"write {number} {when}" for number in range(1, _WRITES + 1) for when in ("before", "after")),
    *("post before", "post after"),
)
_BATCH = 12


@pytest.fixture(scope="module")
def running(site: Site) -> Iterator[Site]:
    """The Airflow with all of its parts."""
    site.add_dags(_DAGS)
    site.start("api-server", "scheduler", "triggerer", "dag-processor")
    site.wait_until_ready(*_OURS, *(["resumable"] if _HAS_MIXIN else []))
    yield site
    site.stop()


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


def _jobs(simulator: Simulator, kind: str) -> list[str]:
    """List the ids of jobs of one kind that the API starts; of manual ones those that work on titles."""
    content = "BIB_MMS" if kind == "MANUAL" else ""
    return [
        job.id
        for job in simulator.institution.sandbox.jobs
        if (job.type, job.content[0]) == (kind, content) and job.may_be_submitted and not job.is_chain
    ]


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
    path = f"dags/{case.dag_id}/dagRuns/{case.run_id}/taskInstances/start/-1/hitlDetails"
    for _ in site.ticks(300.0):
        task = site.task(case.dag_id, case.run_id)
        if task["state"] in {"success", "failed"}:
            return was_asked
        if task["state"] not in _WAITS:
            continue
        asked = site.find(path)
        if asked and not asked["response_received"]:
            was_asked = True
            site.patch(path, {"chosen_options": [asked["options"][0]], "params_input": {}})
    raise TimeoutError(site.task_log(case.dag_id, case.run_id) + site.logs())


@pytest.mark.parametrize("kind", ["MANUAL", "SCHEDULED"])
@pytest.mark.parametrize("dag_id", ["waiting_default", "waiting_own", "resumable"])
def test_a_task_that_dies_starts_its_job_once(
    dag_id: str, kind: str, running: Site, simulator: Simulator, tmp_path: Path
) -> None:
    """At every durable write and around the POST; of Airflow's own mixin it is only written down."""
    if dag_id == "resumable" and not _HAS_MIXIN:
        pytest.skip("Airflow has had it since 3.3")
    moments = [each for each in MOMENTS if dag_id != "resumable" or each.split()[1] not in "2345"]
    set_id = _find_set(simulator) if kind == "MANUAL" else ""
    jobs = _jobs(simulator, kind)
    cases: list[Case] = []
    size = min(len(jobs), _BATCH)
    for begin in range(0, len(moments), size):
        batch = [
            Case(dag_id, job, moment, set_id)
            for job, moment in zip(jobs, moments[begin : begin + size], strict=False)
        ]
        _try_all(batch, running, simulator, tmp_path)
        cases += batch
    write_figures(f"{dag_id} {kind}", [vars(case) for case in cases])
    if dag_id == "resumable":
        return
    assert any(case.died for case in cases)
    wrong = [case for case in cases if (case.posts, case.state, case.tries) != (1, "success", 1 + case.died)]
    assert wrong == [], running.task_log(wrong[0].dag_id, wrong[0].run_id)
    # A task with a ledger of its own never takes the only run that fits for its own.
    asked = {case.moment for case in cases if case.asked}
    assert bool(asked) == (dag_id == "waiting_own" and kind == "SCHEDULED")


def _find_set(simulator: Simulator) -> str:
    found = simulator.institution.sandbox.sets
    return next(each.id for each in found if each.content == "BIB_MMS" and each.members)
