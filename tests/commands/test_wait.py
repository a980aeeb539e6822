"""``almajob wait``, ``run --wait`` and ``status``: the exit codes, through every end and every fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from almajob.alma.status_codes import STATUSES
from almajob.simulator.world.lifecycle import ENDS
from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.support.fake_alma import STATUS_TABLE, FakeAlma, answer, instance, job, started

ERP = "ERP export using profile FINANCE"
ERP_ID = "S9563600010000561"
ENV = ("--env", "sandbox")
LOOK = "GET /conf/jobs/*/instances/*"
GOOD = {"COMPLETED_SUCCESS", "COMPLETED_WARNING", "COMPLETED_NO_BULKS"}


def _started(almajob: Run, *words: str, job: str = ERP) -> str:
    """Start a job and give its Process ID."""
    return str(json.loads(almajob(*ENV, "run", "--job", job, "-f", "json", *words).out)["instance_id"])


def _elsewhere(alma: SimulatedAlma, job_id: str = ERP_ID) -> str:
    """Start a job without almajob."""
    world = alma.institution.sandbox
    return world.submit(next(job for job in world.jobs if job.id == job_id), []).id


def _shown(done: Result) -> Any:
    shown = json.loads(done.out)
    return shown[0] if len(shown) == 1 else shown


@pytest.mark.parametrize("status", sorted(ENDS))
def test_the_exit_code_is_that_of_the_end(simulated: SimulatedAlma, almajob: Run, status: str) -> None:
    """For every end that a run can have, as wait, as run --wait and as status --exit-status."""
    simulated.set_ending(ERP, status, seconds=600)
    code = 0 if status in GOOD else 3
    run = almajob(*ENV, "run", "--job", ERP, "--wait", "-f", "json")
    assert (run.code, _shown(run)["status"]) == (code, status)
    run_id = _elsewhere(simulated)
    done = almajob(*ENV, "wait", "--id", run_id, "-f", "json")
    shown = _shown(done)
    assert (done.code, shown["instance_id"], shown["status"]) == (code, run_id, status)
    assert shown["passed"] is (code == 0)
    assert shown["status_class"] == STATUSES[status].meaning.value
    # Alma leaves out when it aborted a run.
    assert (shown["end_time"] is None) is (status == "SYSTEM_ABORTED")
    assert almajob(*ENV, "status", "--id", run_id).code == 0
    assert almajob(*ENV, "status", "--id", run_id, "--exit-status").code == code
    assert almajob(*ENV, "status", "--id", run_id, "--exit-status", "--accept", status).code == 0


def test_what_is_no_whole_answer_about_the_run_is_no_end(site: FakeAlma, almajob: Run) -> None:
    """A success in an answer about another job, in a part of one or from a cache is looked at again."""
    ours = job("S1", "ERP export")
    site.jobs([ours])
    site.on("GET /code-tables/systemJobStatus", STATUS_TABLE)
    site.on("POST /jobs/S1", started(ours, "77"))
    good = instance("77", ours, "COMPLETED_SUCCESS")
    site.on(
        "GET /jobs/S1/instances/77",
        instance("77", ours, "RUNNING"),
        instance("77", job("S2", "Another"), "COMPLETED_SUCCESS"),
        *(answer(good, status) for status in (206, 203)),
        answer(good, headers={"Age": "60"}),
        instance("77", ours, "COMPLETED_FAILED"),
    )
    done = almajob(*ENV, "run", "--job", "S1", "--wait", "-f", "json")
    assert (done.code, _shown(done)["status"]) == (3, "COMPLETED_FAILED")
    assert site.calls().count("GET /jobs/S1/instances/77") == 6


@pytest.mark.parametrize("fault", ["503", "html-200", "per-second", "empty", "reset-before"])
def test_what_may_pass_does_not_end_the_first_look(
    simulated: SimulatedAlma, almajob: Run, fault: str
) -> None:
    """Nor is a line of it printed where only trouble should be told."""
    run_id = _elsewhere(simulated)
    simulated.faults.add(fault, LOOK, times=2)
    done = almajob(*ENV, "wait", "--id", run_id, "-q", "-f", "json")
    assert (done.code, done.err, _shown(done)["status"]) == (0, "", "COMPLETED_SUCCESS")


def test_a_run_that_alma_does_not_show_yet_is_waited_for(simulated: SimulatedAlma, almajob: Run) -> None:
    """402218 in the first minute: by the start's own wait, and by one that knows it from the ledger."""
    simulated.faults.add("late-start", times=None)
    assert almajob(*ENV, "run", "--job", ERP, "--wait").code == 0
    simulated.clock.advance(3600)
    run_id = _started(almajob)
    assert almajob(*ENV, "wait", "--id", run_id).code == 0
    simulated.clock.advance(3600)
    _started(almajob)
    assert almajob(*ENV, "wait", "--id", "@last").code == 0


