"""How long each start waits, where many are due in the same second."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from almajob.runs.start import splay

SECONDS = st.just(0.0) | st.floats(0.001, 10 * 366 * 86400)


@given(st.text(), st.text(), st.text(), SECONDS)
def test_a_wait_is_the_same_each_time_and_never_too_long(host: str, env: str, job: str, most: float) -> None:
    """Whatever the names are; half the time is half the wait."""
    wait = splay.splay(host, env, job, most)
    assert 0 <= wait <= most
    assert splay.splay(host, env, job, most) == wait
    assert splay.splay(host, env, job, most / 2) == wait / 2


def test_waits_are_spread_evenly() -> None:
    """Over hosts, jobs and environments: no tenth of the time has a fifth more starts than its share."""
    for names in (
        [(f"host{number:04}", "production", "M44") for number in range(3000)],
        [("host", "production", f"S{number}") for number in range(3000)],
        [(f"host{number // 2}", ("sandbox", "production")[number % 2], "M44") for number in range(3000)],
    ):
        waits = [splay.splay(*each, 300) for each in names]
        tenths = Counter(int(wait // 30) for wait in waits)
        assert sorted(tenths) == list(range(10))
        assert max(tenths.values()) < 360
        # A second gets 10 of them on average; without --splay it is all.
        assert max(Counter(map(int, waits)).values()) < 30


def test_names_are_not_run_together() -> None:
    """Host "a" with "bc" is another one than "ab" with "c"."""
    assert splay.splay("a", "bc", "M1", 300) != splay.splay("ab", "c", "M1", 300)


def test_the_host_is_the_same_in_every_process() -> None:
    """Python's own hash is not."""
    program = (
        "from almajob.runs.start.splay import *; h = identify_host(); print(splay(h, 'lab', 'M44', 300))"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        )
        assert float(done.stdout) == splay.splay(splay.identify_host(), "lab", "M44", 300)
