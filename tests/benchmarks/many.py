"""Forty institutions and forty simulators: ``python -m tests.benchmarks.many``.

The command is one process, the simulators are another. Each answers after a fifth of a second, and one after
two; then all of them after one. Times are compared with what the slowest takes alone, memory with what one
institution takes.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock

INSTITUTIONS = 40
SLOWEST = "i20"
JOB = "ERP export using profile FINANCE"
_KEY = "simulator-sandbox-key"


def _serve() -> None:
    """Serve the simulators, and set how slow they are, as each line of stdin says."""
    with ExitStack() as running:
        simulators = [
            running.enter_context(Simulator(Institution(Clock(), job_count=120))) for _ in range(INSTITUTIONS)
        ]
        print(json.dumps([each.base_url for each in simulators]), flush=True)
        for line in sys.stdin:
            usual, slowest = json.loads(line)
            for number, each in enumerate(simulators):
                faults = each.institution.faults
                faults.clear()
                seconds = slowest if f"i{number:02}" == SLOWEST else usual
                if seconds:
                    faults.add("accepted-slow", times=None, seconds=seconds)
            print("set", flush=True)


def _write_ini(path: Path, urls: list[str]) -> None:
    names = [f"i{number:02}" for number in range(len(urls))]
    sections = [
        f"[{name}]\nkind = sandbox\napi_key = {_KEY}\nbase_url = {url}\n"
        for name, url in zip(names, urls, strict=True)
    ]
    path.touch(mode=0o600)
    path.write_text(f"{''.join(sections)}[group:all]\nenvironments = {' '.join(names)}\n", "utf-8")


def _run(*words: str) -> tuple[float, float]:
    """Run a command; return its seconds, and the most memory that it had, in MiB."""
    code = (
        "import resource, sys\nfrom almajob.__main__ import main\n"
        "code = main()\n"
        "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
        "sys.exit(code)"
    )
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begun
    assert done.returncode == 0, done.stderr
    return seconds, int(done.stderr.rsplit("peak ", 1)[1]) / 1024


def _print_ratio(what: str, *words: str, options: tuple[str, ...] = ()) -> None:
    alone, memory_alone = _run("-q", "--env", SLOWEST, *words)
    all_of_them, memory = _run("-q", "--env", "@all", *words, *options)
    print(
        f"{what}: {all_of_them / alone:.2f} of the slowest alone ({all_of_them:.2f} s, {alone:.2f} s); "
        f"{(memory - memory_alone) / (INSTITUTIONS - 1):+.2f} MiB for each institution",
        flush=True,
    )


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as closing:
        os.environ.update(HOME=directory, ALMAJOB_INI=f"{directory}/almajob.ini")
        server = closing.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.many", "serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        closing.callback(server.kill)
        assert server.stdin is not None
        assert server.stdout is not None
        _write_ini(Path(directory, "almajob.ini"), json.loads(server.stdout.readline()))
        _run("-q", "--env", "@all", "run", JOB)
        for usual, slowest, title, options in (
            (0.0, 0.0, "no delay", ()),
            (0.2, 2.0, "one slow", ()),
            (1.0, 1.0, "all alike, 40 at once", ("--at-once", "0")),
            (1.0, 1.0, "all alike, 8 at once", ()),
        ):
            server.stdin.write(f"{json.dumps([usual, slowest])}\n")
            server.stdin.flush()
            assert server.stdout.readline() == "set\n"
            for words in (("list", "--refresh"), ("status", "@last")):
                _print_ratio(f"{title}, {words[0]}", *words, options=options)
    print(f"children: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB at most")


if __name__ == "__main__":
    _serve() if sys.argv[1:] == ["serve"] else main()
