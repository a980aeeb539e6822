"""Two hosts with one ledger and one Alma: one command stops at a moment, and the other one comes in between.

Each command is a thread, of which one runs at a time: until it ends, waits for a lock, or has come to the
moment at which the history lets it stand still, die, lose its connection or see the server start again.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from almajob.alma.client import Alma
from almajob.errors import AlmajobError, JobBusy, OutcomeUnknown
from almajob.runs.start.submit import start
from almajob.runs.start_request import Deps, StartOptions, StartRequest
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Record, alma_of
from almajob.system.clock import Clock
from tests.runs.histories import PRODUCTION, SOLE_STARTER, World, write_earlier
from tests.runs.model import (
    BEHAVIOURS,
    MANUAL,
    NOON,
    SCHEDULED,
    STRANGERS,
    Crash,
    ModelAlma,
    ModelLedger,
    Switch,
)
from tests.support.clocks import FastClock
from tests.support.ledgers import list_records
from tests.support.memory_place import ConnectionLost, MemoryPlace, Shared, Step

LATER = (30.0, 3700.0, 3700.0)
"""When both hosts give their commands again, in seconds after the last time."""
_BEHAVIOURS = (
    "accepted, then dropped",
    "fine",
    "dropped before it was read",
    "accepted, dropped, listed after 40 s",
    "accepted, then slow",
)
_HOUR = 3600.0


class Trouble(enum.StrEnum):
    """What happens to the first command, at a moment or a statement of it."""

    NOTHING = "the other one comes in between"
    DEATH = "it dies, while the other one waits for its locks"
    CUT = "its connection is lost, and the other one has the locks"
    CUT_LATER = "its connection is lost, and the other one comes a little later"
    RESTART = "the server starts again, while the other one waits for the locks"


_OF_STATEMENTS = (Trouble.CUT, Trouble.CUT_LATER)
_A_LITTLE_LATER = 5
# Not within a change, as nobody else gets in between there; whoever dies there has changed nothing, either.
_MOMENTS = (Step.LOCK, Step.UNLOCK, Step.CHANGE, Step.COMMITTED)


@dataclass(frozen=True)
class Pair:
    """What two hosts do at the same time.

    Attributes:
        world: where and how.
        keys: of the runs that each of them is to start.
        skews: by which each clock is off, in seconds.
        first: which of them begins.
    """

    world: World
    keys: tuple[str, str]
    skews: tuple[float, float]
    first: int

    @property
    def group(self) -> str:
        """Its row in the docs."""
        return f"{'one key' if len(set(self.keys)) == 1 else 'two keys'}, {self.world.group}"


@dataclass
class Told:
    """What a command has said.

    Attributes:
        host: of it.
        text: in two words.
        began: how many runs it had begun itself by then.
        there: the runs that were there for its key by then.
    """

    host: int
    text: str
    began: int
    there: tuple[str, ...]

    @property
    def is_denial(self) -> bool:
        """Whether it says that nothing was started of what was.

        That another almajob is busy, or the ledger away, says that nothing was started by this command.
        """
        return bool(
            self.began if self.text in ("busy", "unusable") else self.text == "not started" and self.there
        )

    @property
    def is_anothers(self) -> bool:
        """Whether it names a run that was not started under its key."""
        return self.text.startswith("started ") and self.text.removeprefix("started ") not in self.there


@dataclass
class History:
    """What came of one pair with one trouble."""

    pair: Pair
    trouble: Trouble
    at: int
    told: list[Told] = field(default_factory=list)
    moments: int = 0
    statements: int = 0
    too_many: int = 0
    claimed_twice: int = 0
    records: list[Record] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return any(record.is_open for record in self.records)


class Process:
    """One command of a host, which goes on only while it is let.

    Args:
        stage: where.
        host: whose.
        stands_at: the moment, or the statement, at which it stands still.
        trouble: what happens to it there.
    """

    def __init__(
        self, stage: Stage, host: int, stands_at: int = 0, trouble: Trouble = Trouble.NOTHING
    ) -> None:
        self.stage = stage
        self.host = host
        self._stands_at = stands_at
        self._trouble = trouble
        self._lets_go, self._stands = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._is_dead = False
        self.switch = _Moments(self)
        self.switch.key = stage.pair.keys[host]
        self.moments = self.statements = self.began = 0
        self.has_ended = False
        self.told = ""

    def go_on(self) -> None:
        """Go on until it ends, or stands still; nothing happens where it has ended."""
        if self.has_ended:
            return
        if self._thread.ident is None:
            self._thread.start()
        self._lets_go.release()
        self._stands.acquire()

    def stand_still(self) -> None:
        """Let others go on, in its own thread."""
        self._stands.release()
        self._lets_go.acquire()

    def reach_moment(self) -> None:
        """Come to a moment at which something may happen to it."""
        self.moments += 1
        if self._is_dead:
            raise Crash
        if self._trouble in _OF_STATEMENTS or self.moments != self._stands_at:
            if self._trouble is Trouble.CUT_LATER and self.moments == self._stands_later:
                self.stand_still()
            return
        if self._trouble is not Trouble.NOTHING:
            # The other one waits by now.
            self.stand_still()
        if self._trouble is Trouble.RESTART:
            self.stage.restart()
        if self._trouble is Trouble.DEATH:
            self._is_dead = True
            raise Crash
        self.stand_still()

    _stands_later = 0

    def take_step(self, step: Step) -> None:
        """Come to a statement, and perhaps lose the connection there."""
        if self._is_dead:
            raise Crash
        self.statements += 1
        if self._trouble in _OF_STATEMENTS and self.statements == self._stands_at:
            self.stage.cut(self._ledger)
            if self._trouble is Trouble.CUT:
                self.stand_still()
            else:
                self._stands_later = self.moments + _A_LITTLE_LATER
            raise ConnectionLost
        if step in _MOMENTS:
            self.reach_moment()

    def _live(self) -> None:
        self._lets_go.acquire()
        HERE.process = self
        self._ledger = self.stage.open_for(self)
        try:
            self.told = self.stage.command(self, self._ledger)
        finally:
            # Dead or alive.
            self._is_dead = False
            HERE.process = None
            self.stage.end(self, self._ledger)
            self.has_ended = True
            self._stands.release()


class _Here(threading.local):
    """Which command this thread is."""

    process: Process | None = None


HERE = _Here()
"""The command of this thread."""


class _Moments(Switch):
    """The moments of one command."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process

    def moment(self) -> None:
        self._process.reach_moment()


