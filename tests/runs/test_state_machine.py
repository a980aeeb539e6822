"""Runs, deaths, other starters, clock jumps, lags, people's words, in any order: never twice, no stranger."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from almajob.errors import AlmajobError
from almajob.runs.start import recover
from almajob.runs.start.submit import start
from almajob.runs.start_request import Deps, StartOptions, StartRequest, Target
from almajob.store.ledger.record import Record, State, is_lawful
from almajob.store.ledger.sealed_rows import SealedRows
from tests.runs.model import (
    BEHAVIOURS,
    MANUAL,
    NOON,
    RARE,
    SCHEDULED,
    Behaviour,
    Crash,
    ModelAlma,
    ModelLedger,
    Switch,
    make_deps,
)
from tests.support.clocks import FastClock
from tests.support.places import Home, restore_rows
from tests.support.postgres import Database
from tests.support.thoroughness import IN_CI, STRIDE

PLACE = Target("production", "production", "model")
KEYS = ("a", "b")
TROUBLES = (
    BEHAVIOURS[0],
    *(item for item in BEHAVIOURS if item.name.startswith(("accepted", "dropped", "fine, "))),
    # Those that an Alma or a proxy can have for one start and not for another.
    *(item for item in RARE if item.names_cut == 1000 and not item.replays),
)


class _Starts(RuleBasedStateMachine):
    """The starts of one job, with two run keys, while the world misbehaves."""

    job = MANUAL
    target = PLACE
    others: tuple[str, ...] = ("exl_api", "jdoe", "System")

    def __init__(self) -> None:
        super().__init__()
        self.time = FastClock(NOON)
        self.alma = ModelAlma(self.time, BEHAVIOURS[0], self.job, kind="PRODUCTION")
        self.ledger = self.make_ledger()
        self.key_of: dict[str, str] = {}

    def make_ledger(self) -> ModelLedger:
        """Return a ledger with nothing in it."""
        return ModelLedger()

    def teardown(self) -> None:
        self.ledger.end_process()

    def _deps(self, dies_at: int | None = None) -> Deps:
        return make_deps(self.target, self.alma, self.ledger, Switch(dies_at))

    @rule(
        key=st.sampled_from(KEYS),
        behaviour=st.sampled_from(TROUBLES),
        dies_at=st.none() | st.integers(8, 16),
        if_running=st.sampled_from(("refuse", "start")),
    )
    def run(self, key: str, behaviour: Behaviour, dies_at: int | None, if_running: str) -> None:
        """A command is given; perhaps its process dies."""
        before = set(self.alma.our_runs())
        # Every command meets this behaviour anew, and Alma does not make copies here.
        self.alma.behaviour = replace(behaviour, copies=1, shows_names=True)
        self.alma.posts = 0
        options = StartOptions(run_key=key, if_running=if_running, is_confirmed=True)
        try:
            told = start(
                StartRequest(self.job, options=options, run_key=key, is_named=True),
                self._deps(dies_at),
            ).record
        except (AlmajobError, Crash):
            told = None
        for run_id in set(self.alma.our_runs()) - before:
            self.key_of[run_id] = key
        if told is not None:
            assert self.key_of.get(told.instance_id) == key

    @rule(key=st.sampled_from(KEYS))
    def run_again(self, key: str) -> None:
        """The same command, and Alma answers as it should."""
        self.run(key, BEHAVIOURS[0], None, "start")

    @rule(seconds=st.floats(0, 20), who=st.integers(0, 2))
    def somebody_else_starts_it(self, seconds: float, who: int) -> None:
        by = self.others[who % len(self.others)]
        self.alma.begin(self.job.name, is_ours=False, by=by, seconds=seconds)

    @rule(seconds=st.sampled_from((1.0, 30.0, 125.0, 1800.0, 3700.0, 90_000.0)))
    def time_passes(self, seconds: float) -> None:
        self.time.slept += seconds

    @rule(seconds=st.sampled_from((-7200.0, -60.0, 60.0, 7200.0, 400_000.0)))
    def the_clock_jumps(self, seconds: float) -> None:
        self.time.jump += seconds

    @rule()
    def cron_looks_again(self) -> None:
        for record in [record for record in self.ledger.records() if record.is_open]:
            recover.recover_start(record, self._deps())

    @precondition(lambda self: any(_is_open(record) for record in self.ledger.records()))
    @rule(data=st.data())
    def a_person_says_the_truth(self, data: st.DataObject) -> None:
        record = data.draw(st.sampled_from([item for item in self.ledger.records() if _is_open(item)]))
        taken = {item.instance_id for item in self.ledger.records()}
        ours = [
            item.instance
            for item in self.alma.shown
            if self.key_of.get(item.instance.id) == record.run_key and item.instance.id not in taken
        ]
        recover.resolve(record, self._deps(), found=ours[0] if ours else None, by="a person")

    @invariant()
    def nothing_is_started_twice(self) -> None:
        keys = [self.key_of[run_id] for run_id in self.alma.our_runs() if run_id in self.key_of]
        assert len(keys) == len(set(keys))

    @invariant()
    def each_run_is_its_own(self) -> None:
        named = [record.instance_id for record in self.ledger.records() if record.has_run]
        assert len(named) == len(set(named))
        assert set(named) <= set(self.alma.our_runs())

    @invariant()
    def every_trail_is_lawful(self) -> None:
        assert all(is_lawful([step.state for step in record.trail]) for record in self.ledger.records())


def _is_open(record: Record) -> bool:
    return record.is_open and record.state is not State.PREPARED


class _ScheduledStarts(_Starts):
    """The same for a job whose runs have no tag."""

    job = SCHEDULED


class _SoleStarter(_ScheduledStarts):
    """The same where nobody else starts jobs by the API, so that the only run that fits is ours."""

    target = replace(PLACE, may_infer=True)
    others = ("jdoe", "System")


class _DatabaseLedger(ModelLedger):
    """The ledger in PostgreSQL; each change is two moments of death, as in memory."""

    def __init__(self, home: Home) -> None:
        super().__init__()
        self.place = home.open()

    def end_process(self) -> None:
        self.place.close()

    @contextlib.contextmanager
    def _change(self, *args: Any, **options: Any) -> Iterator[SealedRows]:
        self.switch.moment()
        with super()._change(*args, **options) as rows:
            yield rows
        self.switch.moment()


class _StartsInADatabase(_SoleStarter):
    """The same again, where the ledger is in a real database."""

    home: Home

    def make_ledger(self) -> ModelLedger:
        ledger = _DatabaseLedger(self.home)
        restore_rows(ledger.place, {})
        return ledger


@pytest.fixture
def _database(ledger_database: Database, tmp_path: Path) -> None:
    _StartsInADatabase.home = Home(str(tmp_path), ledger_database.url)


_SETTINGS = settings(max_examples=400 if IN_CI else 200, stateful_step_count=25, deadline=None)
TestStartsOfAManualJob = _Starts.TestCase
TestStartsOfAManualJob.settings = _SETTINGS
TestStartsOfAScheduledJob = _ScheduledStarts.TestCase
TestStartsOfAScheduledJob.settings = _SETTINGS
TestStartsOfASoleStarter = _SoleStarter.TestCase
TestStartsOfASoleStarter.settings = _SETTINGS


@pytest.mark.usefixtures("_database")
class TestStartsInADatabase(_StartsInADatabase.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(_SETTINGS, max_examples=40 // STRIDE)
