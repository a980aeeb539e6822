"""A model check of the real code of a start: every behaviour, other starters, a death at every moment."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from almajob.alma.models import Job
from almajob.errors import AlmajobError, OutcomeUnknown
from almajob.runs.intention import Intention, Place, StartOptions
from almajob.runs.submit import start
from almajob.store.record import Certainty, Record
from tests.clocks import FastClock
from tests.runs.model import (
    BEHAVIOURS,
    MANUAL,
    NOON,
    SCHEDULED,
    STRANGERS,
    Behaviour,
    Crash,
    ModelAlma,
    ModelLedger,
    Stranger,
    Switch,
    means_of,
)

PRODUCTION = Place("production", "production", "model")
SOLE_STARTER = Place("production", "production", "model", may_infer=True)
SANDBOX = Place("sandbox", "sandbox", "model", may_infer=True)
LATER = (30.0, 3600.0)
"""When the same command is given again, in seconds after the last time."""


@dataclass(frozen=True)
class World:
    """One setting of the model: what is started where, what Alma does, who else starts the job."""

    behaviour: Behaviour
    stranger: Stranger
    job: Job
    place: Place
    tags_known: bool = False

    @property
    def group(self) -> str:
        kind = "manual job" if self.job is MANUAL else "scheduled job"
        tags = (
            ", tags seen before" if self.tags_known else ", first tagged start" if self.job is MANUAL else ""
        )
        sole = ", sole_starter" if self.place is SOLE_STARTER else ""
        return f"{kind}, {self.place.kind}{tags}{sole}"


@dataclass
class History:
    """What came of one world with one death, or none.

    Attributes:
        told: what each command said, and how many runs of ours there were then.
        moments: how many there were at which the first command could have died.
    """

    world: World
    alma: ModelAlma
    ledger: ModelLedger
    told: list[tuple[str, int]] = field(default_factory=list)
    moments: int = 0

    @property
    def last(self) -> Record | None:
        return next(reversed(self.ledger.records()), None)


def _worlds() -> Iterator[World]:
    for behaviour, stranger in itertools.product(BEHAVIOURS, STRANGERS):
        # Where tags were seen before, they are seen.
        if behaviour.shows_names:
            yield World(behaviour, stranger, MANUAL, PRODUCTION, tags_known=True)
        yield World(behaviour, stranger, MANUAL, PRODUCTION)
        yield World(behaviour, stranger, SCHEDULED, PRODUCTION)
        if stranger.after is None or stranger.by != "exl_api":
            yield World(behaviour, stranger, SCHEDULED, SOLE_STARTER)
        yield World(behaviour, stranger, SCHEDULED, SANDBOX)


def _history(
    world: World, dies_at: int | None, key: str = "nightly", later: tuple[float, ...] = LATER
) -> History:
    time = FastClock(NOON)
    kind = world.place.kind.upper()
    alma = ModelAlma(time, world.behaviour, world.job, stranger=world.stranger, kind=kind)
    ledger = ModelLedger()
    if world.tags_known:
        ledger.facts[f"tags:{world.place.identity}:{world.job.id}"] = True
    before = world.stranger.after
    if before is not None and before < 0:
        alma.begin(world.job.name, is_ours=False, by=world.stranger.by, at=NOON + before, seconds=10)
    history = History(world, alma, ledger)
    for number, wait in enumerate((0.0, *later)):
        time.slept += wait
        switch = Switch(dies_at if number == 0 else None)
        told = _command(world, history, switch, key or f"random-{number}", is_named=bool(key))
        history.told.append((told, len(alma.our_runs())))
        if number == 0:
            history.moments = switch.moments
    return history


def _command(world: World, history: History, switch: Switch, key: str, *, is_named: bool) -> str:
    options = StartOptions(run_key=key if is_named else "", is_confirmed=True)
    intention = Intention(world.job, options=options, run_key=key, is_named=is_named)
    try:
        record = start(intention, world.place, means_of(history.alma, history.ledger, switch))
    except Crash:
        return "died"
    except OutcomeUnknown:
        return "unknown"
    except AlmajobError:
        return "not started"
    return f"started {record.instance_id}"


def _starts_too_many(history: History) -> int:
    # Two runs of one request are Alma's doing.
    return max(len(history.alma.our_runs()) - history.world.behaviour.copies, 0)


def _strangers_taken(history: History) -> list[str]:
    named = {told.removeprefix("started ") for told, _ours in history.told if told.startswith("started ")}
    return sorted(named - set(history.alma.our_runs()))


def _denials(history: History) -> list[str]:
    """Find every "not started" of a time at which a run of ours had begun."""
    return [told for told, ours in history.told if told == "not started" and ours]


@functools.cache
def histories() -> tuple[History, ...]:
    """Play every history of the model."""
    found = []
    for world in _worlds():
        whole = _history(world, None)
        found.append(whole)
        found.extend(_history(world, at) for at in range(1, whole.moments + 1))
    return tuple(found)


def figures() -> list[tuple[str, int, int, int, int, float]]:
    """Count for each group: histories, starts too many, denials, strangers taken, per cent left open."""
    rows = []
    for group in sorted({history.world.group for history in histories()}):
        of_group = [history for history in histories() if history.world.group == group]
        left = sum(history.last is not None and history.last.is_open for history in of_group)
        rows.append(
            (
                group,
                len(of_group),
                sum(map(_starts_too_many, of_group)),
                sum(len(_denials(history)) for history in of_group),
                sum(bool(_strangers_taken(history)) for history in of_group),
                round(100 * left / len(of_group), 1),
            )
        )
    return rows


def test_the_model_is_large_enough() -> None:
    """Thousands of histories, and a death at every durable write and every call among them."""
    assert len(histories()) >= 2400
    assert min(history.moments for history in histories() if history.told[0][0].startswith("started")) >= 14
    assert sum(history.told[0][0] == "died" for history in histories()) > 2400


def test_nothing_is_started_twice() -> None:
    """In no history; except by Alma itself."""
    assert [history for history in histories() if _starts_too_many(history)] == []


def test_no_start_is_denied() -> None:
    """No command says "not started" while a run of ours is there."""
    assert [history.told for history in histories() if _denials(history)] == []


def test_no_stranger_is_taken_for_ours_in_production() -> None:
    """Whoever else starts the job, and when."""
    taken = [history for history in histories() if _strangers_taken(history)]
    assert [history for history in taken if history.world.place.kind == "production"] == []


def test_in_a_sandbox_a_guess_is_called_a_guess() -> None:
    """Where the only run that fits is taken for ours, the record says that it was inferred."""
    assert any(map(_strangers_taken, histories()))
    for history in histories():
        if _strangers_taken(history):
            assert history.last is not None
            assert history.last.certainty is Certainty.INFERRED


def test_hardly_any_is_left_for_a_person_where_tags_are_known_to_show() -> None:
    """At most 2 %, after an hour; the first tagged start of a job is more careful."""
    of_group = [history for history in histories() if history.world.tags_known]
    left = [history for history in of_group if history.last is not None and history.last.is_open]
    assert len(left) <= 0.02 * len(of_group)


def test_a_command_without_a_key_finds_out_what_the_dead_one_did() -> None:
    """Half a minute after a death the same command starts nothing beside what was started."""
    wrong = []
    played = 0
    for world in _worlds():
        for at in range(1, 40):
            history = _history(world, at, key="", later=(30.0,))
            if history.told[0][0] != "died":
                break
            played += 1
            wrong += [history.told] if _starts_too_many(history) or _denials(history) else []
    assert played > 2400
    assert wrong == []


def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that counts as not made too early is made twice, and the model sees it."""
    monkeypatch.setattr("almajob.runs.settle.ABSENT_FOR_GOOD", 60.0)
    late = next(item for item in BEHAVIOURS if item.name == "accepted, dropped, listed after 10 min")
    world = World(late, STRANGERS[0], MANUAL, PRODUCTION, tags_known=True)
    history = _history(world, None)
    assert _starts_too_many(history) == 1
    history.told.append(("not started", 2))
    assert _denials(history)
    history.told.append(("started 1", 2))
    assert _strangers_taken(history) == ["1"]
