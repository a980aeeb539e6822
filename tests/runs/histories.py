"""Every history of the model: each behaviour of Alma, other starters, a death at every moment."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from almajob.alma.models import Job
from almajob.errors import AlmajobError, OutcomeUnknown
from almajob.runs.start.submit import start
from almajob.runs.start_request import StartOptions, StartRequest, Target
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import Record, State, Transition
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
    make_deps,
)
from tests.support.clocks import FastClock
from tests.support.ledgers import write_steps

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

    @property
    def is_open(self) -> bool:
        return self.last is not None and self.last.is_open

    @property
    def strangers(self) -> list[str]:
        """The runs of others that a command took for ours."""
        named = {told.removeprefix("started ") for told, _ours in self.told if told.startswith("started ")}
        return sorted(named - self.ours)

    @property
    def denials(self) -> list[str]:
        """Every "not started" of a time at which a run of ours had begun."""
        return [told for told, ours in self.told if told == "not started" and ours]


@dataclass
class Stage:
    """What a history is played with; ``target`` is where the next command starts the job."""

    alma: ModelAlma
    ledger: ModelLedger
    target: Target


def worlds() -> Iterator[World]:
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


def play(
    world: World, dies_at: int | None, key: str = "nightly", later: tuple[float, ...] = LATER
) -> History:
    later = _LATER.get(world.change, later)
    time = FastClock(NOON)
    kind = world.target.kind.upper()
    alma = ModelAlma(time, world.behaviour, world.job, stranger=world.stranger, kind=kind)
    ledger = ModelLedger()
    if world.tags_known:
        ledger.keep_fact(f"tags:{world.target.identity}:{world.job.id}", True)
    before = world.stranger.after
    if world.behaviour.replays:
        alma.begin(world.job.name, is_ours=False, at=NOON - 7000, seconds=10)
    if before is not None and before < 0:
        alma.begin(world.job.name, is_ours=False, by=world.stranger.by, at=NOON + before, seconds=10)
    write_earlier(ledger, world)
    backup = dict(ledger.memory.shared.rows)
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


def write_earlier(ledger: Ledger, world: World) -> None:
    """Write a start of the job from two days ago, of which it is not known when it ran."""
    when = NOON - 2 * DAY
    trail = tuple(
        Transition(state, when, "")
        for state in (State.PREPARED, State.SENDING, State.UNKNOWN, State.NOT_STARTED)
    )
    record = Record(
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
    write_steps(ledger, record)


def _change(world: World, stage: Stage, backup: dict[str, str]) -> None:
    """Do what happens between the first command and the next."""
    alma = stage.alma
    if world.change is Change.OLDER_LEDGER:
        stage.ledger.restore(backup)
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
        record = start(request, make_deps(stage.target, stage.alma, stage.ledger, switch)).record
    except Crash:
        return "died"
    except OutcomeUnknown:
        return "unknown"
    except AlmajobError:
        return "not started"
    return f"started {record.instance_id}"


def groups() -> list[str]:
    """Return the rows of the table in the docs."""
    return sorted({world.group for world in worlds()})


def worlds_of(group: str) -> list[World]:
    """Return the settings of a group."""
    return [world for world in worlds() if world.group == group]


def histories(group: Sequence[World]) -> list[History]:
    """Play every history of some settings."""
    found = []
    for world in group:
        whole = play(world, None)
        found += [whole, *(play(world, at) for at in range(1, whole.moments + 1))]
    return found


def figures(group: str, played: Sequence[History]) -> str:
    """Return a group's row of the docs: histories, starts too many, denials, strangers taken, left open."""
    counts = (
        len(played),
        sum(history.too_many for history in played),
        sum(len(history.denials) for history in played),
        sum(bool(history.strangers) for history in played),
    )
    left = round(100 * sum(history.is_open for history in played) / len(played), 1)
    return f"| {group} | {' | '.join(f'{count:,}' for count in counts)} | {left} % |"
