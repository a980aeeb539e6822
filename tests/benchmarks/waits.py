"""Three hundred runs at once, and five thousand looks: ``python -m tests.benchmarks.waits``.

Over HTTP, against a simulator in this process, in processes of their own. Memory is compared with that of a
wait for one run, or with what it was after the first hundred looks.
"""

from __future__ import annotations

import collections
import itertools
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from almajob.alma.api_key import Key
from almajob.alma.client import Alma
from almajob.alma.http.session import Session
from almajob.alma.job_instances import Instance
from almajob.runs.wait.poller import LOOKS_PER_SECOND, Poller
from almajob.runs.wait.watched_run import WaitOptions, WatchedRun
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.world import Rules
from tests.support.clocks import FastClock

CROWD = 300
LOOKS = 5000
SECONDS = 60.0


def _peak() -> int:
    """Return the most memory that this process ever had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _resident() -> int:
    """Return the memory that this process has now, in KiB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * (os.sysconf("SC_PAGE_SIZE") // 1024)


def _follow(base_url: str, run_ids: list[str]) -> dict[str, int]:
    """Follow runs to their ends, as a process of its own does."""
    alma = Alma(Session(base_url, Key("simulator-sandbox-key")))
    runs = [WatchedRun(run_id) for run_id in run_ids]

    def look(run: WatchedRun, patience: float) -> tuple[Instance, float | None]:
        return alma.look(run.instance_id, patience=patience)[0], None

    Poller(runs, look, WaitOptions(interval=5)).follow()
    return {"ended": sum(run.has_ended for run in runs), "peak": _peak()}


def _soak(base_url: str, run_ids: list[str]) -> dict[str, int]:
    """Look at one run five thousand times."""
    alma = Alma(Session(base_url, Key("simulator-sandbox-key")))
    seen: list[tuple[int, int]] = []
    count = 0

    def look(run: WatchedRun, patience: float) -> tuple[Instance, float | None]:
        nonlocal count
        count += 1
        if count in (100, LOOKS):
            seen.append((len(os.listdir("/proc/self/fd")), _resident()))
        return alma.look(run.instance_id, patience=patience)[0], None

    options = WaitOptions(interval=1, timeout=LOOKS - 1)
    Poller([WatchedRun(run_ids[0])], look, options, FastClock(0.0).clock).follow()
    (files, before), (files_then, then) = seen
    return {"looks": count, "files": files_then - files, "growth": then - before}


def _apart(name: str, base_url: str, run_ids: list[str]) -> dict[str, int]:
    """Do a measurement in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.waits", name, base_url]
    done = subprocess.run(command, input=json.dumps(run_ids), stdout=subprocess.PIPE, check=True, text=True)
    return dict(json.loads(done.stdout))


def _started(institution: Institution, count: int) -> list[str]:
    world = institution.sandbox
    manual = [job for job in world.jobs if job.type == "MANUAL" and not job.is_chain]
    return [world.submit(job, []).id for job in itertools.islice(itertools.cycle(manual), count)]


def _busiest_second(moments: list[float]) -> int:
    window: collections.deque[float] = collections.deque()
    most = 0
    for moment in moments:
        window.append(moment)
        while moment - window[0] >= 1:
            window.popleft()
        most = max(most, len(window))
    return most


def main() -> None:
    """Measure, and print a table in Markdown."""
    rules = Rules(thresholds=False, checks_parameters=False, seconds=SECONDS)
    with Simulator(Institution(Clock(), rules)) as simulator:
        institution = simulator.institution
        one = _apart("follow", simulator.base_url, _started(institution, 1))
        institution.log.clear()
        many = _apart("follow", simulator.base_url, _started(institution, CROWD))
        moments = [entry.time for entry in institution.log.requests()]
        soaked = _apart("soak", simulator.base_url, _soaked(institution))
    print("| | |\n|---|---:|")
    print(f"| runs followed at once | {CROWD} |")
    print(f"| of them seen to end | {many['ended']} |")
    print(f"| looks | {len(moments)} |")
    print(f"| looks in the busiest second (limit: {LOOKS_PER_SECOND}) | {_busiest_second(moments)} |")
    print(f"| memory more than for one run | {(many['peak'] - one['peak']) / 1024:.1f} MiB |")
    print(f"| looks at one run | {soaked['looks']:,} |")
    print(f"| open files more after them | {soaked['files']} |")
    print(f"| memory more after them | {soaked['growth'] / 1024:.1f} MiB |")


def _soaked(institution: Institution) -> list[str]:
    institution.rules.seconds = 1e6
    return _started(institution, 1)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure = {"follow": _follow, "soak": _soak}[sys.argv[1]]
        print(json.dumps(measure(sys.argv[2], json.load(sys.stdin))))
    else:
        main()