class _OfThisThread(Switch):
    """The moments of whichever command calls Alma."""

    def moment(self) -> None:
        if HERE.process is not None:
            HERE.process.switch.moment()

    @property
    def key(self) -> str:
        if HERE.process is None:
            return ""
        # It is asked as a run begins.
        HERE.process.began += 1
        return HERE.process.switch.key

    @key.setter
    def key(self, _key: str) -> None:
        """It is the command's."""


class Stage:
    """What two hosts have in common, and each for itself."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        world = pair.world
        self.time = FastClock(NOON)
        self.alma = ModelAlma(
            self.time, world.behaviour, world.job, stranger=world.stranger, kind=world.target.kind.upper()
        )
        self.alma.switch = _OfThisThread()
        self.shared = Shared()
        self.places: list[MemoryPlace] = []
        self.newest = ["", ""]
        write_earlier(self.open_ledger(0), world)
        self.newest = ["", ""]

    def open_ledger(self, host: int) -> Ledger:
        """Return the ledger, as a process of a host has it."""
        ledger = ModelLedger(self.shared)
        ledger.newest = self.newest[host]
        return ledger

    def open_for(self, process: Process) -> Ledger:
        """Return the ledger for a command, which hears of each step."""
        ledger = self.open_ledger(process.host)
        assert isinstance(ledger, ModelLedger)
        ledger.memory.on_step = process.take_step
        ledger.memory.on_wait = lambda _name, _seconds: process.stand_still()
        self.places.append(ledger.memory)
        return ledger

    def cut(self, ledger: Ledger) -> None:
        """Cut a command's connection."""
        assert isinstance(ledger, ModelLedger)
        ledger.memory.lose()

    def restart(self) -> None:
        """Start the server again: nobody holds anything any more."""
        for place in self.places:
            place.lose()

    def end(self, process: Process, ledger: Ledger) -> None:
        """End a command: it holds nothing any more."""
        assert isinstance(ledger, ModelLedger)
        ledger.memory.close()
        self.places.remove(ledger.memory)
        self.newest[process.host] = ledger.newest

    def command(self, process: Process, ledger: Ledger) -> str:
        """Give a host's command, and return what it says."""
        key, skew = self.pair.keys[process.host], self.pair.skews[process.host]
        clock = Clock(lambda: self.time.now() + skew, self.time.elapsed, self.time.sleep, self.time.elapsed)
        # Two keys are two runs, also where one has not ended.
        options = StartOptions(run_key=key, is_confirmed=True, if_running="start")
        request = StartRequest(self.pair.world.job, options=options, run_key=key, is_named=True)
        deps = Deps(self.pair.world.target, cast(Alma, self.alma), ledger, ledger.place.locks, clock)
        try:
            record = start(request, deps).record
        except Crash:
            return "died"
        except OutcomeUnknown:
            return "unknown"
        except JobBusy:
            return "busy"
        except LedgerUnusable:
            return "unusable"
        except AlmajobError as error:
            return "not started" if error.is_retry_safe else "refused"
        except Exception as error:  # noqa: BLE001  # a bug, which the history tells
            return f"a bug: {error!r}"
        return f"started {record.instance_id}"

    def runs_of(self, key: str) -> tuple[str, ...]:
        """Return the runs that were begun under a key."""
        return tuple(item.instance.id for item in self.alma.shown if item.is_ours and item.key == key)


