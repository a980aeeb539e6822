"""A change of a set's members, killed or failing at any call and any durable write, and made once more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import pytest

import almajob
from almajob.sets.id_file import read_ids
from almajob.sets.making import change_members
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.sets import SimulatedSet
from tests.support.thoroughness import IN_CI
from tests.whole.mortal import Ended, Site

Op = Literal["add", "remove", "replace"]
OPS: tuple[Op, ...] = get_args(Op)
SET = "Users expiring this term"
CALLS = 4
"""What a change of three thousands takes: each of them, and the count."""
FAULTS = ("reset-after", "503", "accepted-500") if IN_CI else ("reset-after",)


def change(argv: list[str]) -> int:
    """Make the change that the words say, and print how many members there are."""
    op: Op = next(each for each in OPS if each == argv[0])
    with almajob.connect("sandbox") as context, read_ids(argv[2]) as ids:
        print(change_members(argv[1], op, ids, context.workshop.sets()))
    return 0


class World:
    """One set, and the ids by which it is changed."""

    def __init__(self, simulator: Simulator, ids: Path) -> None:
        self.simulator, self.path = simulator, ids
        self.before = self.find()
        # Some of them are members already.
        self.ids = (*self.before.members[100:], *(str(10**12 + number) for number in range(2300)))
        ids.write_text("\n".join(self.ids))

    def find(self) -> SimulatedSet:
        """Return the set as it is."""
        return next(each for each in self.simulator.institution.sandbox.sets if each.name == SET)

    def expect(self, op: Op) -> list[str]:
        """Return what must be in it after a change."""
        before = self.before.members
        wanted = {
            "add": {*before, *self.ids},
            "remove": {*before} - {*self.ids},
            "replace": {*self.ids},
        }
        return sorted(wanted[op])

    def begin(self) -> None:
        """Put all back."""
        self.simulator.institution.reset()

    def change(self, place: Path, op: Op, dies_at: int = 0) -> Ended:
        """Make a change in a process of its own."""
        site = Site(place, self.simulator)
        return site.run(op, self.before.id, str(self.path), dies_at=dies_at, work=change)

    def count_calls(self) -> int:
        """Count the calls on sets."""
        return self.simulator.institution.log.count("* /conf/sets*")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Simulator(Institution(Clock(speed=0))) as running:
        yield World(running, tmp_path / "ids.txt")


@pytest.mark.parametrize("op", OPS)
def test_killed_at_any_call_or_durable_write(world: World, tmp_path: Path, op: Op) -> None:
    """The same change goes on: the right members, and no more than one call is sent twice.

    Who dies once the end is on disk has made the change, and makes it anew.
    """
    whole = world.change(tmp_path / "whole", op)
    assert (whole.code, whole.out, world.count_calls()) == (0, f"{len(world.expect(op))}\n", CALLS), whole.err
    # Before and after each call but reads, and each write: at the beginning, after each thousand, at the end.
    assert whole.points == 2 * 3 + 2 * (1 + 3 + 1)
    for point in range(1 + OPS.index(op), whole.points + 1, 1 if IN_CI else 5):
        world.begin()
        place = tmp_path / str(point)
        assert world.change(place, op, dies_at=point).code == -9
        again = world.change(place, op)
        assert (again.code, again.out) == (0, whole.out), again.err
        assert sorted(world.find().members) == world.expect(op)
        assert world.count_calls() <= (2 * CALLS if point == whole.points else CALLS + 1), point


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_lasts_at_any_call(world: World, tmp_path: Path, fault: str) -> None:
    """The command gives up, and the same one goes on."""
    institution = world.simulator.institution

    def begin_to_fail() -> None:
        institution.faults.add(fault, "POST /conf/sets/*", times=None)

    for sent in range(3):
        world.begin()
        if sent:
            institution.interruptions.add("POST /conf/sets/*", "after", begin_to_fail, sent)
        else:
            begin_to_fail()
        place = tmp_path / str(sent)
        assert world.change(place, "replace").code != 0
        institution.faults.clear()
        again = world.change(place, "replace")
        assert again.code == 0, again.err
        assert sorted(world.find().members) == world.expect("replace")


def test_a_change_that_another_came_after_is_made_anew(world: World, tmp_path: Path) -> None:
    """What it had sent before may be undone."""
    whole = world.change(tmp_path / "whole", "add")
    interrupted: tuple[Op, ...] = ("add", "replace")
    for op in interrupted:
        world.begin()
        place = tmp_path / op
        # Two thousands were sent.
        assert world.change(place, op, dies_at=whole.points - 4).code == -9
        assert world.change(place, "remove").code == 0
        assert world.change(place, op).code == 0
        assert sorted(world.find().members) == world.expect(op)


def test_a_change_that_was_done_is_made_when_it_is_asked_for_again(world: World, tmp_path: Path) -> None:
    """And one that was broken off more than a week ago is made from its start."""
    ids = world.ids
    assert world.change(tmp_path / "one", "add").code == 0
    institution = world.simulator.institution

    def empty() -> None:
        institution.sandbox.happen(lambda: {"kind": "members", "id": world.before.id, "members": []})

    empty()
    assert world.change(tmp_path / "one", "add").code == 0
    assert sorted(world.find().members) == sorted(ids)
    world.begin()
    assert world.change(tmp_path / "two", "add", dies_at=9).code == -9
    empty()
    institution.clock.advance(8 * 86400)
    assert world.change(tmp_path / "two", "add").code == 0
    assert sorted(world.find().members) == sorted(ids)
