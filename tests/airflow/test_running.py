"""Tasks in a running Airflow: what they give, what a retry and a clear do, and when they fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.world.run import Ending
from tests.airflow.site import Site, TakeJobs


def _accepted(simulator: Simulator, job: str) -> list[str]:
    return [run.id for run in simulator.institution.sandbox.runs(job)]


def test_a_task_gives_its_run_and_a_link(running: Site, simulator: Simulator, take_jobs: TakeJobs) -> None:
    """Counters and verdict as XCom, the page of Monitor Jobs as an extra link, almajob's log in its own."""
    (job,) = take_jobs("SCHEDULED", 1)
    run_id = running.trigger("deferred_default", job=job)
    (task,) = running.wait_for("deferred_default", run_id)
    assert task["state"] == "success", running.task_log("deferred_default", run_id)
    found = running.xcom("deferred_default", run_id, "start")
    process_id = _accepted(simulator, job)[-1]
    assert (found["process_id"], found["job_id"], found["passed"]) == (process_id, job, True)
    assert found["status"] == "COMPLETED_SUCCESS"
    assert all(isinstance(value, int | float | str) for value in found["counters"].values())
    links = running.get(f"dags/deferred_default/dagRuns/{run_id}/taskInstances/start/links")
    assert links["extra_links"] == {"Monitor Jobs": f"https://alma.example.edu/jobs?id={process_id}"}
    assert f"run {process_id}" in running.task_log("deferred_default", run_id)


def test_nothing_is_left_of_a_task_that_ended_well(
    running: Site, simulator: Simulator, take_jobs: TakeJobs
) -> None:
    """Where the task's own ledger is in a Variable, that is removed when Airflow knows of the end."""
    before = running.get("variables", limit=100)["total_entries"]
    run_id = running.trigger("waiting_own", job=take_jobs("SCHEDULED", 1)[0])
    (task,) = running.wait_for("waiting_own", run_id)
    assert task["state"] == "success", running.task_log("waiting_own", run_id)
    for _ in running.ticks(60.0):
        if running.get("variables", limit=100)["total_entries"] == before:
            break
    else:
        pytest.fail(running.task_log("waiting_own", run_id))


def test_a_job_that_ends_badly_fails_the_task_at_once(
    running: Site, simulator: Simulator, take_jobs: TakeJobs
) -> None:
    """Another try would find the same run; the XCom says what it was."""
    for dag_id, job in zip(("waiting_own", "deferred_default"), take_jobs("SCHEDULED", 2), strict=True):
        simulator.institution.sandbox.rules.endings[job] = Ending("COMPLETED_FAILED", 1.0)
        run_id = running.trigger(dag_id, job=job)
        (task,) = running.wait_for(dag_id, run_id)
        assert (task["state"], task["try_number"]) == ("failed", 1), running.task_log(dag_id, run_id)
        kept = running.xcom(dag_id, run_id, "start", "alma_run")
        assert (kept["status"], kept["passed"]) == ("COMPLETED_FAILED", False)
        assert "COMPLETED_FAILED" in kept["reason"]
        simulator.institution.sandbox.rules.endings[job] = Ending("COMPLETED_SUCCESS", 4.0)


def test_a_time_limit_ends_the_wait_alone(running: Site, simulator: Simulator, take_jobs: TakeJobs) -> None:
    """The job goes on, and the next try waits for the same run, in a worker as in the triggerer."""
    run_ids = {}
    for dag_id, job in zip(("waiting_hurried", "deferred_hurried"), take_jobs("SCHEDULED", 2), strict=True):
        simulator.institution.sandbox.rules.endings[job] = Ending("COMPLETED_SUCCESS", 60.0)
        run_ids[dag_id, job] = len(_accepted(simulator, job)), running.trigger(dag_id, job=job)
    for (dag_id, job), (before, run_id) in run_ids.items():
        (task,) = running.wait_for(dag_id, run_id, seconds=500.0)
        assert task["state"] == "success", running.task_log(dag_id, run_id)
        assert task["try_number"] > 1
        assert len(_accepted(simulator, job)) == before + 1
        assert "goes on in Alma" in running.task_log(dag_id, run_id)


def test_a_clear_starts_the_job_anew(running: Site, simulator: Simulator, take_jobs: TakeJobs) -> None:
    """With each place of the ledger; what a retry does, test_deaths shows."""
    for dag_id, job in zip(("waiting_default", "waiting_own"), take_jobs("SCHEDULED", 2), strict=True):
        before = len(_accepted(simulator, job))
        run_id = running.trigger(dag_id, job=job)
        (first,) = running.wait_for(dag_id, run_id)
        assert first["state"] == "success"
        # A task that is cleared before its run counts as ended is sometimes forgotten by the scheduler.
        running.wait_for_run(dag_id, run_id)
        running.post(
            f"dags/{dag_id}/clearTaskInstances",
            {"dry_run": False, "dag_run_id": run_id, "only_failed": False, "task_ids": ["start"]},
        )
        for _ in running.ticks(240.0):
            task = running.task(dag_id, run_id)
            if task["state"] == "success" and task["try_number"] > 1:
                break
        assert len(_accepted(simulator, job)) == before + 2, running.task_log(dag_id, run_id)


