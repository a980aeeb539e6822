"""Scheduled starts that did not go well: ``notify failure`` tells of them, ``check`` of those not made."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from almajob.cli.context import Context
from almajob.config.settings import Options
from almajob.runs.saved_schedule import expected_times, read_schedule
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.observers import wait_until_told

ERP = "S9563600010000561"
NAME = "ERP export using profile FINANCE"
ENV = ("--env", "sandbox")
DAY = 86400


@pytest.fixture
def told(simulated: SimulatedAlma, write_ini: Callable[..., Path], tmp_path: Path) -> Path:
    """Somebody who is notified of the saved run's bad ends; the facts that came last."""
    facts = tmp_path / "facts"
    program = tmp_path / "keep"
    program.write_text(f"#!/bin/sh\ncat >{facts}\n", "utf-8")
    program.chmod(0o755)
    write_ini(
        f"{simulated.ini}[notify:ops]\ntype = command\ncommand = {program}\n"
        f"[notify:starts]\ntype = command\ncommand = false\non = start\n"
        f"[run:invoices]\njob@sandbox = {ERP} {NAME}\nnotify = ops, starts\n"
    )
    return facts


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state"
    monkeypatch.setenv("ALMAJOB_STATE_DIR", str(path))
    return path


def _set_result(monkeypatch: pytest.MonkeyPatch, status: str, result: str = "exit-code") -> None:
    monkeypatch.setenv("MONITOR_EXIT_CODE", "exited")
    monkeypatch.setenv("MONITOR_EXIT_STATUS", status)
    monkeypatch.setenv("MONITOR_SERVICE_RESULT", result)
    monkeypatch.setenv("MONITOR_UNIT", "almajob-sandbox.invoices.service")


