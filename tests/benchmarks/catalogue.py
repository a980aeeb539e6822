"""How long a catalogue of 100,000 jobs takes: ``python -m tests.benchmarks.catalogue [--jobs 100000]``.

Whole processes, with the job list in the cache: the fastest of some rounds, in all and as processor time, and
the most memory; and how many times that of a catalogue of 100 jobs it is, in the same run. The exit code is 1
where a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution

FEW, MANY = 100, 100_000
LIST_SECONDS, ONE_SECONDS = 1.0, 0.3
# Both catalogues have it; it needs a set.
_JOB = "Normalize records, step 000010"
_RUN = ("--env", "ENV", "run", _JOB, "--dry-run", "--allow-unknown", "--param", "set_id=1")
COMMANDS: tuple[tuple[str, tuple[str, ...], float | None], ...] = (
    ("list", ("--env", "ENV", "list"), LIST_SECONDS),
    ("list, 80 columns", ("--env", "ENV", "list", "--max-width", "80"), LIST_SECONDS),
    ("list -f json", ("--env", "ENV", "list", "-f", "json"), LIST_SECONDS),
    ("list -f csv", ("--env", "ENV", "list", "-f", "csv"), LIST_SECONDS),
    ("list -f value", ("--env", "ENV", "list", "-f", "value"), LIST_SECONDS),
    (
        "list --sort-column name -f json",
        ("--env", "ENV", "list", "--sort-column", "name", "-f", "json"),
        None,
    ),
    ("list --name '*99' -f json", ("--env", "ENV", "list", "--name", "*99", "-f", "json"), LIST_SECONDS),
    ("show JOB", ("--env", "ENV", "show", _JOB), ONE_SECONDS),
    ("run JOB --dry-run", _RUN, ONE_SECONDS),
    ("status --job JOB", ("--env", "ENV", "status", "--job", _JOB), ONE_SECONDS),
    (
        "TAB, one candidate",
        ("__complete", "bash", f"almajob --env ENV show '{_JOB}", f"'{_JOB}"),
        ONE_SECONDS,
    ),
    (
        "TAB, ten candidates",
        ("__complete", "fish", "almajob", "--env", "ENV", "show", _JOB[:-1]),
        ONE_SECONDS,
    ),
    (
        "TAB, nearly all are candidates",
        ("__complete", "fish", "almajob", "--env", "ENV", "show", "Nor"),
        None,
    ),
    ("--version", ("--version",), None),
)
"""What is measured, with what words, and how many seconds it may take with the larger catalogue."""


class Figures(NamedTuple):
    """What a process took at best: seconds in all, seconds of the processor, MiB of memory."""

    seconds: float
    processor: float
    memory: float


# A process of its own, and a small one: what a process takes counts from its parent's size.
_MEASURE = """
import json, resource, subprocess, sys, time
begun = time.perf_counter()
done = subprocess.run([sys.executable, "-m", "almajob", *sys.argv[1:]],
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
seconds = time.perf_counter() - begun
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""


def _measure(words: tuple[str, ...], environ: dict[str, str], rounds: int) -> Figures:
    taken = []
    for _ in range(rounds):
        command = [sys.executable, "-c", _MEASURE, *words]
        code, *figures = json.loads(
            subprocess.run(command, env=environ, check=True, capture_output=True).stdout
        )
        # A job that never ran has no status.
        if code not in (0, 5):
            sys.exit(f"{words}: exit code {code}")
        taken.append(Figures(*figures))
    return Figures(*map(min, zip(*taken, strict=True)))


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=MANY)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    missed = []
    with (
        tempfile.TemporaryDirectory() as home,
        Simulator(Institution(job_count=FEW)) as few,
        Simulator(Institution(job_count=options.jobs)) as many,
    ):
        ini = Path(home, "almajob.ini")
        ini.touch(0o600)
        sections = [
            f"[{name}]\nkind = sandbox\ncalls_per_second = 500\n"
            f"api_key = {each.key}\nbase_url = {each.base_url}\n"
            for name, each in (("few", few), ("many", many))
        ]
        ini.write_text("".join(sections), "utf-8")
        environ = {"HOME": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "ALMAJOB_INI": str(ini)}
        for name in ("few", "many"):
            _measure(("--env", name, "list", "-f", "value"), environ, 1)
        print(
            f"With {options.jobs:,} jobs, the list in the cache (in brackets: times that with {FEW} jobs):\n"
        )
        print("| command | seconds | of the processor | MiB |\n|---|---:|---:|---:|")
        for title, words, limit in COMMANDS:
            small, large = (
                _measure(tuple(word.replace("ENV", name) for word in words), environ, options.rounds)
                for name in ("few", "many")
            )
            cells = [
                f"{high:{form}} ({high / low:.1f})"
                for low, high, form in zip(small, large, (".2f", ".2f", ".0f"), strict=True)
            ]
            print(f"| `{title}` | {' | '.join(cells)} |", flush=True)
            if limit is not None and large.seconds > limit:
                missed.append(f"{title} took {large.seconds:.2f} s, and may take {limit} s")
    sys.exit("\n".join(missed) or None)


if __name__ == "__main__":
    main()