def test_another_try_reruns_a_job_that_ended_badly(
    running: Site, simulator: Simulator, take_jobs: TakeJobs
) -> None:
    """With ``rerun_failed``: the first try fails with its run, the second starts the job again."""
    for dag_id, job in zip(("rerun_default", "rerun_own"), take_jobs("SCHEDULED", 2), strict=True):
        endings = simulator.institution.sandbox.rules.endings
        endings[job] = Ending("COMPLETED_FAILED", 1.0)
        before = _accepted(simulator, job)
        run_id = running.trigger(dag_id, job=job)
        running.wait_for(dag_id, run_id, ["up_for_retry"])
        endings[job] = Ending("COMPLETED_SUCCESS", 1.0)
        for _ in running.ticks(240.0):
            task = running.task(dag_id, run_id)
            if task["state"] in {"success", "failed"}:
                break
        assert (task["state"], task["try_number"]) == ("success", 2), running.task_log(dag_id, run_id)
        _bad, good = _accepted(simulator, job)[len(before) :]
        assert running.xcom(dag_id, run_id, "start")["process_id"] == good


def test_a_sensor_waits_while_alma_cannot_be_reached(
    running: Site, simulator: Simulator, take_jobs: TakeJobs
) -> None:
    """In a worker, too: it takes no retry, and the run that came meanwhile is found."""
    (job,) = take_jobs("SCHEDULED", 1)
    simulator.institution.faults.add("503", f"GET /conf/jobs/{job}/instances*", times=None)
    try:
        run_id = running.trigger("sensing", job=job)
        for _ in running.ticks(240.0):
            if "Alma cannot be asked" in running.task_log("sensing", run_id):
                break
    finally:
        simulator.institution.faults.clear()
    sandbox = simulator.institution.sandbox
    process_id = sandbox.submit(next(each for each in sandbox.jobs if each.id == job), ()).id
    (task,) = running.wait_for("sensing", run_id)
    assert (task["state"], task["try_number"]) == ("success", 1), running.task_log("sensing", run_id)
    assert running.xcom("sensing", run_id, "start")["process_id"] == process_id


@pytest.mark.parametrize("dag_id", ["ids_default", "ids_own"])
@pytest.mark.parametrize("dies_at", ["", "post after"])
def test_ids_are_one_set_and_one_run(
    dag_id: str, dies_at: str, running: Site, simulator: Simulator, take_jobs: TakeJobs, tmp_path: Path
) -> None:
    """Of ``ids`` a set is made, worked on and deleted; also if the task dies as soon as the set is there."""
    (job,) = take_jobs("MANUAL", 1)
    sandbox = simulator.institution.sandbox
    sets, started = {each.id for each in sandbox.sets}, len(_accepted(simulator, job))
    first = len(simulator.institution.log.requests())
    run_id = running.trigger(dag_id, job=job, dies_at=dies_at, note=str(tmp_path / "died"))
    (task,) = running.wait_for(dag_id, run_id)
    assert (task["state"], task["try_number"]) == ("success", 2 if dies_at else 1), running.task_log(
        dag_id, run_id
    )
    calls = simulator.institution.log.requests()[first:]
    changes = [(call.method, call.path.split("/")[2]) for call in calls if call.method != "GET"]
    assert changes == [("POST", "sets"), ("POST", "sets"), ("POST", "jobs"), ("DELETE", "sets")]
    assert len(_accepted(simulator, job)) == started + 1
    assert {each.id for each in sandbox.sets} == sets


def test_no_two_tasks_claim_one_run(running: Site, simulator: Simulator, take_jobs: TakeJobs) -> None:
    """Two tasks on two hosts start one scheduled job; of the first start, neither request nor answer arrives.

    Alma does not say which run is whose. With a common ledger the second waits until the first is settled.
    With ledgers of their own the first asks a person.
    """
    for dag_id, job in zip(("deferred_default", "deferred_own"), take_jobs("SCHEDULED", 2), strict=True):
        before = set(_accepted(simulator, job))
        simulator.institution.faults.add("reset-before", f"POST /conf/jobs/{job}")
        first = running.trigger(dag_id, job=job)
        for _ in running.ticks(240.0):
            if not simulator.institution.faults.list_unused():
                break
        second = running.trigger(dag_id, job=job)
        answered = 0
        for _ in running.ticks(400.0):
            tasks = [running.task(dag_id, run_id) for run_id in (first, second)]
            if all(task["state"] in {"success", "failed"} for task in tasks):
                break
            answered += running.answer(dag_id, first, "It was not started")
        assert [task["state"] for task in tasks] == ["success"] * 2, running.task_log(dag_id, first)
        claimed = {running.xcom(dag_id, run_id, "start")["process_id"] for run_id in (first, second)}
        assert claimed == set(_accepted(simulator, job)) - before
        assert len(claimed) == 2
        assert bool(answered) == (dag_id == "deferred_own")