def test_an_hour_of_failures_is_exit_code_6_and_8_after_a_start(
    simulated: SimulatedAlma, almajob: Run
) -> None:
    """After a start nothing reports that nothing was started; both say how to go on."""
    run_id = _elsewhere(simulated)
    simulated.faults.add("503", LOOK, times=None)
    done = almajob(*ENV, "wait", "--id", run_id)
    assert (done.code, done.out) == (6, "")
    assert f"Run {run_id} could not be seen for 1 h 00 min." in done.err
    assert f"Resume: almajob --env sandbox wait {run_id}\n" in done.err
    assert simulated.log.count(LOOK) < 25
    # So that it does not count as down any more.
    simulated.clock.advance(120)
    done = almajob(
        *ENV, "run", "--job", ERP, "--if-running", "start", "--wait", "--outage", "10m", "-f", "json"
    )
    shown = _shown(done)
    assert (done.code, shown["state"], shown["retry_safe"]) == (8, "STARTED", False)
    assert "was started and cannot be seen any more" in done.err
    assert f"wait {shown['instance_id']}" in done.err


def test_a_time_limit_is_exit_code_8(simulated: SimulatedAlma, almajob: Run) -> None:
    """With what was seen last, and the same policy in the line to type."""
    simulated.set_ending(ERP, seconds=7200)
    run_id = _elsewhere(simulated)
    policy = ("--accept", "FAILED", "--fail-if", "invoices == 0")
    done = almajob(*ENV, "wait", "--id", run_id, "--timeout", "10m", *policy, "-f", "json")
    assert (done.code, _shown(done)["passed"]) == (8, None)
    assert f"{ERP} (run {run_id}) had not ended after 10 min 00 s." in done.err
    attach = ("run", "--job", ERP, "--if-running", "attach", "--wait", "--timeout", "10m", "-f", "json")
    attached = almajob(*ENV, *attach)
    assert (attached.code, _shown(attached)["instance_id"]) == (8, run_id)
    line = f"Resume: almajob --env sandbox wait {run_id} --fail-if 'invoices == 0' --accept FAILED\n"
    assert line in done.err


def test_several_runs_are_waited_for_together(simulated: SimulatedAlma, almajob: Run) -> None:
    """Rows in the order in which they were named; the worst of them is the exit code."""
    simulated.set_ending("Publishing Platform Job FTP Dump", seconds=900)
    good = _elsewhere(simulated)
    bad = _elsewhere(
        simulated, next(job.id for job in simulated.institution.sandbox.jobs if "FTP" in job.name)
    )
    done = almajob(*ENV, "wait", "--id", good, bad, "--id", good, "-f", "json")
    assert done.code == 3
    assert [row["instance_id"] for row in _shown(done)] == [good, bad]
    assert [row["passed"] for row in _shown(done)] == [True, False]
    ended = f"Publishing Platform Job FTP Dump in sandbox (run {bad}) ended with COMPLETED_FAILED"
    assert f"almajob: Of 2 runs: 1 ended badly.\n  {ended} (Completed with Errors). Counters: " in done.err
    accepted = almajob(*ENV, "wait", "--id", good, bad, "--accept", "completed_failed,skipped")
    assert accepted.code == 0
    assert f"{ended} (Completed with Errors), which is accepted here." in accepted.err
    assert "counters" not in accepted.out
    unknown = almajob(*ENV, "wait", "--id", good, "123", "-f", "json")
    assert unknown.code == 4
    assert "Of 2 runs: 1 could not be seen.\n  Alma knows no run 123." in unknown.err
    assert "tracking id" in unknown.err
    assert [row["status"] for row in _shown(unknown)] == ["COMPLETED_SUCCESS", None]


