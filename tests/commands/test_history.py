"""``almajob history`` over many jobs."""

from __future__ import annotations

import json

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run

ENV = ("--env", "sandbox")
ERP = "ERP export using profile FINANCE"
SIS = "Users SYNCHRONIZE using profile SIS"


def _rows(almajob: Run, *words: str) -> list[dict[str, object]]:
    done = almajob(*ENV, "history", *words, "-f", "json")
    assert done.code == 0, done.err
    rows: list[dict[str, object]] = json.loads(done.out)
    return rows


def test_without_a_job_the_runs_of_all_are_listed(simulated: SimulatedAlma, almajob: Run) -> None:
    """With one call for each job beyond the job list, and the same runs as those of each job alone."""
    jobs = json.loads(almajob(*ENV, "list", "-f", "json").out)
    for name in (ERP, SIS):
        assert almajob(*ENV, "run", name).code == 0
        simulated.clock.advance(3600)
    before = simulated.log.count("GET *")
    rows = _rows(almajob, "--limit", "0")
    assert simulated.log.count("GET *") - before == len(jobs)
    assert {row["job_name"] for row in rows} >= {ERP, SIS}
    alone = [row["instance_id"] for job in jobs for row in _rows(almajob, job["id"], "--limit", "0")]
    assert sorted(str(row["instance_id"]) for row in rows) == sorted(map(str, alone))


def test_jobs_and_runs_are_chosen(simulated: SimulatedAlma, almajob: Run) -> None:
    """By the jobs' name, and by whether a run has ended and how."""
    assert almajob(*ENV, "run", ERP).code == 0
    simulated.clock.advance(3600)
    ended = _rows(almajob, "--name", "finance", "--passed", "yes")
    assert [(row["job_name"], row["passed"]) for row in ended] == [(ERP, True)]
    assert _rows(almajob, "--name", "finance", "--passed", "no") == []
    assert almajob(*ENV, "run", SIS).code == 0
    assert [row["job_name"] for row in _rows(almajob, "--running")] == [SIS]
    assert "No job matches." in almajob(*ENV, "history", "--name", "there is no such job").err


@pytest.mark.parametrize("words", [("--name", "x"), ("--category", "x"), ("--type", "manual")])
def test_named_jobs_are_not_filtered(simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...]) -> None:
    """A filter would silently be without effect, so both at once are refused before anything is asked."""
    done = almajob(*ENV, "history", ERP, *words)
    assert (done.code, done.out) == (2, "")
    assert f"{words[0]} and JOB both choose jobs." in done.err
    assert simulated.log.count("GET *") == 0
