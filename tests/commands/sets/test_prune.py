"""``almajob sets prune``: what almajob made and nothing needs goes; everything else stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import almajob as almajob_package
from almajob.sets.id_file import read_ids
from almajob.sets.made_sets import DELETED, keep_record, list_made_sets
from almajob.sets.making import MadeSet, SetDeps, make_set
from almajob.sets.plan import SetPlan
from almajob.simulator.world.sets import SimulatedSet
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.terminals import Terminal

DAY = 86400.0
PRUNE = ("sets", "prune", "--older-than", "30d")
DELETE = "DELETE /conf/sets/*"


@pytest.fixture
def ids(tmp_path: Path) -> str:
    """A file of ids."""
    path = tmp_path / "ids.txt"
    path.write_text("99700000000561\n99700010000561\n")
    return str(path)


@pytest.fixture
def make(simulated: SimulatedAlma, almajob: Run, ids: str) -> Callable[..., SimulatedSet]:
    """What makes a set for a run that ends well, and returns it."""

    def make_one(key: str, *options: str, environment: str = "sandbox", job: str = "M44") -> SimulatedSet:
        more = ("--yes",) if environment == "production" else ()
        run = ("run", job, "--ids", ids, "--run-key", key, "--allow-unknown")
        done = almajob("--env", environment, *run, *more, *(options or ("--wait",)))
        assert done.code in (0, 3), done.err
        return _sets(simulated, environment)[-1]

    return make_one


def _sets(simulated: SimulatedAlma, environment: str = "sandbox") -> list[SimulatedSet]:
    return list(simulated.institution.worlds[environment.upper()].sets)


def _make_to_stay(name: str, ids: str, deps: SetDeps) -> MadeSet:
    """Make a set for no run."""
    with read_ids(ids) as read:
        return make_set(SetPlan(name, "BIB_MMS", "", "", True, False, read.digest, read.count), read, deps)


def _prune(almajob: Run, *more: str, environment: str = "sandbox", code: int = 0) -> list[dict[str, Any]]:
    done = almajob("--env", environment, *PRUNE, "-f", "json", *more)
    assert done.code == code, done.err
    rows: list[dict[str, Any]] = json.loads(done.out) if code in (0, 3) else []
    return rows


def test_old_sets_of_runs_are_deleted_and_nothing_else(
    simulated: SimulatedAlma, almajob: Run, make: Callable[..., SimulatedSet]
) -> None:
    """Those that are young stay, as do those that others have made; what is deleted is shown."""
    others = _sets(simulated)
    old = [make("one"), make("two")]
    simulated.clock.advance(29 * DAY)
    young = make("three")
    assert _prune(almajob, "--yes") == []
    simulated.clock.advance(2 * DAY)
    shown = _prune(almajob, "--dry-run")
    assert simulated.log.count(DELETE) == 0
    assert _prune(almajob, "--yes") == shown
    assert [(row["id"], row["name"], row["members"], row["run_key"]) for row in shown] == [
        (each.id, each.name, 2, key) for each, key in zip(old, ("one", "two"), strict=True)
    ]
    assert all(row["made"].endswith("Z") for row in shown)
    assert _sets(simulated) == [*others, young]
    assert (_prune(almajob, "--yes"), simulated.log.count(DELETE)) == ([], 2)


def test_a_set_that_may_be_needed_stays(
    simulated: SimulatedAlma, almajob: Run, make: Callable[..., SimulatedSet], tmp_path: Path
) -> None:
    """Its run goes on, or may have been started, or was started lately, or is to delete it."""
    simulated.set_ending("M44", "FAILED", seconds=60)
    owed = make("owed", "--wait", "--delete-set", "good")
    simulated.set_ending("M44", "COMPLETED_SUCCESS", seconds=60)
    again = make("again")
    simulated.clock.advance(20 * DAY)
    rerun = ("run", "M44", "--ids", str(tmp_path / "ids.txt"), "--run-key", "again", "--allow-unknown")
    simulated.set_ending("M44", "FAILED", seconds=60)
    failed = make("again later")
    simulated.set_ending("M44", "COMPLETED_SUCCESS", seconds=60)
    simulated.clock.advance(15 * DAY)
    repeated = almajob("--env", "sandbox", *rerun[:-2], "again later", "--allow-unknown", "--rerun-failed")
    assert repeated.code == 0, repeated.err
    simulated.clock.advance(16 * DAY)
    simulated.set_ending("M44", seconds=100 * DAY)
    running = make("running", "--allow-unknown")
    simulated.clock.advance(40 * DAY)
    done = almajob("--env", "sandbox", *PRUNE, "--yes", "-f", "json")
    assert {row["id"] for row in json.loads(done.out)} == {again.id, failed.id}
    assert {owed.id, running.id} <= {each.id for each in _sets(simulated)}
    assert "--delete-set good of its run owed still applies" in done.err
    assert "has ended" in done.err


def test_a_set_whose_start_is_unknown_or_late_stays(
    simulated: SimulatedAlma, almajob: Run, ids: str, make: Callable[..., SimulatedSet]
) -> None:
    """Until the outcome is found out; and a set is as old as its last start."""
    simulated.faults.add("reset-after", "POST /conf/jobs/*")
    run = ("--env", "production", "run", "M44", "--ids", ids, "--allow-unknown", "--yes")
    assert almajob(*run, "--run-key", "lost").code in (0, 9)
    simulated.set_ending("M44", "FAILED", seconds=60)
    make("late", environment="sandbox")
    simulated.set_ending("M44", "COMPLETED_SUCCESS", seconds=60)
    simulated.clock.advance(20 * DAY)
    sandbox = ("--env", "sandbox", *run[2:-1], "--run-key", "late", "--rerun-failed", "--wait")
    again = almajob(*sandbox)
    assert again.code == 0, again.err
    simulated.clock.advance(20 * DAY)
    assert _prune(almajob, "--yes") == []
    assert "its run late was asked for since then" in almajob("--env", "sandbox", *PRUNE, "--yes").err
    simulated.clock.advance(20 * DAY)
    assert len(_prune(almajob, "--yes")) == 1


@pytest.mark.parametrize("change", ["rename", "take the mark", "remake"])
def test_a_set_that_somebody_has_made_theirs_stays(
    simulated: SimulatedAlma, almajob: Run, make: Callable[..., SimulatedSet], change: str
) -> None:
    """It has another name, or no mark, or is another set under the same name."""
    made = make("one")
    about = {"rename": ("Mine now", made.description), "take the mark": (made.name, "Mine now")}
    world = simulated.institution.sandbox
    if change == "remake":
        world.happen(lambda: {"kind": "drop set", "id": made.id})
        event = {"id": "1234", "name": made.name, "content": "BIB_MMS", "description": "", "members": []}
        world.happen(lambda: {"kind": "set", "at": simulated.clock(), **event})
    else:
        name, description = about[change]
        event = {"kind": "rename set", "id": made.id, "name": name, "description": description}
        world.happen(lambda: event)
    simulated.clock.advance(40 * DAY)
    before = _sets(simulated)
    assert _prune(almajob, "--yes") == []
    assert (_sets(simulated), simulated.log.count(DELETE)) == (before, 0)


def test_sets_that_were_made_to_stay_are_deleted_only_if_asked_for(
    simulated: SimulatedAlma, almajob: Run, ids: str
) -> None:
    """They are of no run."""
    with almajob_package.connect("sandbox") as context:
        made = _make_to_stay("Mine", ids, context.workshop.sets())
    simulated.clock.advance(40 * DAY)
    assert _prune(almajob, "--yes") == []
    (row,) = _prune(almajob, "--yes", "--all")
    assert (row["id"], row["run_key"]) == (made.id, None)


def test_a_set_that_is_gone_is_noted(
    simulated: SimulatedAlma, almajob: Run, make: Callable[..., SimulatedSet]
) -> None:
    """It is asked for once, and never again; a trial notes nothing."""
    made = make("one")
    simulated.institution.sandbox.happen(lambda: {"kind": "drop set", "id": made.id})
    simulated.clock.advance(40 * DAY)
    asked = f"GET /conf/sets/{made.id}"
    before = simulated.log.count(asked)
    for more in ("--dry-run", "--dry-run", "--yes", "--yes"):
        assert _prune(almajob, more) == []
    assert simulated.log.count(asked) == before + 3
    with almajob_package.connect("sandbox") as context:
        shop = context.workshop
        assert [each.state for each in list_made_sets(shop.ledger, shop.identity)] == [DELETED]


def test_without_a_person_nothing_is_deleted(
    simulated: SimulatedAlma, almajob: Run, make: Callable[..., SimulatedSet]
) -> None:
    """In a sandbox, too; and neither where everything is only read, but for a trial."""
    made = make("one")
    simulated.clock.advance(40 * DAY)
    refused = almajob("--env", "sandbox", *PRUNE)
    assert (refused.code, refused.out) == (5, "")
    assert "Nobody has agreed to deleting 1 set in sandbox; nothing was deleted." in refused.err
    assert made in _sets(simulated)


def test_read_only(
    simulated: SimulatedAlma,
    almajob: Run,
    make: Callable[..., SimulatedSet],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is deleted; what would be can be seen."""
    made = make("one")
    simulated.clock.advance(40 * DAY)
    monkeypatch.setenv("ALMAJOB_READ_ONLY", "1")
    _prune(almajob, "--yes", code=5)
    assert [row["id"] for row in _prune(almajob, "--dry-run")] == [made.id]
    assert simulated.log.count(DELETE) == 0


