"""The three streams of a process: closed, full, or without a reader."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# What the descriptors are after open_missing_streams(), and what becomes of a file that is opened then.
_READY = """
import json, os, stat, sys
from almajob.system import stdio
stdio.open_missing_streams()
null = os.stat(os.devnull).st_rdev
with open(sys.argv[1], "w") as file:
    json.dump({
        "null": [number for number in range(3) if os.fstat(number).st_rdev == null],
        "streams": [getattr(sys, name).fileno() for name in ("stdin", "stdout", "stderr")],
        "file": file.fileno(),
        "read": sys.stdin.read() if os.fstat(0).st_rdev == null else None,
    }, file)
print("a result", flush=True)
"""


@pytest.mark.parametrize(
    ("closed", "null", "is_lost"),
    [("<&-", [0], False), (">&-", [1], True), ("2>&-", [2], False), ("<&- >&- 2>&-", [0, 1, 2], True)],
)
def test_a_closed_stream_does_not_leave_its_place_to_a_file(
    tmp_path: Path, closed: str, null: list[int], is_lost: bool
) -> None:
    """The next file would be told what is meant for people; and only what is written to stdout is missed."""
    seen = tmp_path / "seen.json"
    words = [sys.executable, "-c", _READY, str(seen)]
    with open(__file__) as something:
        done = subprocess.run(
            ["bash", "-c", f'"$@" {closed}', "bash", *words],
            stdin=something,
            capture_output=True,
            check=False,
        )
    found = json.loads(seen.read_text())
    assert found["null"] == null
    assert found["streams"] == [0, 1, 2]
    assert found["file"] > 2
    assert found["read"] == ("" if 0 in null else None)
    assert (done.returncode != 0) is is_lost
