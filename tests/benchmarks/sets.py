"""What a run on many ids takes: ``python -m tests.benchmarks.sets [--ids 100000]``.

A process of its own, against a simulator: calls for the set, the most memory, and the time beside that of as
many bare reads at the rate of a sandbox. The exit code is 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.world import Rules

FEW, MANY = 2501, 100_000
MOST_MEGABYTES = 60.0
MOST_OF_PACE = 1.2
_MEASURED = (
    "import resource, sys; from almajob.cli.app import main; code = main(sys.argv[1:]); "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr); sys.exit(code)"
)

_PACE = (
    "import sys; import almajob\n"
    "with almajob.connect('sandbox') as context:\n"
    "    for _number in range(int(sys.argv[1])): context.alma.call('GET', '/conf/general')"
)


def measure_pace(simulator: Simulator, calls: int, place: Path) -> float:
    """Return the seconds that so many reads take, one after the other, in a process of its own."""
    environ = write_home(simulator, place)
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", _PACE, str(calls)], env=environ, check=True)
    return time.monotonic() - begun


def write_home(simulator: Simulator, place: Path) -> dict[str, str]:
    """Make a directory with a configuration file, and return the environment of who uses it."""
    place.mkdir()
    ini = place / "almajob.ini"
    ini.write_text(f"[sandbox]\napi_key = simulator-sandbox-key\nbase_url = {simulator.base_url}\n")
    ini.chmod(0o600)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("ALMAJOB_")},
        "ALMAJOB_INI": str(ini),
        "ALMAJOB_CACHE_DIR": str(place / "cache"),
        "ALMAJOB_STATE_DIR": str(place / "state"),
    }


def measure(simulator: Simulator, count: int, place: Path) -> tuple[float, float, int, int]:
    """Return seconds, megabytes, the calls for the set, and all calls of a run on so many ids."""
    environ = write_home(simulator, place)
    ids = place / "ids.txt"
    ids.write_text("".join(f"{10**12 + number}\n" for number in range(count)))
    run = ("--env", "sandbox", "run", "M44", "--ids", str(ids), "--run-key", str(count), "-q")
    log = simulator.institution.log
    log.clear()
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *run],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.monotonic() - begun
    if done.returncode:
        sys.exit(done.stderr)
    # The start reads its set once.
    of_set = log.count("* /conf/sets*") - 1
    return took, int(done.stderr.split()[-1]) / 1024, of_set, log.count()


def main() -> int:
    """Measure and print both; return 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ids", type=int, default=MANY)
    counts = (FEW, parser.parse_args().ids)
    is_missed = False
    rules = Rules(checks_parameters=False, seconds=1.0)
    with (
        Simulator(Institution(Clock(), rules)) as simulator,
        tempfile.TemporaryDirectory() as directory,
    ):
        for count in counts:
            took, megabytes, of_set, calls = measure(simulator, count, Path(directory, str(count)))
            allowed = 3 + -(-count // 1000) + 2
            pace = measure_pace(simulator, calls, Path(directory, f"pace {count}"))
            print(
                f"{count:>9,} ids: {of_set} calls for the set (at most {allowed}), {calls} in all; "
                f"{megabytes:.0f} MB; {took:.1f} s, {took / pace:.2f} of the rate's {pace:.1f} s"
            )
            is_missed |= of_set > allowed
            if count >= MANY:
                is_missed |= megabytes > MOST_MEGABYTES or took > MOST_OF_PACE * pace
            # Alma starts no job beside one that runs.
            simulator.institution.clock.advance(3600)
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