@pytest.mark.parametrize("environment", ["sandbox", "production"])
def test_a_person_is_shown_the_sets_and_agrees(simulated: SimulatedAlma, ids: str, environment: str) -> None:
    """With y, in production with the id of the first; anything else deletes nothing."""
    with almajob_package.connect(environment) as context:
        deps = context.workshop.sets()
        made = [_make_to_stay(name, ids, deps) for name in ("One", "Two")]
        for record in list_made_sets(deps.ledger, deps.identity):
            # The command has the clock of this machine.
            keep_record(deps.ledger, deps.identity, record.replace(made_at=record.made_at - 40 * DAY))
    with Terminal("--env", environment, *PRUNE, "--all", "--dry-run", size=(40, 60)) as terminal:
        assert terminal.end() == 0, terminal.text
        assert all(f" {each.id} " in terminal.text for each in made)
    right, asked = ("y", "Delete them? [y/N]")
    if environment == "production":
        right, asked = made[0].id, "Type the id of the first:"
    for typed, code in (("n", 5), (right, 0)):
        assert simulated.log.count(DELETE) == 0
        with Terminal("--env", environment, *PRUNE, "--all", size=(60, 80)) as terminal:
            shown = terminal.until(lambda text: text.endswith(asked))
            assert all(f"{each.id}  {each.name}, 2 members" in shown for each in made)
            terminal.type(f"{typed}\r")
            assert terminal.end() == code, terminal.text
    assert not {each.id for each in made} & {each.id for each in _sets(simulated, environment)}


def test_one_that_alma_does_not_delete_stops_no_other(
    simulated: SimulatedAlma, almajob: Run, make: Callable[..., SimulatedSet]
) -> None:
    """The command ends with 3 and says so, and the same one goes on."""
    first, second = make("one"), make("two")
    simulated.clock.advance(40 * DAY)
    simulated.answers.add_error(f"DELETE /conf/sets/{first.id}", "402282", "Delete of Set Failed.", times=1)
    done = almajob("--env", "sandbox", *PRUNE, "--yes", "-f", "json")
    assert ([row["id"] for row in json.loads(done.out)], done.code) == ([second.id], 3)
    assert f"({first.id}) is kept" in done.err
    assert "1 of 2 sets were deleted." in done.err
    assert [row["id"] for row in _prune(almajob, "--yes")] == [first.id]


@pytest.mark.parametrize("words", [(), ("--older-than", "1h"), ("--older-than", "soon")])
def test_the_age_is_needed_and_at_least_a_day(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...]
) -> None:
    """A younger set may be of a run that is to start."""
    assert almajob("--env", "sandbox", "sets", "prune", "--yes", *words).code == 2
    assert simulated.log.count() == 0
