"""Members are added, removed and replaced in thousands; a change that was broken off is made again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from almajob.errors import OutcomeUnknown, Refused
from almajob.sets.id_file import IdList, read_ids
from almajob.sets.making import SetDeps, change_members
from almajob.simulator.world.sets import SimulatedSet
from almajob.testing import SimulatedAlma

COUNT = 2501
IDS = tuple(str(10**12 + number) for number in range(COUNT))


@pytest.fixture
def ids(tmp_path: Path) -> Iterator[IdList]:
    """Ids of three calls."""
    path = tmp_path / "ids.txt"
    path.write_text("\n".join(IDS))
    with read_ids(str(path)) as read:
        yield read


def _find(simulated: SimulatedAlma) -> SimulatedSet:
    sets = simulated.institution.worlds["SANDBOX"].sets
    return next(each for each in sets if each.name == "Theses without a call number")


@pytest.mark.parametrize("fault", ["", "reset-after", "reset-before", "503"])
def test_each_change_is_made_once_whatever_answer_is_lost(
    simulated: SimulatedAlma, deps: SetDeps, ids: IdList, fault: str
) -> None:
    """Added to those that were there, taken out again, and put in the place of those."""
    before = _find(simulated)
    changes: tuple[tuple[Literal["add", "remove", "replace"], tuple[str, ...]], ...] = (
        ("add", before.members + IDS),
        ("add", before.members + IDS),
        ("remove", before.members),
        ("replace", IDS),
    )
    for op, expected in changes:
        if fault:
            simulated.faults.add(fault, "POST /conf/sets/*")
        assert change_members(before.id, op, ids, deps) == len(expected)
        assert _find(simulated).members == expected


def test_a_change_that_was_broken_off_is_made_again(
    simulated: SimulatedAlma, deps: SetDeps, ids: IdList
) -> None:
    """After too many lost answers the same change leads to the same members."""
    found = _find(simulated)
    for _ in range(5):
        simulated.faults.add("reset-after", "POST /conf/sets/*")
    with pytest.raises(OutcomeUnknown):
        change_members(found.id, "replace", ids, deps)
    assert change_members(found.id, "replace", ids, deps) == COUNT
    assert _find(simulated).members == IDS


def test_a_set_is_not_emptied_by_a_file_without_ids(simulated: SimulatedAlma, deps: SetDeps) -> None:
    """To be replaced by nothing is a mistake rather than a wish."""

    class NoIds(IdList):
        def __init__(self) -> None:
            self.count = 0

    before = _find(simulated)
    with pytest.raises(Refused):
        change_members(before.id, "replace", NoIds(), deps)
    assert _find(simulated) == before
