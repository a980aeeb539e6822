"""How long a cold list of 1,000 jobs takes: ``python -m tests.benchmarks.cold_list``.

Against a server that takes 100 ms for each answer; printed, and compared with one of its answers and with a
list that comes from the cache, in the same run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from almajob.simulator.http.messages import Call, Reply
from almajob.simulator.http.server import Simulator
from almajob.simulator.http.wsgi import Application
from almajob.simulator.institution import Institution

SECONDS = 0.1
ROUNDS = 5


def _best(ask: Callable[[], object]) -> float:
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def main() -> None:
    """Measure, and print a table in Markdown."""
    serve = Application._serve

    def slowly(self: Application, call: Call, path: str, base: str) -> Reply:
        threading.Event().wait(SECONDS)
        return serve(self, call, path, base)

    with (
        mock.patch.object(Application, "_serve", slowly),
        tempfile.TemporaryDirectory() as home,
        Simulator(Institution(job_count=1000)) as running,
    ):
        ini = Path(home, "almajob.ini")
        ini.touch(0o600)
        ini.write_text(f"[sandbox]\napi_key = {running.key}\nbase_url = {running.base_url}\n", "utf-8")
        environ = {**os.environ, "HOME": home, "ALMAJOB_INI": str(ini)}

        def almajob(*words: str) -> Callable[[], object]:
            command = [sys.executable, "-m", "almajob", *words]
            return lambda: subprocess.run(command, env=environ, capture_output=True, check=True)

        one = _best(almajob("--env", "sandbox", "show", "M44"))
        cold = _best(almajob("--env", "sandbox", "list", "-f", "json", "--refresh"))
        warm = _best(almajob("--env", "sandbox", "list", "-f", "json"))
    print("| command | best of 5, ms | answers of 100 ms beyond the warm list |\n|---|---:|---:|")
    for name, taken in (("list, warm", warm), ("show (one call)", one), ("list, cold (ten calls)", cold)):
        print(f"| {name} | {taken * 1000:.0f} | {max(taken - warm, 0) / SECONDS:.1f} |")


if __name__ == "__main__":
    main()
