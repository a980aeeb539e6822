"""``almajob sets delete``: what is named, and nothing else; in production once a person agrees."""

from __future__ import annotations

import pytest
import requests

from almajob.alma.client import Alma
from almajob.alma.sets import Set
from almajob.sets import making
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.terminals import Terminal

LOST, THESES, EMPTY = "Lost items", "Theses without a call number", "An empty set"
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
    """Not even the sets that are there; and a name in another case is another name, which is suggested."""
    refused = almajob("--env", "sandbox", "sets", "delete", THESES, name)
    assert refused.code == 5
    assert simulated.log.count(DELETE) == 0
    assert f"There is no set {name!r}; nothing was sent." in refused.err
    assert "Using the set" not in refused.err
    assert (f"Did you mean: {LOST!r}" in refused.err) == (name == "lost items")


def test_a_set_that_another_process_deletes_meanwhile(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was listed, and is gone when it is looked at, is not there; that is no refusal of Alma's."""
    look = Alma.set

    def delete_and_look(alma: Alma, set_id: str) -> Set:
        key = {"Authorization": "apikey simulator-sandbox-key"}
        assert requests.delete(
            f"{simulated.base_url}/almaws/v1/conf/sets/{set_id}", headers=key, timeout=9
        ).ok
        return look(alma, set_id)

    monkeypatch.setattr(Alma, "set", delete_and_look)
    done = almajob("--env", "sandbox", "sets", "show", LOST)
    assert done.code == 5
    assert f"The set {LOST!r} is not there any more." in done.err
    assert LOST not in _names(simulated)


def test_one_of_several_is_not_deleted(simulated: SimulatedAlma, almajob: Run) -> None:
    """The exit code is 3, and what deletes the others is said: the same names would not be found again."""
    worlds = simulated.institution.worlds["SANDBOX"].sets
    ids = {each.name: each.id for each in worlds}
    simulated.faults.add("daily", f"DELETE /conf/sets/{ids[THESES]}")
    done = almajob("--env", "sandbox", "sets", "delete", LOST, THESES, EMPTY)
    assert done.code == 3, done.err
    assert _names(simulated) == set(ids) - {LOST}
    assert f"almajob sets delete {ids[THESES]} {ids[EMPTY]}\n" in done.err


def test_ctrl_c_between_two_sets(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may be there still is named."""
    ids = {each.name: each.id for each in simulated.institution.worlds["SANDBOX"].sets}
    delete = making.delete_named_set

    def delete_once(found: Set, deps: making.SetDeps) -> None:
        if found.name == THESES:
            raise KeyboardInterrupt
        delete(found, deps)

    monkeypatch.setattr(making, "delete_named_set", delete_once)
    done = almajob("--env", "sandbox", "sets", "delete", LOST, THESES)
    assert done.code == 130
    assert _names(simulated) == set(ids) - {LOST}
    assert f"almajob sets delete {ids[THESES]}\n" in done.err


@pytest.mark.parametrize("fault", ["reset-before", "reset-after"])
def test_a_lost_answer(simulated: SimulatedAlma, almajob: Run, fault: str) -> None:
    """The set is gone afterwards, and the command says so."""
    simulated.faults.add(fault, DELETE)
    done = almajob("--env", "sandbox", "sets", "delete", LOST)
    assert done.code == 0, done.err
    assert LOST not in _names(simulated)


def test_in_production_a_person_agrees(simulated: SimulatedAlma, almajob: Run) -> None:
    """All sets are shown. Without a person, or with something else than the id typed, nothing is sent."""
    words = ("--env", "production", "sets", "delete", LOST, EMPTY)
    assert almajob(*words).code == 5
    for typed, code in (("y", 5), (_id(simulated, "PRODUCTION"), 0)):
        assert simulated.log.count(DELETE) == 0
        with Terminal(*words, size=(60, 200)) as terminal:
            shown = terminal.until(lambda text: text.endswith("Type the id of the first:"))
            assert f"{LOST}, 40 members" in shown
            assert f"{EMPTY}, 0 members" in shown
            terminal.type(f"{typed}\r")
            assert terminal.end() == code, terminal.text
    assert not {LOST, EMPTY} & _names(simulated, "PRODUCTION")
    assert almajob("--env", "production", "sets", "delete", THESES, "--yes").code == 0


def test_read_only(simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked and nothing is sent."""
    monkeypatch.setenv("ALMAJOB_READ_ONLY", "1")
    assert almajob("--env", "sandbox", "sets", "delete", LOST).code == 5
    assert simulated.log.count("*") == 0
