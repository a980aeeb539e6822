"""What is told of a run that ended badly: enough to act on, for somebody who has nothing but this text."""

from __future__ import annotations

import shlex
from pathlib import Path

from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run

ENV = ("--env", "sandbox")
FTP = "Publishing Platform Job FTP Dump"
SIS = "Users SYNCHRONIZE using profile SIS"
IMPORT = "Metadata Import using profile Vendor Records"


def _start_elsewhere(alma: SimulatedAlma, name: str) -> str:
    world = alma.institution.sandbox
    return world.submit(next(job for job in world.jobs if job.name == name), []).id


def _mail(done: Result) -> list[str]:
    """Return what cron would mail of a line that sends stdout to /dev/null."""
    lines = done.err.splitlines()
    assert lines[0].startswith("almajob: ")
    assert 1 < len(lines) <= 8
    return lines


def test_the_mail_of_cron_is_enough_to_act_on(simulated: SimulatedAlma, almajob: Run) -> None:
    """Job, environment, run, status, why, and what to type, although nothing else is printed (-q)."""
    simulated.set_ending(FTP, "COMPLETED_FAILED", seconds=600)
    words = ("run", "--job", FTP, "--once-per", "day", "--yes", "--wait", "-q")
    done = almajob("--env", "production", *words)
    run_id = simulated.institution.production.runs()[-1].id
    assert done.code == 3
    lines = _mail(done)
    assert lines[0] == (
        f"almajob: {FTP} in production (run {run_id}) ended with COMPLETED_FAILED (Completed with Errors)."
    )
    assert lines[1].startswith("  Alerts: The job completed with errors.")
    assert lines[2].startswith("  Counters: FTP has failed: Download zip file for manual FTP.; ")
    assert "Unpublished failed records: " in lines[2]
    assert "New Records" not in lines[2]
    assert lines[3:] == [
        f"  Its report: almajob --env production status {run_id}, or Alma, Admin > Monitor Jobs, History",
        "  To start it again, repeat its run command with --rerun-failed.",
        "  If that end is good enough for you, add --accept COMPLETED_FAILED.",
    ]
    again = almajob("--env", "production", *words)
    assert again.code == 3
    assert _mail(again) == [
        lines[0],
        "  It was started before; nothing was started again.",
        *lines[1:],
    ]
    anew = almajob("--env", "production", *words, "--rerun-failed", "--accept", "COMPLETED_FAILED")
    assert anew.code == 0
    assert len(simulated.institution.production.runs()) == 1
    assert almajob("--env", "production", *words, "--rerun-failed").code == 3
    assert len(simulated.institution.production.runs()) == 2


def test_a_command_that_only_finds_a_failed_run_says_so(simulated: SimulatedAlma, almajob: Run) -> None:
    """Without --wait, and with -q: its exit code is that of a start, so the text must say it."""
    simulated.set_ending(FTP, "COMPLETED_FAILED", seconds=600)
    words = (*ENV, "-q", "run", "--job", FTP, "--once-per", "day")
    assert almajob(*words).err == ""
    simulated.clock.advance(60)
    assert almajob(*words).err == ""
    simulated.clock.advance(600)
    again = almajob(*words)
    assert again.code == 0
    assert "ended with COMPLETED_FAILED" in again.err
    assert "nothing was started again" in again.err
    assert "with --rerun-failed" in again.err
    assert simulated.log.count("POST /conf/jobs/*") == 1


def test_the_next_step_fits_the_kind_of_job(simulated: SimulatedAlma, almajob: Run) -> None:
    """Rejected users, matched records, the report; each line can be pasted, and works."""
    expected = {
        SIS: "events",
        IMPORT: "matches",
        "ERP export using profile FINANCE": "status",
    }
    for name, command in expected.items():
        simulated.set_ending(name, "FAILED", seconds=60)
        run_id = _start_elsewhere(simulated, name)
        done = almajob(*ENV, "wait", "--id", run_id)
        assert done.code == 3
        last = done.err.partition("almajob: ")[2]
        assert "--rerun-failed" not in last
        assert "--accept" not in last
        (line,) = (line for line in last.splitlines() if f"almajob --env sandbox {command} {run_id}" in line)
        typed = line.partition(": almajob ")[2].partition(",")[0].partition(" (")[0]
        assert almajob(*shlex.split(typed)).code == 0


