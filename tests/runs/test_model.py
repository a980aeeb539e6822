"""A model check of the real code of a start: every behaviour, other starters, a death at every moment."""

from __future__ import annotations

import enum
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from almajob.alma.models import Job
from almajob.errors import AlmajobError, OutcomeUnknown
from almajob.runs.start.submit import start
from almajob.runs.start_request import StartOptions, StartRequest, Target
from almajob.store.ledger_record import Certainty, Record, State, Step
from tests.runs.model import (
    BEHAVIOURS,
    DAY,
    MANUAL,
    NOON,
    RARE,
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
from tests.support.clocks import FastClock

PRODUCTION = Target("production", "production", "model")
SOLE_STARTER = Target("production", "production", "model", may_infer=True)
SANDBOX = Target("sandbox", "sandbox", "model", may_infer=True)
LATER = (30.0, 3700.0, 3700.0)
"""When the same command is given again, in seconds after the last time."""


class Change(enum.StrEnum):
    """What changes after the first command."""

    NOTHING = "nothing"
    OLDER_LEDGER = "the ledger is restored from a backup"
    SECTION = "the section has another name"
    RENAMED = "Alma calls the institution otherwise"
    ANOTHER_ALMA = "the section leads to another Alma, whose key may not ask for its name"


# Where a key leads is asked once a day; and what is listed is listed by the time a backup has been restored.
_LATER = {Change.RENAMED: (DAY + 60.0, 3700.0, 3700.0), Change.OLDER_LEDGER: (600.0, 3700.0, 3700.0)}
# With how the first command can go, where something changes after it.
_CHANGED = (
    "fine",
    "fine, listed late",
    "accepted, then dropped",
    "accepted, then slow",
    "500 before it was read",
)


@dataclass(frozen=True)
class World:
    """One setting of the model: what is started where, what Alma does, who else starts the job."""

    behaviour: Behaviour
    stranger: Stranger
    job: Job
    target: Target
    tags_known: bool = False
    change: Change = Change.NOTHING

    @property
    def group(self) -> str:
        kind = "manual job" if self.job is MANUAL else "scheduled job"
        tags = (
            ", tags seen before" if self.tags_known else ", first tagged start" if self.job is MANUAL else ""
        )
        sole = ", sole_starter" if self.target is SOLE_STARTER else ""
        elsewhere = ", then another Alma" if self.change is Change.ANOTHER_ALMA else ""
        return f"{kind}, {self.target.kind}{tags}{sole}{elsewhere}"


@dataclass
class History:
    """What came of one world with one death, or none.

    Attributes:
        told: what each command said, and how many runs of ours there were then.
        moments: how many there were at which the first command could have died.
        ours: the runs that they began.
        too_many: how many of them there should not be.
        last: the newest record of the ledger.
    """

    world: World
    told: list[tuple[str, int]] = field(default_factory=list)
    moments: int = 0
    ours: set[str] = field(default_factory=set)
    too_many: int = 0
    last: Record | None = None


@dataclass
class Stage:
    """What a history is played with; ``place`` is where the next command starts the job."""

    alma: ModelAlma
    ledger: ModelLedger
    target: Target


def _worlds() -> Iterator[World]:
    for behaviour, stranger, change in itertools.product((*BEHAVIOURS, *RARE), STRANGERS, Change):
        if change is not Change.NOTHING and behaviour.name not in _CHANGED:
            continue
        if (change is not Change.NOTHING or behaviour in RARE) and stranger not in STRANGERS[:3]:
            continue
        # Where tags were seen before, they are seen.
        if behaviour.shows_names and behaviour.names_cut > 15:
            yield World(behaviour, stranger, MANUAL, PRODUCTION, True, change)
        yield World(behaviour, stranger, MANUAL, PRODUCTION, False, change)
        yield World(behaviour, stranger, SCHEDULED, PRODUCTION, False, change)
        if stranger.after is None or stranger.by != "exl_api":
            yield World(behaviour, stranger, SCHEDULED, SOLE_STARTER, False, change)
        yield World(behaviour, stranger, SCHEDULED, SANDBOX, False, change)


def _history(
    world: World, dies_at: int | None, key: str = "nightly", later: tuple[float, ...] = LATER
) -> History:
    later = _LATER.get(world.change, later)
    time = FastClock(NOON)
    kind = world.target.kind.upper()
    alma = ModelAlma(time, world.behaviour, world.job, stranger=world.stranger, kind=kind)
    ledger = ModelLedger()
    if world.tags_known:
        ledger.facts[f"tags:{world.target.identity}:{world.job.id}"] = True
    before = world.stranger.after
    if world.behaviour.replays:
        alma.begin(world.job.name, is_ours=False, at=NOON - 7000, seconds=10)
    if before is not None and before < 0:
        alma.begin(world.job.name, is_ours=False, by=world.stranger.by, at=NOON + before, seconds=10)
    ledger.write(_earlier(world))
    backup = (dict(ledger.kept), dict(ledger.facts))
    history, stage = History(world), Stage(alma, ledger, world.target)
    for number, wait in enumerate((0.0, *later)):
        time.slept += wait
        switch = Switch(dies_at if number == 0 else None)
        told = _command(world, stage, switch, key or f"random-{number}", is_named=bool(key))
        history.told.append((told, len(stage.alma.our_runs())))
        history.ours.update(stage.alma.our_runs())
        if number == 0:
            history.moments = switch.moments
            _change(world, stage, backup)
    # Two runs of one request are Alma's doing.
    history.too_many = max(len(stage.alma.our_runs()) - world.behaviour.copies, 0)
    history.last = next(reversed(ledger.records()), None)
    return history


def _earlier(world: World) -> Record:
    """Return a start of the job that the ledger has from two days ago; nothing is known of when it ran."""
    when = NOON - 2 * DAY
    trail = tuple(
        Step(state, when, "") for state in (State.PREPARED, State.SENDING, State.UNKNOWN, State.NOT_STARTED)
    )
    return Record(
        id="20261120-earlier",
        environment=world.target.environment,
        institution="01MODEL_INST",
        job_id=world.job.id,
        job_name=world.job.name,
        run_key="earlier",
        is_named=True,
        attempt=1,
        parameters="",
        tag="",
        trail=trail,
        identity=world.target.identity,
    )


def _change(world: World, stage: Stage, backup: tuple[dict[str, Record], dict[str, Any]]) -> None:
    """Do what happens between the first command and the next."""
    alma = stage.alma
    if world.change is Change.OLDER_LEDGER:
        stage.ledger.restore(*backup)
    elif world.change is Change.SECTION:
        stage.target = replace(world.target, environment="accounts")
    elif world.change is Change.RENAMED:
        alma.institution = "01model_inst_library"
    elif world.change is Change.ANOTHER_ALMA:
        stage.target = replace(world.target, identity="another")
        stage.alma = ModelAlma(alma.time, BEHAVIOURS[0], world.job, kind=alma.kind, institution="")


def _command(world: World, stage: Stage, switch: Switch, key: str, *, is_named: bool) -> str:
    options = StartOptions(run_key=key if is_named else "", is_confirmed=True)
    request = StartRequest(world.job, options=options, run_key=key, is_named=is_named)
    try:
        record = start(request, stage.target, means_of(stage.alma, stage.ledger, switch))
    except Crash:
        return "died"
    except OutcomeUnknown:
        return "unknown"
    except AlmajobError:
        return "not started"
    return f"started {record.instance_id}"


def _strangers_taken(history: History) -> list[str]:
    named = {told.removeprefix("started ") for told, _ours in history.told if told.startswith("started ")}
    return sorted(named - history.ours)


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
                sum(history.too_many for history in of_group),
                sum(len(_denials(history)) for history in of_group),
                sum(bool(_strangers_taken(history)) for history in of_group),
                round(100 * left / len(of_group), 1),
            )
        )
    return rows


