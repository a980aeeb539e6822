"""Many processes at once: one run for each key, whoever comes first."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

from almajob.cli.app import main
from almajob.cli.context import Context
from almajob.config.settings import Options
from almajob.runs.start_request import StartOptions
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.job_data import built_in_jobs
from almajob.simulator.world.world import Rules
from almajob.store.ledger.record import checksum
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.processes import PROCESSES, exit_codes
from tests.support.thoroughness import STRIDE

JOBS = [
    job.id for job in built_in_jobs() if job.type == "MANUAL" and job.may_be_submitted and not job.is_chain
]
PROCESS_COUNT = 20
KEY_COUNT = 100 // STRIDE


def _start_all(directory: Path, number: int, all_ready: Barrier, key_count: int) -> None:
    """Start a job under each key, at the same moment as the others; CI is unknown in such a process."""
    environ = {
        "ALMAJOB_INI": str(directory / "almajob.ini"),
        "ALMAJOB_CACHE_DIR": str(directory / "cache"),
        "ALMAJOB_STATE_DIR": str(directory / "state"),
    }
    with (directory / f"named.{number}").open("w") as named:
        for key in range(key_count):
            all_ready.wait()
            options = StartOptions(run_key=f"key {key}", if_running="start", allow_unknown=True)
            with Context(Options(env="sandbox"), environ) as context:
                # Alma takes five starts of one job an hour.
                run = context.runs.start(JOBS[key // 4], (), options, look=False)
            named.write(f"{run.instance.id}\n")


def test_twenty_processes_with_the_same_key_start_one_run(tmp_path: Path) -> None:
    """In CI a hundred keys, and exactly a hundred POSTs; all twenty name the same run each time."""
    rules = Rules(checks_parameters=False, thresholds=False, seconds=0.0)
    with Simulator(Institution(Clock(speed=0), rules)) as simulator:
        ini = tmp_path / "almajob.ini"
        ini.touch(mode=0o600)
        pace = "calls_per_second = 1000\nburst = 100\n"
        ini.write_text(f"[sandbox]\napi_key = {simulator.key}\nbase_url = {simulator.base_url}\n{pace}")
        all_ready = PROCESSES.Barrier(PROCESS_COUNT)
        each = [(tmp_path, number, all_ready, KEY_COUNT) for number in range(PROCESS_COUNT)]
        assert exit_codes(_start_all, each) == [0] * PROCESS_COUNT
        named = {(tmp_path / f"named.{number}").read_text() for number in range(PROCESS_COUNT)}
        assert simulator.institution.log.count("POST /conf/jobs/*") == KEY_COUNT
        assert named == {"".join(f"{run.id}\n" for run in simulator.institution.sandbox.runs())}


def _start_unlocked(directory: Path, number: int, all_ready: Barrier, command: tuple[str, ...]) -> None:
    """Run a command where every lock is granted, as on some network file systems."""
    fcntl.flock = lambda *_: None
    os.environ |= {
        "ALMAJOB_INI": str(directory / "almajob.ini"),
        "ALMAJOB_STATE_DIR": str(directory / "state"),
    }
    os.dup2(os.open(directory / f"out.{number}", os.O_CREAT | os.O_WRONLY, 0o600), 1)
    os.dup2(os.open(directory / f"err.{number}", os.O_CREAT | os.O_WRONLY, 0o600), 2)
    all_ready.wait()
    sys.exit(main(list(command)))


def test_where_locks_have_no_effect_nothing_is_started(simulated: SimulatedAlma, tmp_path: Path) -> None:
    """Six processes with the same key at once; config check tells it as well."""
    ini = tmp_path / "almajob.ini"
    ini.touch(mode=0o600)
    ini.write_text(simulated.ini)
    run = ("--env", "sandbox", "run", "--job", "S9563600010000561", "--run-key", "k")
    # The ledger is there before they come: nothing keeps them from making it at the same time.
    for together in ([0], range(1, 7)):
        all_ready = PROCESSES.Barrier(len(together))
        each = [(tmp_path, number, all_ready, run) for number in together]
        assert exit_codes(_start_unlocked, each) == [5] * len(together)
    assert simulated.log.count("POST *") == 0
    for number in range(7):
        told = (tmp_path / f"err.{number}").read_text()
        assert f"almajob: Locks have no effect in {tmp_path / 'state' / 'locks'}. Nothing was sent." in told
        assert (
            f"Move {tmp_path / 'state'} to a local disk, and name its new place in ALMAJOB_STATE_DIR." in told
        )
    check = ("--env", "sandbox", "config", "check", "-f", "json")
    assert exit_codes(_start_unlocked, [(tmp_path, 7, PROCESSES.Barrier(1), check)]) == [7]
    rows = {row["check"]: row for row in json.loads((tmp_path / "out.7").read_text())}
    assert rows["locks"]["result"].startswith("failed: Locks have no effect in")
    assert "ALMAJOB_STATE_DIR" in rows["locks"]["fix"]


def test_a_start_that_hangs_holds_up_no_other_key(simulated: SimulatedAlma, almajob: Run) -> None:
    """Two keys that shared one of 64 locks, once, of two jobs: the second does not wait."""
    first, *others = (f"key {number}" for number in range(1000))
    second = next(key for key in others if _bucket(key) == _bucket(first))
    simulated.institution.rules.checks_parameters = False
    simulated.faults.add("accepted-slow", f"POST /conf/jobs/{JOBS[0]}", seconds=60)
    run = ("--env", "sandbox", "run", "--allow-unknown", "--lock-wait", "0s")
    hanging = subprocess.Popen(
        [sys.executable, "-m", "almajob", *run, "--job", JOBS[0], "--run-key", first],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while simulated.log.count(f"POST /conf/jobs/{JOBS[0]}") == 0:
            assert hanging.poll() is None
            time.sleep(0.01)
        done = almajob(*run, "--job", JOBS[1], "--run-key", second)
        assert hanging.poll() is None
    finally:
        hanging.kill()
        hanging.wait()
    assert done.code == 0, done.err
    assert simulated.log.count("POST /conf/jobs/*") == 2


def _bucket(run_key: str) -> int:
    return int(checksum(run_key)[:8], 16) % 64
