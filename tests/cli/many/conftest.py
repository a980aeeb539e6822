"""A consortium: four institutions that answer, and others that do not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock as SimulatorClock
from almajob.system.clock import Clock
from almajob.testing import SimulatedAlma

KINDS = {"east": "sandbox", "west": "sandbox", "north": "production", "south": "production"}
ERP = "ERP export using profile FINANCE"
POST = "POST /conf/jobs/*"
# Nothing listens there.
BROKEN = """\
[down]
kind = sandbox
api_key = simulator-sandbox-key
base_url = http://127.0.0.1:9
[odd]
kind = sandbox
api_key = simulator-sandbox-key
region = mars
[group:all]
environments = east west north south
[group:labs]
environments = west, east
"""

Consortium = dict[str, SimulatedAlma]


def section(name: str, kind: str, url: str, key: str = "") -> str:
    """Return the section of an environment."""
    return f"[{name}]\nkind = {kind}\napi_key = {key or f'simulator-{kind}-key'}\nbase_url = {url}\n"


@pytest.fixture
def consortium(write_ini: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Consortium]:
    """Four simulators, whose time passes where almajob waits; ``wrong`` has a key that one refuses."""
    clock = SimulatorClock(speed=0)
    with ExitStack() as running:
        found = {name: SimulatedAlma(running.enter_context(Simulator(Institution(clock)))) for name in KINDS}
        text = "".join(section(name, kind, found[name].base_url) for name, kind in KINDS.items())
        text += section("wrong", "sandbox", found["west"].base_url, "l7xx" + "0" * 32)
        write_ini(text + BROKEN)
        passing = Clock(clock, clock, lambda seconds: clock.advance(max(seconds, 0)), clock)
        monkeypatch.setattr("almajob.system.clock.SYSTEM", passing)
        yield found
        for each in found.values():
            each.check()


def hold(alma: SimulatedAlma, on: str, until: threading.Event) -> None:
    """Let an answer wait until something has happened elsewhere; a minute at most."""
    alma.institution.interruptions.add(on, "after", lambda: assert_happens(until))


def assert_happens(event: threading.Event) -> None:
    assert event.wait(60)
