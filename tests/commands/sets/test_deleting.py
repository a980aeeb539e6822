"""``almajob sets delete``: what is named, and nothing else; in production once a person agrees."""

from __future__ import annotations

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.terminals import Terminal

LOST, THESES = "Lost items", "Theses without a call number"
DELETE = "DELETE /conf/sets/*"


def _names(simulated: SimulatedAlma, environment: str = "SANDBOX") -> set[str]:
    return {each.name for each in simulated.institution.worlds[environment].sets}


def _id(simulated: SimulatedAlma, environment: str) -> str:
    return next(each.id for each in simulated.institution.worlds[environment].sets if each.name == LOST)


def test_what_is_named_is_deleted(simulated: SimulatedAlma, almajob: Run) -> None:
    """By name or id, each once; other sets stay."""
    before = _names(simulated)
    done = almajob("--env", "sandbox", "sets", "delete", LOST, _id(simulated, "SANDBOX"), THESES)
    assert done.code == 0, done.err
    assert _names(simulated) == before - {LOST, THESES}
    assert simulated.log.count(DELETE) == 2


@pytest.mark.parametrize("name", ["lost items", "No such set"])
def test_nothing_is_deleted_where_one_is_not_found(simulated: SimulatedAlma, almajob: Run, name: str) -> None:
    """Not even the sets that are there; and a name in another case is another name."""
    assert almajob("--env", "sandbox", "sets", "delete", THESES, name).code == 5
    assert simulated.log.count(DELETE) == 0


@pytest.mark.parametrize("fault", ["reset-before", "reset-after"])
def test_a_lost_answer(simulated: SimulatedAlma, almajob: Run, fault: str) -> None:
    """The set is gone afterwards, and the command says so."""
    simulated.faults.add(fault, DELETE)
    done = almajob("--env", "sandbox", "sets", "delete", LOST)
    assert done.code == 0, done.err
    assert LOST not in _names(simulated)


def test_in_production_a_person_agrees(simulated: SimulatedAlma, almajob: Run) -> None:
    """Without a person, or with something else than the id typed, nothing is sent."""
    words = ("--env", "production", "sets", "delete", LOST)
    assert almajob(*words).code == 5
    for typed, code in (("y", 5), (_id(simulated, "PRODUCTION"), 0)):
        assert simulated.log.count(DELETE) == 0
        with Terminal(*words, size=(60, 200)) as terminal:
            terminal.until(lambda text: text.endswith("Type the id of the first:"))
            terminal.type(f"{typed}\r")
            assert terminal.end() == code, terminal.text
    assert LOST not in _names(simulated, "PRODUCTION")
    assert almajob("--env", "production", "sets", "delete", THESES, "--yes").code == 0


def test_read_only(simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked and nothing is sent."""
    monkeypatch.setenv("ALMAJOB_READ_ONLY", "1")
    assert almajob("--env", "sandbox", "sets", "delete", LOST).code == 5
    assert simulated.log.count("*") == 0
