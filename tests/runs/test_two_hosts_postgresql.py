"""Two hosts with a real PostgreSQL: connections that are cut, and a server that is started again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from almajob.runs.job_lock import LOCK_WAIT
from almajob.store.ledger.ledger import Ledger
from almajob.store.postgresql import locks
from almajob.store.postgresql.connection import Connection
from almajob.store.postgresql.postgres_place import PostgresPlace
from tests.runs.histories import SOLE_STARTER
from tests.runs.model import MANUAL
from tests.runs.two_hosts import HERE, History, Pair, Process, Stage, Trouble, pairs, play
from tests.support.ledgers import list_records
from tests.support.memory_place import ConnectionLost, Step
from tests.support.places import Home
from tests.support.postgres import Database
from tests.support.thoroughness import IN_CI, STRIDE

CUTS = (Trouble.CUT, Trouble.CUT_LATER)
# In memory each of them is played. Here, where that takes much longer, these show that it is the same.
_EACH = 4 * STRIDE


class _PostgresStage(Stage):
    """Two hosts, each with a state directory, and a database."""

    def __init__(self, pair: Pair, database: Database, state: Path) -> None:
        self._database = database
        self._homes = [Home(str(state / f"host{number}"), database.url) for number in range(2)]
        self._opened: list[Ledger] = []
        super().__init__(pair)

    def open_ledger(self, host: int) -> Ledger:
        ledger = self._homes[host].open_ledger()
        self._opened.append(ledger)
        return ledger

    def open_for(self, process: Process) -> Ledger:
        return self.open_ledger(process.host)

    def cut(self, ledger: Ledger) -> None:
        assert isinstance(ledger.place, PostgresPlace)
        connection = ledger.place.database._connection
        if connection is not None:
            self._database.cluster.run(
                "SELECT pg_terminate_backend(%s, 10000)", [connection.pgconn.backend_pid]
            )

    def restart(self) -> None:
        self._database.cluster.restart()

    def end(self, process: Process, ledger: Ledger) -> None:
        ledger.place.close()

    def close(self) -> None:
        """Close whatever is open."""
        for ledger in self._opened:
            ledger.place.close()


@pytest.fixture(autouse=True)
def _statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell a command of each of its statements, and of each moment; it waits for a lock by standing still."""
    run, commit = Connection.run, Connection.commit_now
    lock, change = locks.PostgresLocks.lock, PostgresPlace.change

    def take(step: Step) -> None:
        if HERE.process is not None:
            with contextlib.suppress(ConnectionLost):
                # It is lost in earnest, and is found out by the next statement.
                HERE.process.take_step(step)

    def running(self: Connection, statements: str, *args: Any, **options: Any) -> Any:
        take(Step.GET)
        return run(self, statements, *args, **options)

    def committing(self: Connection, **options: Any) -> None:
        take(Step.COMMIT)
        commit(self, **options)
        if HERE.process is None:
            return
        try:
            HERE.process.take_step(Step.PUT)
        except ConnectionLost:
            self.drop()
            raise psycopg.OperationalError("the connection was lost before the answer came") from None

    @contextlib.contextmanager
    def locking(self: locks.PostgresLocks, *args: Any, **options: Any) -> Iterator[None]:
        take(Step.LOCK)
        with lock(self, *args, **options):
            try:
                yield
            finally:
                take(Step.UNLOCK)

    @contextlib.contextmanager
    def changing(self: PostgresPlace, *args: Any, **options: Any) -> Iterator[Any]:
        take(Step.CHANGE)
        with change(self, *args, **options) as rows:
            yield rows
        take(Step.COMMITTED)

    passed = [0.0]

    def nap(_seconds: float) -> None:
        assert HERE.process is not None
        HERE.process.stand_still()
        # Who has not got it then does not get it.
        passed[0] += LOCK_WAIT

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + passed[0])

    monkeypatch.setattr(Connection, "run", running)
    monkeypatch.setattr(Connection, "commit_now", committing)
    monkeypatch.setattr(locks.PostgresLocks, "lock", locking)
    monkeypatch.setattr(PostgresPlace, "change", changing)
    monkeypatch.setattr(locks, "nap", nap)
    monkeypatch.setattr(locks, "time", clock)


def _choose_pairs() -> list[Pair]:
    """Return a manual job under one key, and a scheduled one under two."""
    chosen = [pair for pair in pairs() if pair.world.behaviour.name == "accepted, then dropped"]
    tagged = next(pair for pair in chosen if pair.world.job is MANUAL and len(set(pair.keys)) == 1)
    untagged = next(pair for pair in chosen if pair.world.target is SOLE_STARTER and len(set(pair.keys)) == 2)
    return [tagged, untagged] if IN_CI else [untagged]


@pytest.mark.parametrize("trouble", Trouble, ids=lambda trouble: trouble.name)
@pytest.mark.parametrize("pair", _choose_pairs(), ids=lambda pair: pair.group)
def test_no_history_with_a_real_server_breaks_a_promise(
    pair: Pair, trouble: Trouble, ledger_database: Database, tmp_path: Path
) -> None:
    """The same as in memory: the real statements, locks and commits of both hosts."""
    played = []

    def play_on(trouble: Trouble, at: int) -> History:
        ledger_database.cluster.start()
        ledger_database.run("DELETE FROM almajob.rows")
        stage = _PostgresStage(pair, ledger_database, tmp_path / f"{trouble.name}-{at}")
        try:
            history = play(pair, trouble, at, stage)
            assert all(record.trail for record in list_records(stage.open_ledger(1)))
        finally:
            stage.close()
        return history

    whole = play_on(Trouble.NOTHING, 0)
    count = whole.statements if trouble in CUTS else whole.moments
    for at in range(1, count + 1, _EACH):
        played.append(play_on(trouble, at))
    for history in [whole, *played]:
        assert (history.too_many, history.claimed_twice) == (0, 0), history
        assert not any(told.is_denial or told.is_anothers for told in history.told), history
        assert not any(told.text.startswith("a bug") for told in history.told), history
    said = {told.text for history in played for told in history.told}
    assert trouble is not Trouble.DEATH or "died" in said
    assert trouble not in CUTS or "unusable" in said