def test_the_ini_says_what_is_accepted(
    simulated: SimulatedAlma, almajob: Run, write_ini: Callable[..., Path]
) -> None:
    """Of an environment and of a job; the command line wins."""
    simulated.set_ending(ERP, "COMPLETED_FAILED", seconds=60)
    run_id = _elsewhere(simulated)
    for ini in (
        simulated.ini.replace("[production]", "accept = SKIPPED, COMPLETED_FAILED\n[production]"),
        f"{simulated.ini}[job:{ERP}]\naccept = completed_failed\n",
        f"{simulated.ini}[job:{ERP_ID}]\naccept = COMPLETED_FAILED\n",
    ):
        write_ini(ini)
        assert almajob(*ENV, "config", "check").code == 0
        assert "COMPLETED_FAILED" in almajob("config", "show", "-f", "value").out.upper()
        assert almajob(*ENV, "wait", "--id", run_id).code == 0
        assert _shown(almajob(*ENV, "status", "--id", run_id, "-f", "json"))["passed"] is True
        assert almajob(*ENV, "wait", "--id", run_id, "--accept", "SKIPPED").code == 3
    write_ini(f"{simulated.ini}[job:another]\naccept = COMPLETED_FAILED\n")
    assert almajob(*ENV, "wait", "--id", run_id).code == 3
    for wrong, part in (
        ("[job:x]\naccept = RUNNING\n", "RUNNING is not the status of an end"),
        ("[job:x]\naccpt = FAILED\n", "Did you mean accept?"),
        ("[job:]\naccept = FAILED\n", "heading is not a valid name"),
        ("[job:x]\naccept = FAILED\n[job: x]\naccept = SKIPPED\n", "two sections of the job 'x'"),
    ):
        write_ini(simulated.ini + wrong)
        done = almajob(*ENV, "wait", "--id", run_id)
        assert (done.code, done.out) == (7, "")
        assert part in done.err
        assert almajob(*ENV, "config", "check").code == 7


def test_counters_decide_where_they_are_asked_for(simulated: SimulatedAlma, almajob: Run) -> None:
    """A missing one is an error of the expression, and no success."""
    run_id = _elsewhere(simulated)
    assert almajob(*ENV, "wait", "--id", run_id, "--fail-if", "invoices < 0").code == 0
    failed = almajob(*ENV, "wait", "--id", run_id, "--fail-if", "invoices >= 0")
    assert failed.code == 3
    assert "ended with COMPLETED_SUCCESS (Completed Successfully), but invoices >= 0." in failed.err
    missing = almajob(*ENV, "run", "--job", ERP, "--wait", "--fail-if", "bills > 0", "-f", "json")
    assert (missing.code, _shown(missing)["state"]) == (3, "STARTED")
    assert "the report has no counter 'bills'. It has: c.jobs.erp.invoices." in missing.err


def test_rerun_failed_knows_what_is_accepted(simulated: SimulatedAlma, almajob: Run) -> None:
    """A run that is good enough is not made again."""
    simulated.set_ending(ERP, "COMPLETED_FAILED", seconds=60)
    run = (*ENV, "run", "--job", ERP, "--run-key", "k", "--rerun-failed", "--wait")
    assert almajob(*run).code == 3
    assert almajob(*run, "--accept", "COMPLETED_FAILED").code == 0
    assert simulated.log.count("POST /conf/jobs/*") == 1
    plan = almajob(*run[:-1], "--dry-run", "--accept", "COMPLETED_FAILED", "-f", "json")
    assert _shown(plan)["action"] != "start"
    assert almajob(*run).code == 3
    assert simulated.log.count("POST /conf/jobs/*") == 2
    simulated.set_ending(ERP, "COMPLETED_SUCCESS", seconds=60)
    assert almajob(*run).code == 0
    for _ in range(2):
        slip = almajob(*run, "--fail-if", "invocies == 0")
        assert slip.code == 5
        assert "cannot be judged" in slip.err
    assert simulated.log.count("POST /conf/jobs/*") == 3


