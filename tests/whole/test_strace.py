"""What the kernel sees: a start is on the disk before its first byte leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.testing import SimulatedAlma

STRACE = shutil.which("strace")


def _may_trace() -> bool:
    if STRACE is None:
        return False
    return (
        subprocess.run([STRACE, "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0
    )


pytestmark = pytest.mark.skipif(not _may_trace(), reason="there is no strace, or it may not trace")
COUNTED = ("pwrite64", "fdatasync", "rename")
# What Python compiles is written and renamed, too, but once only.
NO_PYC = ("PYTHONDONTWRITEBYTECODE", "1")
START = (
    *(sys.executable, "-m", "almajob", "--env", "sandbox", "run", "--job", "S9563600010000561"),
    *("--run-key", "nightly", "-f", "json"),
)


def test_sending_is_synced_before_the_post(simulated: SimulatedAlma, tmp_path: Path) -> None:
    """The database is written, then synced, then the request is sent."""
    trace = tmp_path / "trace"
    calls = "trace=pwrite64,fsync,fdatasync,sendto,sendmsg,write"
    subprocess.run(
        [
            *(str(STRACE), "-f", "-s", "6000", "-e", calls, "-o", str(trace)),
            *(sys.executable, "-m", "almajob", "--env", "sandbox", "run", "--job", "S9563600010000561"),
        ],
        capture_output=True,
        check=True,
    )
    lines = trace.read_text("utf-8", "replace").splitlines()
    # It shows all that is sent, and so the key; each file that a test leaves is searched for that.
    trace.unlink()
    (post,) = [number for number, line in enumerate(lines) if re.search(r'send(to|msg)\(.*"POST /', line)]
    written = [number for number, line in enumerate(lines[:post]) if "pwrite64" in line and "SENDING" in line]
    assert written
    synced = [line for line in lines[written[-1] : post] if re.search(r"\bf(data)?sync\(", line)]
    assert synced
    assert not any("STARTED" in line and "pwrite64" in line for line in lines[:post])


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """How many of which system calls the main thread makes before the POST; each SQLite makes others."""
    place = tmp_path_factory.mktemp("counted")
    ini, trace = place / "almajob.ini", place / "trace"
    calls = f"trace=execve,sendto,sendmsg,{','.join(COUNTED)}"
    with Simulator(Institution(Clock(speed=0))) as simulator:
        ini.touch(0o600)
        ini.write_text(SimulatedAlma(simulator).ini, "utf-8")
        subprocess.run(
            [str(STRACE), "-f", "-qq", "-e", calls, "-o", str(trace), *START],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(place),
                "ALMAJOB_INI": str(ini),
                NO_PYC[0]: NO_PYC[1],
            },
            stdout=subprocess.DEVNULL,
            check=True,
        )
    lines = trace.read_text("utf-8", "replace").splitlines()
    main_thread = lines[0].split()[0]
    until_post = takewhile(lambda line: not re.search(r'send(to|msg)\(.*"POST /', line), lines)
    # strace counts those of each thread for itself.
    words = (line.partition("(")[0].split() for line in until_post)
    return Counter(name for thread, name, *_more in words if thread == main_thread)


@pytest.mark.parametrize(
    ("call", "error", "when"),
    [
        # One half-way, the last before the POST, all after it, and all from shortly before it on.
        ("fdatasync", "EIO", lambda count: count // 2),
        ("fdatasync", "EIO", lambda count: count),
        ("fdatasync", "EIO", lambda count: f"{count + 1}+"),
        ("pwrite64", "ENOSPC", lambda count: f"{count * 9 // 10}+"),
        ("pwrite64", "ENOSPC", lambda count: f"{count + 1}+"),
        # A ledger is put into its place so.
        ("rename", "EIO", lambda count: count),
        # Every thread's first.
        ("connect", "ECONNREFUSED", lambda _count: 1),
    ],
)
def test_a_system_call_that_fails_starts_nothing_twice(
    simulated: SimulatedAlma,
    before: Counter[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    error: str,
    when: Callable[[int], object],
) -> None:
    """Those of SQLite, too; some meet the start before its POST, some after it."""
    monkeypatch.setenv(*NO_PYC)
    assert before[call] > 1 or call not in COUNTED, before
    trace = tmp_path / "trace"
    inject = f"inject={call}:error={error}:when={when(before[call])}"
    options = ("-f", "-qq", "-e", f"trace={call}", "-e", inject, "-o", str(trace))
    first = subprocess.run([str(STRACE), *options, *START], capture_output=True, text=True, check=False)
    assert "(INJECTED)" in trace.read_text("utf-8", "replace")
    assert "Traceback" not in first.stderr
    started = len(simulated.institution.sandbox.runs())
    assert (first.returncode, started) in [(0, 1), (5, 0), (6, 0)], first.stderr
    again = subprocess.run(START, capture_output=True, text=True, check=True)
    (run,) = simulated.institution.sandbox.runs()
    assert json.loads(again.stdout)["instance_id"] == run.id
