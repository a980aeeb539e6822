"""One rate for all processes: what arrives at Alma in its worst second."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

from almajob.alma.models import JobFilter
from almajob.alma.rate_limit.rates import Rates
from almajob.cli.context import Context
from almajob.config.settings import Options
from almajob.simulator.http.server import Simulator
from tests.support.processes import PROCESSES, exit_codes

PROCESS_COUNT = 50
CALL_COUNT = 6
PACE = Rates()


def _call_alma(directory: Path, env: str, all_ready: Barrier) -> None:
    environ = {
        "ALMAJOB_INI": str(directory / "almajob.ini"),
        "ALMAJOB_CACHE_DIR": str(directory / "cache"),
        "ALMAJOB_STATE_DIR": str(directory / "state"),
    }
    with Context(Options(env=env), environ) as context:
        all_ready.wait()
        for _call in range(CALL_COUNT):
            context.alma.jobs_page(JobFilter(), 0)


def find_worst_window(times: Sequence[float], seconds: float = 1.0) -> int:
    """Count the calls of the window of that length that has the most of them."""
    ordered = sorted(times)
    return max(
        sum(1 for later in ordered[first:] if later < begin + seconds) for first, begin in enumerate(ordered)
    )


def test_fifty_processes_keep_one_rate(tmp_path: Path) -> None:
    """In sandbox and production, as they are one institution's; no second has more than rate and burst."""
    with Simulator() as simulator:
        ini = tmp_path / "almajob.ini"
        ini.touch(mode=0o600)
        ini.write_text(
            f"[sandbox]\napi_key = simulator-sandbox-key\nbase_url = {simulator.base_url}\n"
            f"calls_per_second = {PACE.rate}\nburst = {PACE.burst}\n"
            f"[production]\napi_key = simulator-production-key\nbase_url = {simulator.base_url}\n"
        )
        all_ready = PROCESSES.Barrier(PROCESS_COUNT)
        each = [(tmp_path, env, all_ready) for env in ("sandbox", "production") * (PROCESS_COUNT // 2)]
        assert exit_codes(_call_alma, each) == [0] * PROCESS_COUNT
        entries = simulator.institution.log.requests()
        assert len(entries) == PROCESS_COUNT * CALL_COUNT
        worst = find_worst_window([entry.time for entry in entries])
        print(f"\n{len(entries)} calls of {PROCESS_COUNT} processes: {worst} in the worst second")
        assert worst <= PACE.rate + PACE.burst