def test_runs_are_named_as_the_ledger_knows_them(simulated: SimulatedAlma, almajob: Run) -> None:
    """@last, a run key, an id of the ledger; what was not started cannot be waited for."""
    nothing = almajob(*ENV, "wait", "--id", "@last")
    assert (nothing.code, nothing.out) == (5, "")
    assert "Nothing was started in sandbox from here yet." in nothing.err
    run_id = _started(almajob, "--run-key", "invoices-of-may")
    record = json.loads(almajob("runs", "list", "-f", "json").out)[0]["id"]
    for name in ("@last", "invoices-of-may", record, f" {run_id} "):
        assert _shown(almajob(*ENV, "status", "--id", name, "-f", "json"))["instance_id"] == run_id
    assert almajob(*ENV, "wait", "--id", "invoices-of-june").code == 5
    simulated.clock.advance(3600)
    digits = _started(almajob, "--run-key", "20261101")
    assert _shown(almajob(*ENV, "status", "--id", "20261101", "-f", "json"))["instance_id"] == digits
    assert almajob(*ENV, "run", "--job", ERP, "--run-key", "@last").code == 2
    assert almajob("--env", "production", "wait", "--id", "@last").code == 5
    simulated.faults.add("per-second", "POST *")
    simulated.clock.advance(3600)
    assert almajob(*ENV, "run", "--job", ERP, "--run-key", "refused").code == 4
    refused = almajob(*ENV, "wait", "--id", "refused")
    assert refused.code == 5
    assert "The run 'refused' was not started" in refused.err


def test_a_start_in_doubt_stays_in_doubt(simulated: SimulatedAlma, almajob: Run) -> None:
    """Exit code 9, as the start itself had."""
    simulated.faults.add("accepted-500", "POST *")
    production = ("--env", "production")
    assert almajob(*production, "run", "--yes", "--job", ERP, "--run-key", "k").code == 9
    done = almajob(*production, "wait", "--id", "k")
    assert (done.code, done.out) == (9, "")
    assert "It is unknown whether" in done.err


def test_how_long_runs_took_is_remembered(simulated: SimulatedAlma, almajob: Run) -> None:
    """The first look at the next run of the job comes later, so it costs fewer calls."""
    simulated.set_ending(ERP, seconds=1800)
    assert almajob(*ENV, "run", "--job", ERP, "--wait").code == 0
    first = simulated.log.count(LOOK)
    assert almajob(*ENV, "run", "--job", ERP, "--wait").code == 0
    assert 10 < simulated.log.count(LOOK) - first < first - 5
    shown = json.loads(almajob("runs", "list", "-f", "json").out)
    assert len(shown) == 2


def test_a_second_wait_starts_where_the_run_stands(simulated: SimulatedAlma, almajob: Run) -> None:
    """A run that is seven hours old is looked at every five minutes, not every five seconds."""
    simulated.set_ending(ERP, seconds=8 * 3600)
    run_id = _elsewhere(simulated)
    simulated.clock.advance(7 * 3600)
    assert almajob(*ENV, "wait", "--id", run_id).code == 0
    assert simulated.log.count(LOOK) < 16