def test_the_model_is_large_enough() -> None:
    """Thousands of histories, and a death at every durable write and every call among them."""
    assert len(histories()) >= 20_000
    assert {history.world.change for history in histories()} == set(Change)
    assert min(history.moments for history in histories() if history.told[0][0].startswith("started")) >= 14
    assert sum(history.told[0][0] == "died" for history in histories()) > 2400


def test_nothing_is_started_twice() -> None:
    """In no history; except by Alma itself."""
    assert [history for history in histories() if history.too_many] == []


def test_no_start_is_denied() -> None:
    """No command says "not started" while a run of ours is there."""
    assert [history.told for history in histories() if _denials(history)] == []


def test_no_stranger_is_taken_for_ours_in_production() -> None:
    """Whoever else starts the job, and when."""
    taken = [history for history in histories() if _strangers_taken(history)]
    assert [history for history in taken if history.world.target.kind == "production"] == []


def test_in_a_sandbox_a_guess_is_called_a_guess() -> None:
    """Where the only run that fits is taken for ours, the record says that it was inferred."""
    assert any(map(_strangers_taken, histories()))
    for history in histories():
        # A ledger that was restored does not have that record any more.
        if _strangers_taken(history) and history.world.change is not Change.OLDER_LEDGER:
            assert history.last is not None
            assert history.last.certainty is Certainty.INFERRED


def test_hardly_any_is_left_for_a_person_where_tags_are_known_to_show() -> None:
    """At most 3 %, after an hour; the first tagged start of a job is more careful."""
    of_group = [
        history
        for history in histories()
        if history.world.tags_known and history.world.change is not Change.ANOTHER_ALMA
    ]
    left = [history for history in of_group if history.last is not None and history.last.is_open]
    assert len(left) <= 0.03 * len(of_group)


def test_a_command_without_a_key_finds_out_what_the_dead_one_did() -> None:
    """Half a minute after a death the same command starts nothing beside what was started."""
    wrong = []
    played = 0
    for world in _worlds():
        # Of starts that were given no key the ledger reads three days.
        is_played = world.change is Change.NOTHING and world.behaviour.stopped < 2 * DAY
        for at in range(1, 40 if is_played else 1):
            history = _history(world, at, key="", later=(30.0,))
            if history.told[0][0] != "died":
                break
            played += 1
            wrong += [history.told] if history.too_many or _denials(history) else []
    assert played > 2400
    assert wrong == []


def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that counts as not made too early is made twice, and the model sees it."""
    monkeypatch.setattr("almajob.runs.start.recover.ABSENT_FOR_GOOD", 60.0)
    late = next(item for item in BEHAVIOURS if item.name == "accepted, dropped, listed after 10 min")
    world = World(late, STRANGERS[0], MANUAL, PRODUCTION, tags_known=True)
    history = _history(world, None)
    assert history.too_many == 1
    history.told.append(("not started", 2))
    assert _denials(history)
    history.told.append(("started 1", 2))
    assert _strangers_taken(history) == ["1"]
