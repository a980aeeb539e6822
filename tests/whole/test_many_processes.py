"""Many processes at once: one run for each key, whoever comes first."""

from __future__ import annotations

from multiprocessing.synchronize import Barrier
from pathlib import Path

from almajob.config.settings import Options
from almajob.context import Context
from almajob.runs.intention import StartOptions
from almajob.simulator.catalogue import built_in_jobs
from almajob.simulator.clock import Clock
from almajob.simulator.institution import Institution
from almajob.simulator.rules import Rules
from almajob.simulator.server import Simulator
from tests.processes import PROCESSES, exit_codes

JOBS = [
    job.id for job in built_in_jobs() if job.type == "MANUAL" and job.may_be_submitted and not job.is_chain
]
PROCESS_COUNT = 20
KEY_COUNT = 100


def _start_all(directory: Path, number: int, all_ready: Barrier) -> None:
    environ = {
        "ALMAJOB_INI": str(directory / "almajob.ini"),
        "ALMAJOB_CACHE_DIR": str(directory / "cache"),
        "ALMAJOB_STATE_DIR": str(directory / "state"),
    }
    with (directory / f"named.{number}").open("w") as named:
        for key in range(KEY_COUNT):
            all_ready.wait()
            options = StartOptions(run_key=f"key {key}", if_running="start", allow_unknown=True)
            with Context(Options(env="sandbox"), environ) as context:
                # Alma takes five starts of one job an hour.
                record = context.starts.start(JOBS[key // 4], (), options)
            named.write(f"{record.instance_id}\n")


def test_twenty_processes_with_the_same_key_start_one_run(fast_path: Path) -> None:
    """A hundred keys, and exactly a hundred POSTs; all twenty name the same run each time."""
    rules = Rules(checks_parameters=False, thresholds=False, seconds=0.0)
    with Simulator(Institution(Clock(speed=0), rules)) as simulator:
        ini = fast_path / "almajob.ini"
        ini.touch(mode=0o600)
        pace = "calls_per_second = 1000\nburst = 100\n"
        ini.write_text(f"[sandbox]\napi_key = {simulator.key}\nbase_url = {simulator.base_url}\n{pace}")
        all_ready = PROCESSES.Barrier(PROCESS_COUNT)
        each = [(fast_path, number, all_ready) for number in range(PROCESS_COUNT)]
        assert exit_codes(_start_all, each) == [0] * PROCESS_COUNT
        named = {(fast_path / f"named.{number}").read_text() for number in range(PROCESS_COUNT)}
        assert simulator.institution.log.count("POST /conf/jobs/*") == KEY_COUNT
        assert named == {"".join(f"{run.id}\n" for run in simulator.institution.sandbox.runs())}