def test_status_of_several_runs_is_a_list(simulated: SimulatedAlma, almajob: Run) -> None:
    """One that cannot be seen does not hide the others."""
    one, two = _elsewhere(simulated), _elsewhere(simulated, "S9563600050000561")
    simulated.clock.advance(3600)
    done = almajob(*ENV, "status", "--id", one, two, "-f", "json")
    assert done.code == 0
    assert [row["status"] for row in _shown(done)] == ["COMPLETED_SUCCESS", "FAILED"]
    assert len(json.loads(almajob(*ENV, "status", "--id", one, "-f", "json").out)) == 1
    assert almajob(*ENV, "status", "--id", one, two, "-f", "csv").out.count("\n") == 3
    assert almajob(*ENV, "status", "--id", one, "-f", "csv").out.count("\n") == 2
    unseen = almajob(*ENV, "status", "--id", one, "123", two, "-f", "json")
    assert unseen.code == 4
    assert [row["status"] for row in _shown(unseen)] == ["COMPLETED_SUCCESS", None, "FAILED"]
    assert almajob(*ENV, "status", "--id", one, two, "--exit-status").code == 3
    table = almajob(*ENV, "status", "--id", one, two).out
    assert "alerts" not in table


def test_the_exit_status_of_a_run_that_goes_on(simulated: SimulatedAlma, almajob: Run) -> None:
    """8, and how to wait; --watch waits, and ends with 0 unless the exit status is asked for."""
    simulated.set_ending(ERP, "FAILED", seconds=600)
    run_id = _elsewhere(simulated)
    done = almajob(*ENV, "status", "--id", run_id, "--exit-status")
    assert done.code == 8
    assert f"{ERP} (run {run_id}) has not ended: QUEUED.\n" in done.err
    assert f"almajob --env sandbox wait {run_id}\n" in done.err
    watched = almajob(*ENV, "status", "--id", run_id, "--watch", "--timeout", "60")
    assert watched.code == 0
    assert f"{ERP} (run {run_id}) had not ended after 1 min 00 s.\n" in watched.err
    assert almajob(*ENV, "status", "--id", run_id, "--watch", "--timeout", "60", "--exit-status").code == 8
    watched = almajob(*ENV, "status", "--id", run_id, "--watch", "-f", "json")
    assert (watched.code, _shown(watched)["status"]) == (0, "FAILED")
    assert almajob(*ENV, "status", "--id", run_id, "--watch", "--exit-status").code == 3


