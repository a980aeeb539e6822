"""What the kernel sees: a start is on the disk before its first byte leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma

STRACE = shutil.which("strace")


def _may_trace() -> bool:
    if STRACE is None:
        return False
    return (
        subprocess.run([STRACE, "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0
    )


pytestmark = pytest.mark.skipif(not _may_trace(), reason="there is no strace, or it may not trace")
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
    (post,) = [number for number, line in enumerate(lines) if re.search(r'send(to|msg)\(.*"POST /', line)]
    written = [number for number, line in enumerate(lines[:post]) if "pwrite64" in line and "SENDING" in line]
    assert written
    synced = [line for line in lines[written[-1] : post] if re.search(r"\bf(data)?sync\(", line)]
    assert synced
    assert not any("STARTED" in line and "pwrite64" in line for line in lines[:post])


@pytest.mark.parametrize(
    ("call", "failure"),
    [
        ("fdatasync", "error=EIO:when=80"),
        ("fdatasync", "error=EIO:when=160+"),
        ("pwrite64", "error=ENOSPC:when=450+"),
        ("pwrite64", "error=ENOSPC:when=550+"),
        ("rename", "error=EIO:when=2"),
        ("connect", "error=ECONNREFUSED:when=1"),
    ],
)
def test_a_system_call_that_fails_starts_nothing_twice(
    simulated: SimulatedAlma, tmp_path: Path, call: str, failure: str
) -> None:
    """Those of SQLite, too; some meet the start before its POST, some after it."""
    trace = tmp_path / "trace"
    options = ("-f", "-qq", "-e", f"trace={call}", "-e", f"inject={call}:{failure}", "-o", str(trace))
    first = subprocess.run([str(STRACE), *options, *START], capture_output=True, text=True, check=False)
    assert "(INJECTED)" in trace.read_text("utf-8", "replace")
    assert "Traceback" not in first.stderr
    started = len(simulated.institution.sandbox.runs())
    assert (first.returncode, started) in [(0, 1), (5, 0), (6, 0)], first.stderr
    again = subprocess.run(START, capture_output=True, text=True, check=True)
    (run,) = simulated.institution.sandbox.runs()
    assert json.loads(again.stdout)["instance_id"] == run.id
