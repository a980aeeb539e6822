"""Whole commands of two machines, which share nothing but a database with a password."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.store.postgresql.conftest import PASSWORD, StrictServer
from tests.support.canary import key_in
from tests.whole.test_observers import Observed, observed, packages, state

__all__ = ["observed", "packages", "state"]

JOB = "ERP export using profile FINANCE"
On = Callable[..., Result]


@pytest.fixture
def on(strict: StrictServer, almajob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> On:
    """Runs a command line on one machine, named by its first argument."""
    monkeypatch.setenv("ALMAJOB_LEDGER", strict.url("secret"))
    monkeypatch.setenv("ALMAJOB_LEDGER_PASSWORD", PASSWORD)

    def run(host: str, *words: str) -> Result:
        monkeypatch.setenv("ALMAJOB_STATE_DIR", str(tmp_path / host))
        done = almajob("--env", "sandbox", *words)
        assert not key_in(done.out + done.err, [PASSWORD])
        return done

    return run


def test_one_run_key_is_one_run_on_all_machines(simulated: SimulatedAlma, on: On) -> None:
    """The second one gets the first one's run, and looks after it."""
    first = on("host1", "run", "--job", JOB, "--run-key", "nightly", "-f", "json")
    second = on("host2", "run", "--job", JOB, "--run-key", "nightly", "--wait", "-f", "json")
    assert first.code == second.code == 0
    assert first.row["instance_id"] == second.row["instance_id"]
    assert len(simulated.institution.sandbox.runs()) == 1
    for host in ("host1", "host2", "host3"):
        shown = on(host, "runs", "list", "-f", "json").row
        assert shown["run_key"] == "nightly"
        assert on(host, "status", "nightly", "-f", "json").row["status"] == "COMPLETED_SUCCESS"


def test_a_start_whose_answer_was_lost_is_found_by_the_other_machine(
    simulated: SimulatedAlma, on: On
) -> None:
    """And is not made again."""
    simulated.faults.add("reset-after", "POST /conf/jobs/*")
    on("host1", "run", "--job", JOB, "--run-key", "nightly", "--no-input")
    done = on("host2", "run", "--job", JOB, "--run-key", "nightly", "-f", "json")
    assert len(simulated.institution.sandbox.runs()) == 1
    assert done.code == 0


def test_calls_that_are_left_are_known_on_all_machines(simulated: SimulatedAlma, on: On) -> None:
    """Whoever made the call that told."""
    assert on("host1", "list").code == 0
    known = on("host1", "quota", "-f", "json").row
    assert known["calls_left"] is not None
    assert on("host2", "quota", "-f", "json").row["calls_left"] == known["calls_left"]


def test_observers_are_called_with_what_is_in_the_database(
    simulated: SimulatedAlma, observed: Observed, on: On, tmp_path: Path
) -> None:
    """By a process of its own, which needs the password, too."""
    assert on("state", "run", "--job", JOB, "--wait").code == 0
    assert [event["kind"] for event in observed()] == ["start_recorded", "run_ended"]