def test_the_line_to_type_names_the_ini(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the command line did: pasted anywhere, it finds the same Alma."""
    monkeypatch.delenv("ALMAJOB_INI")
    ini = str(tmp_path / "almajob.ini")
    run_id = _elsewhere(simulated)
    simulated.set_ending(ERP, seconds=3600)
    done = almajob("--ini-file", ini, *ENV, "wait", "--id", run_id, "--timeout", "1")
    assert f"Resume: almajob --ini-file {ini} --env sandbox wait {run_id}\n" in done.err


def test_what_goes_on_can_be_resumed_as_a_whole(simulated: SimulatedAlma, almajob: Run) -> None:
    """Beside one that failed and one that nobody knows: the line names the two that go on."""
    ftp = next(job.id for job in simulated.institution.sandbox.jobs if "FTP" in job.name)
    simulated.set_ending(ERP, seconds=7200)
    simulated.set_ending("Users SYNCHRONIZE using profile SIS", seconds=7200)
    bad = _elsewhere(simulated, ftp)
    simulated.clock.advance(7200)
    one, two = _elsewhere(simulated), _elsewhere(simulated, "S9563600050000561")
    done = almajob(*ENV, "wait", "--id", one, bad, "123", two, "--timeout", "60", "--outage", "2h")
    assert done.code == 3
    assert "Of 4 runs: 1 ended badly, 2 have not ended, 1 could not be seen." in done.err
    sync = "Users SYNCHRONIZE using profile SIS"
    both = f"2 runs had not ended after 1 min 00 s: {ERP} (run {one}), {sync} (run {two}).\n"
    assert both in done.err
    assert f"Resume: almajob --env sandbox wait {one} {two} --outage 7200s\n" in done.err


def test_a_run_that_was_never_seen_is_not_said_to_go_on(simulated: SimulatedAlma, almajob: Run) -> None:
    """Nobody knows how it stands: exit code 6, also where the time was up."""
    run_id = _elsewhere(simulated)
    simulated.faults.add("503", LOOK, times=None)
    done = almajob(*ENV, "wait", "--id", run_id, "--timeout", "60")
    assert (done.code, done.out) == (6, "")
    assert f"Run {run_id} could not be seen for 1 min 00 s." in done.err
    assert "goes on" not in done.err


def test_watching_keeps_the_check_of_the_job(simulated: SimulatedAlma, almajob: Run) -> None:
    """A run of another job is refused, and not followed."""
    simulated.set_ending("Users SYNCHRONIZE using profile SIS", seconds=7200)
    one, other = _elsewhere(simulated), _elsewhere(simulated, "S9563600050000561")
    done = almajob(*ENV, "status", "--id", one, other, "--job", ERP, "--watch", "-f", "json")
    assert done.code == 5
    assert [row["status"] for row in _shown(done)] == ["COMPLETED_SUCCESS", None]
    run = simulated.institution.sandbox.run(one)
    assert run is not None
    assert simulated.clock() - run.submitted < 3600


def test_a_run_that_was_waited_for_is_no_interrupted_start(simulated: SimulatedAlma, almajob: Run) -> None:
    """Ctrl-C, then the pasted line, then the same command again: that is a new run."""
    simulated.faults.add("503", LOOK, times=None)
    assert almajob(*ENV, "run", "--job", ERP, "--wait", "--outage", "60s", "-f", "json").code == 8
    simulated.faults.clear()
    assert almajob(*ENV, "wait", "--id", "@last").code == 0
    assert almajob(*ENV, "run", "--job", ERP, "--wait").code == 0
    assert simulated.log.count("POST /conf/jobs/*") == 2


def test_rows_can_be_sorted_by_any_column(simulated: SimulatedAlma, almajob: Run) -> None:
    """One that has no value yet comes last, and is not lost."""
    simulated.set_ending("Users SYNCHRONIZE using profile SIS", seconds=7200)
    one, other = _elsewhere(simulated), _elsewhere(simulated, "S9563600050000561")
    simulated.clock.advance(600)
    for column in ("end_time", "seconds", "passed", "status", "counters", "instance_id"):
        done = almajob(*ENV, "status", "--id", other, one, "--sort-column", column, "-f", "json")
        order = [row["instance_id"] for row in _shown(done)]
        assert order == [one, other] if column in ("end_time", "seconds", "passed") else len(order) == 2
    some = almajob(*ENV, "status", "--id", one, "-c", "status", "-c", "passed", "-f", "json")
    assert _shown(some) == {"status": "COMPLETED_SUCCESS", "passed": True}


def test_alma_s_own_words_name_a_status(simulated: SimulatedAlma, almajob: Run) -> None:
    """And a word that almajob does not know is refused, with those that it knows."""
    simulated.set_ending(ERP, "COMPLETED_FAILED", seconds=60)
    run_id = _elsewhere(simulated)
    assert almajob(*ENV, "wait", "--id", run_id, "--accept", "Completed with errors").code == 0
    done = almajob(*ENV, "wait", "--id", run_id, "--accept", "BOGUS")
    assert (done.code, done.out) == (2, "")
    assert "'BOGUS' is not a status. Known statuses: COMPLETED_SUCCESS," in done.err


def test_one_run_is_counted_once(simulated: SimulatedAlma, almajob: Run) -> None:
    """However many starts were attached to it: Alma's limit is of runs."""
    simulated.set_ending("Publishing Platform Job FTP Dump", seconds=7200)
    attach = (*ENV, "run", "--job", "Publishing Platform Job FTP Dump", "--if-running", "attach")
    for key in ("a", "b", "c"):
        assert almajob(*attach, "--run-key", key).code == 0
    assert almajob(*ENV, "run", "--job", ERP).code == 0


def test_a_signal_between_the_start_and_its_result_names_the_run(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, with -q too, in the moment after Alma's answer was kept."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("almajob.store.directory.file_locks.FileLocks.hold", interrupted)
    done = almajob(*ENV, "-q", "run", "--job", ERP, "--wait")
    run_id = simulated.institution.sandbox.runs()[-1].id
    assert (done.code, done.out) == (130, "")
    assert done.err.count(f"almajob --env sandbox wait {run_id}") == 1
    assert simulated.log.count("POST /conf/jobs/*") == 1