def test_whoever_is_told_of_bad_ends_is_told_of_a_start_that_failed(
    almajob: Run, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the exit code, what it means, and what shows more."""
    _set_result(monkeypatch, "7")
    done = almajob(*ENV, "notify", "failure", "invoices", "-f", "json")
    assert (done.code, done.row["name"]) == (0, "ops")
    facts = json.loads(told.read_text("utf-8"))
    assert facts["subject"] == done.row["subject"] == "FAILED: scheduled start of invoices (sandbox)"
    assert (facts["kind"], facts["exit_code"], facts["saved_run"]) == ("bad", 7, "invoices")
    assert "journalctl -u almajob-sandbox.invoices.service" in facts["text"]
    assert "run --saved invoices --scheduled --wait" in facts["text"]
    assert "exit code 7: configuration" in facts["text"]


@pytest.mark.parametrize("status", ["3", "9"])
def test_what_the_run_has_told_is_not_told_twice(
    almajob: Run, told: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """A bad end, and an unknown start."""
    _set_result(monkeypatch, status)
    done = almajob(*ENV, "notify", "failure", "invoices", "-f", "json")
    assert (done.code, done.out) == (0, "[]\n")
    assert not told.exists()


def test_a_service_that_was_killed_is_told_too(
    almajob: Run, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number is that of a signal then, and no exit code; and whatever systemd does not say."""
    _set_result(monkeypatch, "9", "oom-kill")
    monkeypatch.setenv("MONITOR_EXIT_CODE", "killed")
    assert almajob(*ENV, "notify", "failure", "invoices").code == 0
    assert "systemd calls it oom-kill" in told.read_text("utf-8")
    for name in ("EXIT_CODE", "EXIT_STATUS", "SERVICE_RESULT", "UNIT"):
        monkeypatch.delenv(f"MONITOR_{name}")
    assert almajob(*ENV, "notify", "failure", "invoices").code == 0
    assert "systemd does not say why" in told.read_text("utf-8")


def test_what_cannot_be_sent_is_tried_again_by_systemd(
    almajob: Run, told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 6, with why."""
    _set_result(monkeypatch, "5")
    (tmp_path / "keep").write_text("#!/bin/sh\nexit 4\n", "utf-8")
    done = almajob(*ENV, "notify", "failure", "invoices")
    assert (done.code, "[notify:ops]" in done.err) == (6, True)


def test_where_nobody_is_notified_that_is_said(almajob: Run, simulated: SimulatedAlma) -> None:
    """It is no error."""
    assert almajob(*ENV, "run", "--job", ERP, "--save", "invoices").code == 0
    done = almajob(*ENV, "notify", "failure", "invoices")
    assert (done.code, done.out) == (0, "")
    assert "Nobody is notified of bad ends of invoices in sandbox." in done.err


@pytest.fixture
def scheduled(simulated: SimulatedAlma, almajob: Run) -> Path:
    """A saved run that is due at 05:15 UTC, splayed over five minutes, since two days; it is midnight."""
    simulated.clock.advance(-simulated.clock() % DAY)
    assert almajob(*ENV, "run", "--job", ERP, "--save", "invoices").code == 0
    path = Path(os.environ["ALMAJOB_INI"]).with_name("runs.d") / "invoices.ini"
    with path.open("a", encoding="utf-8") as file:
        file.write("at@sandbox = 05:15 UTC\nsplay@sandbox = 5m\n")
    return path


def _advance_to(alma: SimulatedAlma, hour: int, minute: int, second: int = 0) -> None:
    alma.clock.advance((hour * 3600 + minute * 60 + second - alma.clock()) % DAY)


def test_a_scheduled_run_that_did_not_start_is_late(
    almajob: Run, scheduled: Path, simulated: SimulatedAlma
) -> None:
    """Ten minutes after its time and its splay; until it has started."""
    _advance_to(simulated, 5, 14)
    assert almajob(*ENV, "-q", "run", "--saved", "invoices", "--scheduled", "--wait").code == 0
    _advance_to(simulated, 5, 29, 59)
    assert almajob("check").code == 0
    _advance_to(simulated, 5, 30, 1)
    done = almajob("check", "-f", "json")
    assert done.code == 3
    row = done.row
    assert (row["environment"], row["problem"], row["seconds"]) == ("sandbox", "late", 901)
    assert (row["job_name"], row["instance_id"], row["run_id"]) == (NAME, None, None)
    assert "The saved run invoices was due at" in row["detail"]
    assert "invoices (sandbox) late" in done.err
    assert almajob("--env", "production", "check").code == 0
    assert almajob(*ENV, "-q", "run", "--saved", "invoices", "--scheduled", "--wait").code == 0
    done = almajob("check")
    assert (done.code, done.out) == (0, "")


def test_a_start_that_was_not_made_is_notified_of_once(
    almajob: Run, told: Path, simulated: SimulatedAlma, state_dir: Path
) -> None:
    """Whoever the saved run names gets what is needed to act; each time that is missed is another."""
    with Path(os.environ["ALMAJOB_INI"]).open("a", encoding="utf-8") as file:
        file.write("at@sandbox = 05:15 UTC\n")
    simulated.clock.advance(-simulated.clock() % DAY)
    for hours in (6, 24):
        simulated.clock.advance(hours * 3600)
        assert almajob("check").code == 3
        wait_until_told(state_dir)
        facts = json.loads(told.read_text("utf-8"))
        assert facts["subject"] == f"LATE: {NAME} (sandbox)"
        assert (facts["kind"], facts["saved_run"], facts["run_id"]) == ("late", "invoices", "")
        assert facts["due"].endswith("T05:15:00.000Z")
        assert "has not started" in facts["text"]
        assert "run --saved invoices --scheduled --wait" in facts["text"]
        told.unlink()
        assert almajob("check").code == 3
        wait_until_told(state_dir)
        assert not told.exists()


def test_any_start_of_the_job_counts(almajob: Run, scheduled: Path, simulated: SimulatedAlma) -> None:
    """By hand, or by a line of cron that somebody wrote; one before the time does not."""
    _advance_to(simulated, 5, 10)
    assert almajob(*ENV, "-q", "run", "--job", ERP, "--run-key", "early", "--wait").code == 0
    _advance_to(simulated, 6, 0)
    assert almajob("check").code == 3
    assert almajob(*ENV, "-q", "run", "--job", ERP, "--run-key", "by hand", "--wait").code == 0
    assert almajob("check").code == 0


def test_a_refused_start_is_none(almajob: Run, scheduled: Path, simulated: SimulatedAlma) -> None:
    """It has not run."""
    _advance_to(simulated, 5, 16)
    simulated.faults.add("daily", "POST /conf/jobs/*")
    assert almajob(*ENV, "run", "--saved", "invoices", "--scheduled").code == 10
    _advance_to(simulated, 6, 0)
    assert almajob("check", "-f", "json").row["problem"] == "late"


def test_nothing_is_expected_before_there_was_a_schedule(
    almajob: Run, scheduled: Path, simulated: SimulatedAlma
) -> None:
    """A schedule that is new is not late for what it would have started."""
    _advance_to(simulated, 8, 0)
    assert almajob("check").code == 3
    now = almajob(*ENV, "schedule", "install", "invoices", "--at", "05:16 UTC", "--user")
    assert now.code == 0, now.err
    assert almajob("check").code == 0
    _advance_to(simulated, 5, 32)
    assert almajob("check").code == 3


def test_a_saved_run_that_is_wrong_hides_nothing_else(
    almajob: Run, scheduled: Path, simulated: SimulatedAlma
) -> None:
    """What is not well with runs is listed; without that, its own fault is told."""
    with scheduled.open("a", encoding="utf-8") as file:
        file.write("timezone@sandbox = Nowhere\n")
    done = almajob("check")
    assert (done.code, "another name for one" in done.err) == (7, True)


def test_what_should_have_run_can_be_listed(almajob: Run, scheduled: Path, simulated: SimulatedAlma) -> None:
    """For a report: all times between two, from when there was a schedule."""
    with scheduled.open("a", encoding="utf-8") as file:
        file.write("at_since@sandbox = 2026-11-02T00:00Z\n")
    with Context(Options(env="sandbox")) as context:
        saved = context.saved_runs.find("invoices")
    since, until = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 4, tzinfo=UTC)
    assert expected_times(saved, "sandbox", since, until) == [
        datetime(2026, 11, day, 5, 15, tzinfo=UTC) for day in (2, 3)
    ]
    assert expected_times(saved, "production", since, until) == []
    assert read_schedule(saved, "production") is None
