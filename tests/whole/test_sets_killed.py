"""``almajob sets create``, killed or failing at any call: one set with its members, and no harm to others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.sets import SimulatedSet
from almajob.simulator.world.world import Rules
from tests.support.thoroughness import IN_CI, STRIDE, sample
from tests.whole.mortal import Ended, Site, plan_fault

NAME = "Mine"
IDS = [str(99_700_000_000_561 + 10_000 * number) for number in range(2501)]
THESES, LOGICAL = "Theses without a call number", "All electronic theses"
IMPORT = "S9563600070000561"
SOURCES = ("ids", "run", "logical", "combine")
FAULTS = ("reset-after", "reset-before", "accepted-500", "503")
ALIKE = ("accepted-truncated", "accepted-502", "html-200", "per-second", "empty")
"""Faults that leave what one of the others leaves: at each third call will do."""
TRIES = 4


@dataclass
class World:
    """A simulated institution with an import that has ended, and what was there before the command."""

    simulator: Simulator
    others: list[SimulatedSet] = field(default_factory=list)
    import_id: str = ""

    def begin(self) -> None:
        """Begin anew."""
        institution = self.simulator.institution
        institution.reset()
        sandbox = institution.sandbox
        job = sandbox.job(IMPORT)
        assert job is not None
        self.import_id = sandbox.submit(job, []).id
        institution.clock.advance(3600.0)
        self.others = list(sandbox.sets)

    @property
    def ours(self) -> list[SimulatedSet]:
        """The sets that were not there at first."""
        known = {each.id for each in self.others}
        return [each for each in self.simulator.institution.sandbox.sets if each.id not in known]

    def expect(self, source: str) -> list[str]:
        """Return the members that the set must have in the end."""
        members = {each.name: list(each.members) for each in self.others}
        return {
            "ids": IDS,
            "run": members[THESES][:5],
            "logical": members[LOGICAL],
            "combine": members[THESES][25:],
        }[source]

    def check(self, source: str) -> None:
        """Make sure that all is as it must be once the command has ended well."""
        (made,) = self.ours
        assert (made.name, sorted(made.members)) == (NAME, sorted(self.expect(source)))
        assert made.members_at(self.simulator.institution.clock()) == made.members
        assert [
            each for each in self.simulator.institution.sandbox.sets if each in self.others
        ] == self.others


@pytest.fixture
def world() -> Iterator[World]:
    with Simulator(Institution(Clock(speed=0), Rules(thresholds=False))) as running:
        yield World(running)


@pytest.fixture
def ids(tmp_path: Path) -> Path:
    path = tmp_path / "ids.txt"
    path.write_text("\n".join(IDS))
    return path


def _command(source: str, world: World, ids: Path) -> tuple[str, ...]:
    of_source = {
        "ids": ("--ids", str(ids)),
        "run": ("--from-run", world.import_id, "--population", "IMPORTED_RECORDS_NO_MATCH"),
        "logical": ("--from-logical", LOGICAL),
        "combine": ("--combine", f"{THESES} not {LOGICAL}"),
    }
    return ("--env", "sandbox", "sets", "create", NAME, *of_source[source], "-q", "-f", "json")


def _repeat(site: Site, world: World, command: tuple[str, ...]) -> Ended:
    """Give the same command until it ends well; there is never a second set."""
    for _try in range(TRIES):
        ended = site.run(*command)
        assert "Traceback" not in ended.err, ended.err
        assert "a bug in almajob" not in ended.err, ended.err
        assert len(world.ours) <= 1
        if ended.code == 0:
            assert json.loads(ended.out)["id"] == world.ours[0].id
            return ended
    raise AssertionError(ended)


@pytest.mark.parametrize("source", SOURCES)
def test_killed_at_any_call_or_durable_write(world: World, tmp_path: Path, ids: Path, source: str) -> None:
    """The same command goes on where the dead one stopped."""
    world.begin()
    whole = Site(tmp_path / "whole", world.simulator).run(*_command(source, world, ids))
    assert whole.code == 0, whole.err
    world.check(source)
    # Before and after each of: its beginning is kept, it is made, that is kept, that it is filled is kept.
    assert whole.points >= 8
    for point in range(1 + SOURCES.index(source) % 2, whole.points + 1, 1 if IN_CI else 2 * STRIDE):
        world.begin()
        site, command = Site(tmp_path / str(point), world.simulator), _command(source, world, ids)
        dead = site.run(*command, dies_at=point)
        assert dead.code == -9, dead.err
        _repeat(site, world, command)
        world.check(source)


@pytest.mark.parametrize(
    ("source", "fault"), sample([(source, fault) for source in SOURCES for fault in FAULTS + ALIKE])
)
def test_a_fault_at_any_call(world: World, tmp_path: Path, ids: Path, source: str, fault: str) -> None:
    """The command ends well, or the same one does later."""
    world.begin()
    before = world.simulator.institution.log.total
    Site(tmp_path / "whole", world.simulator).run(*_command(source, world, ids))
    calls = world.simulator.institution.log.total - before
    step = (1 if fault in FAULTS else 3) * (1 if IN_CI else 3 * STRIDE)
    first = 1 + ((FAULTS + ALIKE).index(fault) + SOURCES.index(source)) % step
    for nth in range(first, calls + 1, step):
        world.begin()
        plan_fault(world.simulator.institution, fault, nth)
        command = _command(source, world, ids)
        _repeat(Site(tmp_path / str(nth), world.simulator), world, command)
        world.check(source)
