"""Forty institutions, each a simulator of its own, in one process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.testing import SimulatedAlma
from tests import conftest
from tests.cli.many.conftest import ERP, POST, section
from tests.conftest import Run

NAMES = [f"i{number:02}" for number in range(40)]


@pytest.fixture
def forty(write_ini: Callable[..., Path]) -> Iterator[list[SimulatedAlma]]:
    """Forty simulators, and a group of all of them, the last one first."""
    with ExitStack() as running:
        found = [SimulatedAlma(running.enter_context(Simulator(Institution(Clock())))) for _ in NAMES]
        text = [section(name, "sandbox", each.base_url) for name, each in zip(NAMES, found, strict=True)]
        write_ini(f"{''.join(text)}[group:all]\nenvironments = {' '.join(reversed(NAMES))}\n")
        yield found
        for each in found:
            each.check()


def test_forty_are_one_command(forty: list[SimulatedAlma], almajob: Run) -> None:
    """One POST in each, eight at a time at most, no other process; then one table of their states."""
    counted = threading.Lock()
    under_way, most = [0], [0]

    def count(step: int) -> None:
        with counted:
            under_way[0] += step
            most[0] = max(most[0], under_way[0])

    for each in forty:
        each.institution.interruptions.add(POST, "after", lambda: count(1))
        each.institution.interruptions.add("GET /conf/jobs/*/instances/*", "after", lambda: count(-1))
    started = almajob("--env", "@all", "-q", "run", ERP, "--run-key", "may", "-f", "json")
    assert conftest._children == []
    assert started.code == 0, started.err
    assert [row["environment"] for row in json.loads(started.out)] == NAMES[::-1]
    assert [each.log.count(POST) for each in forty] == [1] * len(NAMES)
    assert most[0] <= 8
    seen = almajob("--env", "@all", "-q", "status", "may", "-f", "json")
    states = [(row["environment"], row["error"], row["job_name"]) for row in json.loads(seen.out)]
    assert (seen.code, states) == (0, [(name, None, ERP) for name in NAMES[::-1]])
