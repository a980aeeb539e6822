"""A job, a run: named alike by every command, and as the older script named them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from almajob.store.ledger.record import Candidate, State
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.store.ledger.test_record import new
from tests.support.ledgers import open_ledger, write_steps

ENV = ("--env", "sandbox")
ERP = "ERP export using profile FINANCE"


@pytest.fixture
def started(simulated: SimulatedAlma, almajob: Run) -> str:
    """The Process ID of a run with the key ``may``, which has ended."""
    done = almajob(*ENV, "run", ERP, "--run-key", "may", "-f", "json")
    assert done.code == 0
    simulated.clock.advance(3600)
    return str(json.loads(done.out)["instance_id"])


@pytest.mark.parametrize("words", [("show", ERP), ("show", "--job", ERP), ("show", ERP, "--job", ERP)])
def test_a_job_is_named_with_and_without_its_option(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...]
) -> None:
    """Both spellings are one, and both may stand there if they say the same."""
    assert json.loads(almajob(*ENV, *words, "-f", "json").out)["name"] == ERP


@pytest.mark.parametrize("command", ["status", "wait"])
@pytest.mark.parametrize("spelling", [(), ("--id",)])
def test_a_run_is_named_in_each_of_its_ways(
    started: str, almajob: Run, command: str, spelling: tuple[str, ...]
) -> None:
    """By its Process ID, its run key, its id in the ledger, and as the last one."""
    ledger_id = json.loads(almajob("runs", "show", "may", "-f", "json").out)["id"]
    for name in (started, "may", ledger_id, "@last"):
        done = almajob(*ENV, command, *spelling, name, "-f", "json")
        assert [row["instance_id"] for row in json.loads(done.out)] == [started]
        shown = almajob("runs", "show", *spelling, name, "-f", "json")
        assert json.loads(shown.out)["instance_id"] == started


def test_several_runs_are_named_around_options(started: str, simulated: SimulatedAlma, almajob: Run) -> None:
    """In both spellings at once, each once."""
    other = json.loads(almajob(*ENV, "run", "--job", ERP, "-f", "json").out)["instance_id"]
    done = almajob(*ENV, "status", started, "--exit-status", other, "-f", "json", "--id", started)
    assert [row["instance_id"] for row in json.loads(done.out)] == [started, other]


@pytest.mark.parametrize(
    ("command", "question"),
    [
        *[(command, "Which job?") for command in ("show", "params", "run")],
        *[(command, "Which run?") for command in ("status", "wait", "events", "runs show")],
        *[(f"{command} -f shell", "Which run?") for command in ("status", "wait")],
        ("runs resolve --not-started", "Which run?"),
        ("matches --population single", "Which run?"),
        ("download --output x", "Which run?"),
    ],
)
def test_who_names_nothing_is_asked_for_it(
    simulated: SimulatedAlma, almajob: Run, command: str, question: str
) -> None:
    """With the ways to name it, and exit code 2; nothing is asked of Alma."""
    done = almajob(*ENV, *command.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"almajob: {question}\n  Name it by its ")
    assert simulated.log.count("GET *") == 0


@pytest.mark.parametrize("jobs", [("M44", "M46"), ("M46", "M44"), ("M46",)])
def test_the_option_names_no_job_besides(
    simulated: SimulatedAlma, almajob: Run, jobs: tuple[str, ...]
) -> None:
    """The message names the job that is another one, and not the one that stands there twice."""
    done = almajob(*ENV, "history", *jobs, "--job", "M44")
    assert (done.code, done.out) == (2, "")
    assert "--job 'M44' and 'M46' are different jobs." in done.err
    assert simulated.log.count("GET *") == 0


def test_a_candidate_finds_the_start_that_it_may_be(almajob: Run, simulated: SimulatedAlma) -> None:
    """By the id that ``runs show`` lists under candidates; where two list it, both are told."""
    ledger = open_ledger(Path.home() / ".local/state/almajob/ledger")
    for key in ("may", "june"):
        record = replace(new(id=key, run_key=key, environment="production"), sent_at=1.0)
        for state in (State.SENDING, State.UNKNOWN):
            record = record.advance(state, 2.0, "as an example")
        candidates = (Candidate("77", ERP, "", ""), Candidate(f"{len(key)}", ERP, "", ""))
        write_steps(ledger, replace(record.advance(State.AMBIGUOUS, 3.0, "two"), candidates=candidates))
    found = json.loads(almajob("runs", "show", "3", "-f", "json").out)
    assert (found["run_key"], found["candidates"][0]["instance_id"]) == ("may", "77")
    done = almajob("runs", "show", "77")
    assert done.code == 5
    assert "2 runs in the ledger are called '77'" in done.err
    assert ", outcome unknown)" in done.err
    assert "AMBIGUOUS" not in done.err
    assert almajob("runs", "resolve", "3", "--not-started").code == 0


def test_a_process_id_that_the_ledger_lacks_is_no_slip(almajob: Run, simulated: SimulatedAlma) -> None:
    """The message does not ask for what was typed already, but says who knows the run."""
    done = almajob("runs", "show", "9563643080000561")
    assert done.code == 5
    assert "only what was started from here" in done.err
    assert "almajob status 9563643080000561" in done.err
    assert "digits only" not in done.err


def test_the_last_run_of_a_ledger_that_has_none(almajob: Run, simulated: SimulatedAlma) -> None:
    """Everywhere the same answer."""
    for words in (("runs", "show", "@last"), (*ENV, "wait", "@last")):
        done = almajob(*words)
        assert done.code == 5
        assert "from here yet" in done.err


def test_the_history_of_several_jobs_is_one_list(
    started: str, simulated: SimulatedAlma, almajob: Run
) -> None:
    """The newest first, whichever job it is of, with a column that says which; a limit counts all of them."""
    other = "Users SYNCHRONIZE using profile SIS"
    assert almajob(*ENV, "run", other).code == 0
    simulated.clock.advance(3600)
    assert almajob(*ENV, "run", ERP).code == 0
    simulated.clock.advance(3600)
    done = almajob(*ENV, "history", ERP, other, "-f", "json")
    names = [row["job_name"] for row in json.loads(done.out)]
    assert names == [ERP, other, ERP]
    assert len(json.loads(almajob(*ENV, "history", ERP, other, "--limit", "2", "-f", "json").out)) == 2
    assert "job_name" in almajob(*ENV, "history", ERP, other).out
    assert "job_name" not in almajob(*ENV, "history", ERP).out
    assert json.loads(almajob("runs", "list", other, "-f", "json").out)[0]["job_name"] == other


def test_a_name_alone_starts_a_saved_run_or_a_job(simulated: SimulatedAlma, almajob: Run) -> None:
    """The saved run of just this name; else the job."""
    assert almajob(*ENV, "run", ERP, "--save", "invoices").code == 0
    for words in (("invoices",), ("--saved", "invoices"), (ERP,), ("--job", ERP)):
        done = almajob(*ENV, "run", *words, "-f", "json")
        assert (done.code, json.loads(done.out)["job_name"]) == (0, ERP)
        simulated.clock.advance(3600)


def test_a_name_that_a_saved_run_and_a_job_have_starts_neither(
    simulated: SimulatedAlma, almajob: Run
) -> None:
    """Both spellings that are clear are shown, and work."""
    assert almajob(*ENV, "run", ERP, "--save", "gift").code == 0
    assert almajob(*ENV, "run", ERP, "--save", "M44").code == 0
    before = simulated.log.count("POST /conf/jobs/*")
    for name in ("gift", "M44"):
        done = almajob(*ENV, "run", name)
        assert (done.code, done.out) == (5, "")
        assert f"run --saved {name}" in done.err
        assert f"run --job {name}" in done.err
    assert simulated.log.count("POST /conf/jobs/*") == before
    done = almajob(*ENV, "run", "--saved", "gift", "-f", "json")
    assert json.loads(done.out)["job_name"] == ERP