def test_what_is_to_be_typed_names_the_configuration_file(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path
) -> None:
    """Where the command line did, so that it leads to the same Alma from anywhere."""
    simulated.set_ending(FTP, "COMPLETED_FAILED", seconds=60)
    run_id = _start_elsewhere(simulated, FTP)
    simulated.clock.advance(3600)
    ini = str(tmp_path / "almajob.ini")
    done = almajob("--ini-file", ini, *ENV, "status", "--id", run_id, "--exit-status", "-q")
    assert done.code == 3
    assert f"almajob --ini-file {ini} --env sandbox status {run_id}," in done.err


def test_a_condition_that_cannot_be_judged_offers_no_new_start(
    simulated: SimulatedAlma, almajob: Run
) -> None:
    """The job did its work; what is wrong is the condition."""
    words = ("run", "--job", "ERP export using profile FINANCE", "--run-key", "k", "--wait")
    done = almajob(*ENV, *words, "--fail-if", "bills > 0")
    assert done.code == 3
    assert "Correct the condition; the job itself need not run again." in done.err
    assert "--rerun-failed" not in done.err
    failed = almajob(*ENV, *words, "--fail-if", "invoices >= 0")
    assert "but invoices >= 0." in failed.err
    assert "with --rerun-failed" in failed.err
    assert "--accept" not in failed.err


def test_of_many_bad_ends_eight_lines_are_told(simulated: SimulatedAlma, almajob: Run) -> None:
    """The worst first, the others counted, and nothing of what to type is lost."""
    simulated.set_ending(FTP, "COMPLETED_FAILED", seconds=60)
    simulated.set_ending(SIS, seconds=7200)
    ids = []
    for _ in range(6):
        ids.append(_start_elsewhere(simulated, FTP))
        simulated.clock.advance(3600)
    slow = _start_elsewhere(simulated, SIS)
    done = almajob(*ENV, "wait", "-q", "--timeout", "10m", "--id", *ids, slow)
    assert done.code == 3
    lines = _mail(done)
    assert lines[0] == "almajob: Of 7 runs: 6 ended badly, 1 has not ended."
    assert [line.partition(" in sandbox (run ")[2][: len(ids[0])] for line in lines[1:5]] == ids[:4]
    assert lines[5] == "  and 3 more"
    assert lines[6].startswith("  Its report: ")
    assert lines[7] == f"  Resume: almajob --env sandbox wait {slow}"


def test_several_that_go_on_are_told_in_one_sentence(simulated: SimulatedAlma, almajob: Run) -> None:
    """Each is named once; of those that have ended only the number is told."""
    for name in (FTP, SIS):
        simulated.set_ending(name, seconds=7200)
    one, two = (_start_elsewhere(simulated, name) for name in (FTP, SIS))
    done = almajob(*ENV, "wait", "-q", "--timeout", "10", "--id", one, two)
    assert done.code == 8
    told = f"2 runs had not ended after 10 s: {FTP} (run {one}), {SIS} (run {two})."
    assert done.err == f"almajob: {told}\n  Resume: almajob --env sandbox wait {one} {two}\n"
    erp = _start_elsewhere(simulated, "ERP export using profile FINANCE")
    done = almajob(*ENV, "wait", "-q", "--timeout", "10m", "--id", one, two, erp)
    assert done.code == 8
    assert done.err.startswith(f"almajob: Of 3 runs, {told.replace('10 s', '10 min 00 s')}\n")


def test_each_line_of_a_wait_names_its_job(simulated: SimulatedAlma, almajob: Run) -> None:
    """Of three numbers nobody knows which is which."""
    simulated.set_ending(FTP, "COMPLETED_WARNING", seconds=60)
    run_id = _start_elsewhere(simulated, FTP)
    done = almajob(*ENV, "wait", "--id", run_id)
    assert f"{FTP} (run {run_id}): QUEUED\n" in done.err
    assert f"{FTP} (run {run_id}): COMPLETED_WARNING\n" in done.err
    assert f"{FTP} in sandbox (run {run_id}) ended with warnings: see its report in Alma.\n" in done.err