def play(pair: Pair, trouble: Trouble, at: int, stage: Stage | None = None) -> History:
    """Play one history: both commands at once, then each of them three times more.

    Args:
        at: the moment, or the statement, of the first command at which something happens; 0 for none.
        stage: another one than in memory.
    """
    stage, history = stage or Stage(pair), History(pair, trouble, at)
    first, second = Process(stage, pair.first, at, trouble), Process(stage, 1 - pair.first)
    _go_on(history, first)
    _go_on(history, second)
    if trouble in (Trouble.DEATH, Trouble.RESTART):
        # Now it happens: the other one waits.
        _go_on(history, first)
    if trouble is not Trouble.NOTHING:
        _end(history, second)
    _end(history, first, second)
    history.moments, history.statements = first.moments, first.statements
    for wait in LATER:
        stage.time.slept += wait
        for host in (0, 1):
            _end(history, Process(stage, host))
    _judge(history, stage)
    return history


def _end(history: History, *processes: Process) -> None:
    """Let commands go on by turns until they have ended."""
    while not all(process.has_ended for process in processes):
        for process in processes:
            _go_on(history, process)


def _go_on(history: History, process: Process) -> None:
    """Let a command go on; where it ends, note what it says."""
    if not process.has_ended:
        process.go_on()
        if process.has_ended:
            there = process.stage.runs_of(history.pair.keys[process.host])
            history.told.append(Told(process.host, process.told, process.began, there))


def _judge(history: History, stage: Stage) -> None:
    pair = history.pair
    for key in set(pair.keys):
        # Two runs of one request are Alma's doing.
        history.too_many += max(len(stage.runs_of(key)) - pair.world.behaviour.copies, 0)
    history.records = list_records(stage.open_ledger(0))
    named = [
        (alma_of(record.identity), record.instance_id)
        for record in history.records
        if record.has_run and not record.is_attached
    ]
    history.claimed_twice = len(named) - len(set(named))


def pairs() -> Iterator[Pair]:
    """Return all settings."""
    nobody = STRANGERS[0]
    behaviours = [item for item in BEHAVIOURS if item.name in _BEHAVIOURS]
    behaviours.sort(key=lambda item: _BEHAVIOURS.index(item.name))
    for number, behaviour in enumerate(behaviours):
        worlds = (
            World(behaviour, nobody, MANUAL, PRODUCTION, tags_known=True),
            World(behaviour, nobody, SCHEDULED, SOLE_STARTER),
            World(behaviour, nobody, SCHEDULED, PRODUCTION),
        )
        for kind, world in enumerate(worlds):
            turn = number + kind
            for keys in (("nightly", "nightly"), ("nightly", "weekly")):
                # Each clock is right, ahead or behind, of whoever begins and of the other one.
                skew = (0.0, 90.0, -2 * _HOUR, 3 * _HOUR)[turn % 4]
                yield Pair(world, keys, (0.0, skew), turn % 2)
                turn += 1


def groups() -> list[str]:
    """Return the rows of the table in the docs."""
    return sorted({pair.group for pair in pairs()})


def pairs_of(group: str) -> list[Pair]:
    """Return the settings of a group."""
    return [pair for pair in pairs() if pair.group == group]


def histories(group: Sequence[Pair]) -> list[History]:
    """Play every history of some settings: each trouble at every moment, or statement."""
    found = []
    for pair in group:
        whole = play(pair, Trouble.NOTHING, 0)
        found.append(whole)
        for trouble in Trouble:
            count = whole.statements if trouble in _OF_STATEMENTS else whole.moments
            found += [play(pair, trouble, at) for at in range(1, count + 1)]
    return found


def figures(group: str, played: Sequence[History]) -> str:
    """Return a group's row of the docs."""
    counts = (
        len(played),
        sum(history.too_many for history in played),
        sum(history.claimed_twice for history in played),
        sum(told.is_denial for history in played for told in history.told),
        sum(told.is_anothers for history in played for told in history.told),
    )
    left = round(100 * sum(history.is_open for history in played) / len(played), 1)
    return f"| {group} | {' | '.join(f'{count:,}' for count in counts)} | {left} % |"
