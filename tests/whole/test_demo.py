"""The built-in demo, in processes of its own: what a newcomer sees first."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.runs.wait import poll_interval
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import DEMO_SECONDS
from almajob.simulator.world.lifecycle import ORDER, spread_plan
from tests.conftest import Result, Run

ERP = "ERP export using profile FINANCE"


def test_the_main_job_on_a_fresh_machine(almajob_process: Run) -> None:
    """Started by name, followed to its end, its result shown; a later invocation still knows it."""
    done = almajob_process("--env", "demo", "run", "--job", ERP, "--wait", "-f", "json")
    shown = json.loads(done.out)
    assert done.code == 0
    assert shown["status"] == "COMPLETED_SUCCESS"
    assert shown["counters"][0]["text"] == "Number of invoices exported"
    later = almajob_process("--env", "demo", "status", "--id", shown["instance_id"], "-f", "json")
    assert later.row == {name: shown[name] for name in later.row}


@pytest.mark.parametrize(
    ("job", "code", "part"),
    [
        ("Publishing Platform Job FTP Dump", 3, "COMPLETED_FAILED (Completed with Errors)"),
        ("Users SYNCHRONIZE using profile SIS", 3, "FAILED (Failed)"),
        ("PO Line - Packaging", 4, "402249"),
        ("gift", 5, "M6136517110000561"),
    ],
)
def test_the_demo_has_bad_ends_too(almajob_process: Run, job: str, code: int, part: str) -> None:
    """So that they can be met before production has one."""
    done = almajob_process("--env", "demo", "run", "--job", job, "--wait")
    assert done.code == code
    assert part in done.err


def test_two_demos_at_once_share_a_world(almajob_process: Run) -> None:
    """Each starts its own run, as they say; all are there afterwards."""
    results: list[Result] = []
    command = ("--env", "demo", "run", "--job", ERP, "--if-running", "start")

    def start() -> None:
        results.append(almajob_process(*command, "-f", "json"))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    ids = {json.loads(result.out)["instance_id"] for result in results}
    assert len(ids) == 4
    for instance_id in ids:
        assert almajob_process("--env", "demo", "status", "--id", instance_id).code == 0


def test_a_world_that_is_damaged_is_an_error_with_a_cure(almajob_process: Run) -> None:
    """It is the user's, and not thrown away."""
    world = Path.home() / ".local/state/almajob/demo/world.jsonl"
    world.parent.mkdir(parents=True)
    world.write_text("{\n", "utf-8")
    done = almajob_process("--env", "demo", "list")
    assert (done.code, done.out) == (5, "")
    assert "Remove it" in done.err
    assert world.read_text("utf-8") == "{\n"


def test_the_demo_can_be_checked(almajob_process: Run) -> None:
    """As any environment."""
    done = almajob_process("--env", "demo", "config", "check", "-f", "json")
    assert done.code == 0
    assert "01SIM_INST" in done.out


def test_the_state_directory_is_private(almajob_process: Run) -> None:
    """With every directory that was made above it."""
    almajob_process("--env", "demo", "run", "--job", ERP)
    for name in (".local", ".local/state", ".local/state/almajob", ".local/state/almajob/demo", ".cache"):
        assert (Path.home() / name).stat().st_mode & 0o077 == 0, name


@pytest.mark.parametrize(
    ("section", "key", "code"),
    [
        ("sandbox", "simulator-sandbox-key", 0),
        ("sandbox", "simulator-production-key", 7),
        ("production", "simulator-sandbox-key", 7),
        ("sandbox", "simulator-guest-key", 7),
        ("sandbox", "nonsense-of-a-key", 7),
    ],
)
def test_a_key_of_the_wrong_environment_is_found(
    write_ini: Callable[..., Path], almajob: Run, section: str, key: str, code: int
) -> None:
    """Both environments have one address: only Alma itself can tell where a key leads."""
    with Simulator() as running:
        write_ini(f"[{section}]\napi_key = {key}\nbase_url = {running.base_url}\n")
        done = almajob("--env", section, "config", "check")
    assert done.code == code
    leads_elsewhere = key in ("simulator-sandbox-key", "simulator-production-key") and section not in key
    assert ("This key leads to" in done.out) is leads_elsewhere


def test_a_job_of_the_demo_lasts_long_enough_to_be_followed() -> None:
    """Who waits for one sees it queued, beginning and running, and its end within a quarter of a minute."""
    plan = spread_plan(DEMO_SECONDS)
    age, seen = 0.0, [plan.state_at(0.0)]
    while seen[-1] in ORDER:
        age += poll_interval.pause(age, lambda: 0.5)
        seen.append(plan.state_at(age))
    assert seen == ["QUEUED", "INITIALIZING", "RUNNING", "COMPLETED_SUCCESS"]
    assert 6 < age < 15


@pytest.mark.parametrize("seconds", ["soon", "-1", "nan", "1e9"])
def test_a_length_of_the_demos_jobs_that_is_none_is_refused(
    almajob: Run, monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    """It is named, and what it is for."""
    monkeypatch.setenv("ALMAJOB_DEMO_SECONDS", seconds)
    done = almajob("--env", "demo", "list", "--refresh")
    assert (done.code, done.out) == (7, "")
    assert f"ALMAJOB_DEMO_SECONDS is {seconds!r}" in done.err
    assert "how long a job of the demo runs" in done.err
