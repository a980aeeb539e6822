"""A run on ids, killed or failing at any call: one set, its members, one start, and no harm to others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.sets import SimulatedSet
from almajob.simulator.world.world import Rules
from tests.support.places import DIRECTORY, POSTGRESQL
from tests.support.postgres import Database
from tests.support.thoroughness import IN_CI, STRIDE
from tests.whole.mortal import Ended, Site, plan_fault, site_with_ledger

IDS = [str(99_700_000_000_561 + 10_000 * number) for number in range(2501)]
FAULTS = ("reset-after", "reset-before", "accepted-500", "503")
ALIKE = ("accepted-truncated", "accepted-502", "html-200", "per-second", "empty")
"""Faults that leave what one of the others leaves: at each third call will do."""
WHEN = ("never", "good", "always")
# A start in doubt is settled after an hour at the latest.
LATER = (30.0, 3600.0, 3600.0, 3600.0)


@dataclass
class World:
    """What a simulated institution has, and what its job was started on."""

    simulator: Simulator
    others: list[SimulatedSet] = field(default_factory=list)
    started_on: list[list[tuple[str, ...]]] = field(default_factory=list)

    def begin(self) -> None:
        """Begin anew."""
        institution = self.simulator.institution
        institution.reset()
        institution.rules.seconds = 20.0
        self.others, self.started_on = self.sets(), []
        sandbox = institution.worlds["SANDBOX"]
        submit = sandbox.submit

        def submit_and_note(*args: Any, **kwargs: Any) -> Any:
            self.started_on.append([each.members for each in self.ours])
            return submit(*args, **kwargs)

        sandbox.submit = submit_and_note  # type: ignore[method-assign]

    def sets(self) -> list[SimulatedSet]:
        """Return all sets of the sandbox."""
        return list(self.simulator.institution.worlds["SANDBOX"].sets)

    @property
    def ours(self) -> list[SimulatedSet]:
        """The sets that were not there at first."""
        known = {each.id for each in self.others}
        return [each for each in self.sets() if each.id not in known]

    @property
    def runs(self) -> list[str]:
        """The runs of the job."""
        return [run.id for run in self.simulator.institution.worlds["SANDBOX"].runs()]

    def check(self, when: str) -> None:
        """Make sure that all is as it must be once the command has ended well."""
        assert len(self.runs) == 1
        assert [each for each in self.sets() if each in self.others] == self.others
        for ours in self.started_on:
            assert [sorted(members) for members in ours] == [IDS]
        kept = [sorted(each.members) for each in self.ours]
        assert kept == ([IDS] if when == "never" else [])


@pytest.fixture
def world() -> Iterator[World]:
    rules = Rules(checks_parameters=False, seconds=20.0)
    with Simulator(Institution(Clock(speed=0), rules)) as running:
        yield World(running)


@pytest.fixture
def ids(tmp_path: Path) -> Path:
    path = tmp_path / "ids.txt"
    path.write_text("\n".join(IDS))
    return path


def _command(ids: Path, when: str, *more: str) -> tuple[str, ...]:
    run = ("run", "M44", "--allow-unknown", "--ids", str(ids), "--wait", "--delete-set", when)
    return ("--env", "sandbox", *run, "-q", "-f", "json", *more)


def _repeat(site: Site, world: World, command: tuple[str, ...]) -> Ended:
    """Give the same command until it ends well; as long as it does not, there is no second start."""
    for later in LATER:
        world.simulator.institution.clock.advance(later)
        ended = site.run(*command)
        assert "Traceback" not in ended.err, ended.err
        assert "a bug in almajob" not in ended.err, ended.err
        assert len(world.runs) <= 1
        assert len(world.ours) <= 1
        if ended.code == 0:
            return ended
    raise AssertionError(ended)


@pytest.mark.parametrize(
    ("database", "when", "share"),
    [
        *((DIRECTORY, when, 2) for when in WHEN),
        *((POSTGRESQL, when, 4) for when in (WHEN if IN_CI else WHEN[1:2])),
    ],
    indirect=["database"],
)
def test_killed_at_any_call_or_durable_write(
    world: World, tmp_path: Path, ids: Path, database: Database | None, when: str, share: int
) -> None:
    """The same command goes on where the dead one stopped, wherever the ledger is."""
    command = _command(ids, when, "--run-key", "may")
    world.begin()
    whole = site_with_ledger(tmp_path / "whole", world.simulator, database).run(*command)
    assert whole.code == 0, whole.err
    world.check(when)
    assert whole.points >= 20
    for point in range(1 + WHEN.index(when), whole.points + 1, 1 if IN_CI else share * STRIDE):
        world.begin()
        site = site_with_ledger(tmp_path / str(point), world.simulator, database)
        dead = site.run(*command, dies_at=point)
        assert dead.code == -9, dead.err
        _repeat(site, world, command)
        world.check(when)


def test_killed_without_a_run_key(world: World, tmp_path: Path, ids: Path) -> None:
    """The same command goes on within the hour; once the dead one had told its result, it is another run."""
    command = _command(ids, "good")
    world.begin()
    points = Site(tmp_path / "whole", world.simulator).run(*command).points
    for point in range(1, points + 1, 1 if IN_CI else 3 * STRIDE):
        world.begin()
        site = Site(tmp_path / str(point), world.simulator)
        if site.run(*command, dies_at=point).out:
            continue
        _repeat(site, world, command)
        world.check("good")


@pytest.mark.parametrize("fault", [*FAULTS, *ALIKE])
def test_a_fault_at_any_call(world: World, tmp_path: Path, ids: Path, fault: str) -> None:
    """The command ends well, or the same one does later."""
    command = _command(ids, "good", "--run-key", "may")
    world.begin()
    Site(tmp_path / "whole", world.simulator).run(*command)
    calls = world.simulator.institution.log.total
    step = (1 if fault in FAULTS else 3) * (1 if IN_CI else 2 * STRIDE)
    for nth in range(1 + (FAULTS + ALIKE).index(fault) % step, calls + 1, step):
        world.begin()
        plan_fault(world.simulator.institution, fault, nth)
        _repeat(Site(tmp_path / str(nth), world.simulator), world, command)
        world.check("good")
