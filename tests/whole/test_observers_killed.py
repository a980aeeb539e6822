"""Killed between a fact and its call, or in the call: each event once, and once more where it died there."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from almajob.runs.observers.announcer import Announcer, InstalledObserver
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.world import Rules
from almajob.store.ledger.record import State
from tests.support.ledgers import list_records, open_ledger
from tests.support.observers import install_observer, read_observed, wait_until_told
from tests.support.thoroughness import sample
from tests.whole.mortal import Site, deliver_killed, write_found_start

COMMAND = ("--env", "production", "run", "--yes", "--allow-unknown", "--job", "M44", "--run-key", "k", "-q")
START = "POST /conf/jobs/*"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "packages"
    path.mkdir()
    install_observer(path)
    monkeypatch.syspath_prepend(str(path))
    return path


def _live(site: Site, packages: Path, dies_at: int) -> int:
    """Run the command as it is given once and once more, an hour later, and return its points."""
    first = site.run(*COMMAND, dies_at=dies_at, path=str(packages))
    if dies_at:
        assert first.code == -9
        for _later in range(2):
            site.simulator.institution.clock.advance(3600.0)
            site.run(*COMMAND, path=str(packages))
    wait_until_told(site.directory / "state")
    return first.points


@pytest.mark.parametrize("fault", sample(["accepted-500", None]))
def test_a_command_that_dies_anywhere_has_called_nobody_twice_and_forgotten_nobody(
    packages: Path, tmp_path: Path, fault: str | None
) -> None:
    """At each moment before and after each durable write, each call of Alma, and each begin of a delivery."""
    with Simulator(Institution(Clock(speed=0), Rules(checks_parameters=False, seconds=20.0))) as simulator:

        def live(dies_at: int) -> int:
            simulator.institution.reset()
            simulator.institution.rules.seconds = 20.0
            if fault:
                simulator.institution.faults.add(fault, START)
            place = tmp_path / str(dies_at)
            points = _live(Site(place, simulator), packages, dies_at)
            kinds = [event["kind"] for event in read_observed(place)]
            unknown = [kind for kind in kinds if kind == "start_unknown"]
            states = [
                [past.state for past in record.trail]
                for record in list_records(open_ledger(place / "state" / "ledger"))
            ]
            # What the ledger has is what was announced.
            assert len(unknown) == sum(State.UNKNOWN in trail for trail in states), (dies_at, states)
            assert kinds[-1] == "start_recorded"
            assert kinds.count("start_recorded") == 1, dies_at
            return points

        points = live(0)
        assert points >= 12
        for point in sample(range(points, 0, -1)):
            live(point)


def test_a_delivery_that_dies_in_a_call_repeats_that_one_alone(packages: Path, tmp_path: Path) -> None:
    """Two events in order; one whose call was over, but not noted, when the process died comes once more."""

    observer = InstalledObserver("recorder", "recorder:Recorder", "recorder", "1.2")
    for moment in sample(range(1, 13)):
        state = tmp_path / str(moment) / "state"
        announcer = Announcer([observer], str(state), "")
        announcer.wake = lambda: None  # type: ignore[method-assign]
        ledger = open_ledger(state / "ledger", announcer)
        (state / "observers").mkdir(mode=0o700, parents=True)
        write_found_start(ledger)
        assert deliver_killed(state, moment) == [-signal.SIGKILL, 0]
        kinds = [event["kind"] for event in read_observed(state.parent)]
        number, step = divmod(moment - 1, 6)
        expected = ["start_unknown", "start_recorded"]
        # After the call itself, and before it was removed.
        if step in (3, 4):
            expected.insert(number, expected[number])
        assert kinds == expected, moment
        assert ledger.announcements() == []
