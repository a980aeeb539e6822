"""``almajob history`` over many jobs."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from almajob.cli.console.sparkline import Ended, draw_runs
from almajob.simulator.world.run import SYSTEM
from almajob.testing import SimulatedAlma
from almajob.text import time_parsing
from tests.conftest import Run
from tests.support.screens import run_on_terminal

ENV = ("--env", "sandbox")
ERP = "ERP export using profile FINANCE"
SIS = "Users SYNCHRONIZE using profile SIS"
INSTANCES = "GET /conf/jobs/*/instances"


def _rows(almajob: Run, *words: str) -> list[dict[str, Any]]:
    done = almajob(*ENV, "history", *words, "-f", "json")
    assert done.code == 0, done.err
    rows: list[dict[str, Any]] = json.loads(done.out)
    return rows


def test_without_a_job_the_runs_of_all_are_listed(simulated: SimulatedAlma, almajob: Run) -> None:
    """With one call for each job beyond the job list."""
    jobs = json.loads(almajob(*ENV, "list", "-f", "json").out)
    for name in (ERP, SIS):
        assert almajob(*ENV, "run", name).code == 0
        simulated.clock.advance(3600)
    before = simulated.log.count("GET *")
    rows = _rows(almajob, "--limit", "0")
    assert simulated.log.count("GET *") - before == len(jobs)
    assert {row["job_name"] for row in rows} >= {ERP, SIS}
    right = [run.id for run in simulated.institution.sandbox.runs()]
    assert sorted(row["instance_id"] for row in rows) == sorted(right)


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


def _end_elsewhere(simulated: SimulatedAlma, *lengths: float, status: str | None = None) -> list[str]:
    """Let somebody else run the job, so many times, and return the Process IDs."""
    world = simulated.institution.sandbox
    job = next(job for job in world.jobs if job.name == ERP)
    ids = []
    for seconds in lengths:
        simulated.set_ending(ERP, status, seconds=seconds)
        ids.append(world.submit(job, [], SYSTEM).id)
        simulated.clock.advance(seconds + 3600)
    return ids


def test_a_second_history_asks_once_and_shows_the_same(simulated: SimulatedAlma, almajob: Run) -> None:
    """Also in another format; --refresh reads all anew, and cache clear forgets what is kept."""
    _end_elsewhere(simulated, *[60.0] * 130)
    first = _rows(almajob, ERP, "--limit", "0")
    assert (len(first), simulated.log.count(INSTANCES)) == (130, 2)
    assert _rows(almajob, ERP, "--limit", "0") == first
    assert simulated.log.count(INSTANCES) == 3
    assert _rows(almajob, ERP, "--limit", "0", "--refresh") == first
    assert simulated.log.count(INSTANCES) == 5
    kept = json.loads(almajob("cache", "show", "-f", "json").out)
    assert [row["entries"] for row in kept if row["name"] == "runs.sandbox"] == [1]
    assert almajob(*ENV, "cache", "clear").code == 0
    assert _rows(almajob, ERP, "--limit", "0") == first
    assert simulated.log.count(INSTANCES) == 7


def test_how_long_is_usual_is_shown(simulated: SimulatedAlma, almajob: Run) -> None:
    """The median of the runs that ended well, listed or not; null where there are none."""
    ended = _end_elsewhere(simulated, 100, 200, 1000)
    _end_elsewhere(simulated, 10, status="FAILED")
    took = {row["instance_id"]: row["seconds"] for row in _rows(almajob, ERP)}
    rows = _rows(almajob, ERP, "--passed", "no")
    assert [row["usual_seconds"] for row in rows] == [took[ended[1]]]
    assert almajob(*ENV, "run", SIS).code == 0
    assert [row["usual_seconds"] for row in _rows(almajob, SIS)] == [None]
    seen = run_on_terminal(*ENV, "history", ERP, columns=160)
    assert " usual_duration " in seen.out.lines[1]
    assert " end_time " in seen.out.lines[1]


def test_the_runs_of_one_job_are_drawn_on_a_terminal(simulated: SimulatedAlma, almajob: Run) -> None:
    """How long each took and how it ended, below the table; in plain characters where there are no others."""
    _end_elsewhere(simulated, 80, 640)
    _end_elsewhere(simulated, 320, status="FAILED")
    words = (*ENV, "history", ERP)
    seen = run_on_terminal(*words, columns=80)
    assert seen.list_too_wide() == []
    assert seen.out.lines[-2:] == [
        "duration  ▂█▅  1 min 08 s to 9 min 04 s",
        "ended     ..x  x: not well, newest last",
    ]
    for other in ((*words, SIS), (*words, "-c", "status"), (*words, "-f", "json")):
        assert "ended  " not in run_on_terminal(*other, columns=80).out.text
    assert "ended  " not in almajob(*words).out


def test_a_drawing_needs_no_unicode() -> None:
    """Where the encoding has no bars there are other marks, and where there is little room, the newest."""
    runs = [Ended(float(number), number % 2 == 0) for number in range(100)]
    assert draw_runs(runs[:2], 80, "utf-8") == []
    took, ended = draw_runs(runs, 50, "ascii")
    assert took == "duration  ##@@@@@@@@  1 min 30 s to 1 min 39 s"
    assert ended == "ended     .x.x.x.x.x  x: not well, newest last"
    assert draw_runs(runs[:8], 50, "ascii")[0] == "duration  _.-=+*#@  0 s to 7 s"
    assert max(map(len, (took, ended))) <= 50
    assert draw_runs([Ended(0.0, True), Ended(None, False), *[Ended(0.0, True)] * 2], 80, "utf-8")[0] == (
        "duration  ▁ ▁▁  0 s to 0 s"
    )


def test_some_jobs_that_cannot_be_read_are_named(simulated: SimulatedAlma, almajob: Run) -> None:
    """The runs of the others are listed, and the exit code says that these are not all."""
    run = _end_elsewhere(simulated, 60)[0]
    world = simulated.institution.sandbox
    sis = next(job.id for job in world.jobs if job.name == SIS)
    assert almajob(*ENV, "list").code == 0
    simulated.faults.add("reset-before", f"GET /conf/jobs/{sis}/instances", times=4)
    done = almajob(*ENV, "history", ERP, SIS, "-f", "json")
    assert done.code == 3
    assert [row["instance_id"] for row in json.loads(done.out)] == [run]
    assert f"The runs of 1 job were not read: {SIS} ({sis})." in done.err
    simulated.faults.add("reset-before", f"GET /conf/jobs/{sis}/instances", times=4)
    assert almajob(*ENV, "history", SIS).code == 6


def test_the_last_calls_of_the_day_are_not_used(simulated: SimulatedAlma, almajob: Run) -> None:
    """The jobs that ran last are read; the rest is named, and the last hundred calls are left."""
    run = _end_elsewhere(simulated, 60)[0]
    erp = next(job.id for job in simulated.institution.sandbox.jobs if job.name == ERP)
    assert almajob(*ENV, "history", ERP).code == 0
    simulated.institution.gateway.remaining = 130
    done = almajob(*ENV, "history", "-f", "json", "--refresh")
    assert simulated.institution.gateway.remaining == 100
    assert almajob(*ENV, "history", ERP).code == 0
    assert (done.code, json.loads(done.out)) == (3, [])
    again = almajob(*ENV, "history", "-f", "json")
    assert again.code == 10
    assert "were not read: " in done.err
    assert "Alma has 100 API calls left for today." in done.err
    simulated.institution.gateway.remaining = 103
    # Somebody else's calls are counted with the next answer.
    assert almajob(*ENV, "history", ERP).code == 0
    newest = almajob(*ENV, "history", "-f", "json")
    assert (newest.code, [row["instance_id"] for row in json.loads(newest.out)]) == (3, [run])
    assert f"({erp})" not in newest.err


def test_two_histories_at_once_show_the_same(simulated: SimulatedAlma, almajob_process: Run) -> None:
    """Both processes keep what they read, and so does a third one that finds it."""
    _end_elsewhere(simulated, *[60.0] * 30)
    words = (*ENV, "history", ERP, SIS, "--limit", "0", "-f", "value", "-c", "instance_id")
    with ThreadPoolExecutor() as pool:
        shown = [done.result() for done in [pool.submit(almajob_process, *words) for _turn in range(3)]]
    shown.append(almajob_process(*words))
    right = "".join(f"{run.id}\n" for run in reversed(simulated.institution.sandbox.runs()))
    assert [(done.code, done.out, done.err) for done in shown] == [(0, right, "")] * 4


def test_a_damaged_cache_of_runs_is_a_warning(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And all is read from Alma, and kept again."""
    monkeypatch.setenv("ALMAJOB_CACHE_DIR", str(tmp_path / "cache"))
    _end_elsewhere(simulated, *[60.0] * 3)
    shown = almajob(*ENV, "history", ERP, "-f", "json").out
    (database,) = tmp_path.glob("cache/.cache.runs.sandbox/cache.db")
    database.write_bytes(b"no database" * 1000)
    done = almajob(*ENV, "history", ERP, "-f", "json")
    assert (done.code, done.out) == (0, shown)
    assert "it was moved to .cache.runs.sandbox.damaged-" in done.err
    again = almajob(*ENV, "history", ERP, "-f", "json")
    assert (again.out, "moved" in again.err) == (shown, False)


@pytest.mark.parametrize("word", ["monday", "Tuesday", "SUNDAY"])
def test_a_history_begins_on_a_weekday(simulated: SimulatedAlma, almajob: Run, word: str) -> None:
    """The last one, which may be today."""
    ids = _end_elsewhere(simulated, *[60.0] * 14 * 24)
    begin = time_parsing.parse_moment(word, simulated.clock())
    assert begin.strftime("%A").lower() == word.lower()
    assert 0 <= simulated.clock() - begin.timestamp() < 7 * 86400 + 3600
    shown = [row["instance_id"] for row in _rows(almajob, ERP, "--since", word, "--limit", "0")]
    runs = [simulated.institution.sandbox.run(run_id) for run_id in ids]
    assert shown == [run.id for run in reversed(runs) if run and run.submitted >= begin.timestamp()]
