"""A connection that is lost at any message: what is said to be kept is kept, and nothing is started twice."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from itertools import count
from multiprocessing.connection import Connection as Pipe

import pytest

from almajob.errors import JobBusy
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable, Place
from almajob.store.ledger.record import Record, State, Transition
from almajob.store.postgresql import connection as connections
from almajob.store.postgresql import postgres_place
from tests.support.places import Home
from tests.support.postgres import Database
from tests.support.processes import PROCESSES
from tests.support.tcp_relay import TcpRelay

JOB = "sandbox:S1"
WAIT = 30.0


def _record(record_id: str) -> Record:
    return Record(
        *(record_id, "sandbox", "01X", "S1", "ERP export", record_id, True, 1, "", ""),
        trail=(Transition(State.PREPARED, 1.8e9, "meant"),),
    )


class _Start:
    """A start, as far as the ledger is concerned; what it believes is what its user is told.

    Attributes:
        is_sent, is_answered: whether the ledger let it go on so far.
    """

    def __init__(self, place: Place, record_id: str) -> None:
        self._place, self._record = place, _record(record_id)
        self.is_sent = self.is_answered = False

    def run(self, other: Place) -> None:
        """Go through it, until the ledger refuses to go on."""
        ledger, record = Ledger(self._place), self._record
        with contextlib.suppress(LedgerUnusable), self._place.locks.lock(JOB, WAIT):
            ledger.write(record)
            record = record.advance(State.SENDING, 1.8e9, "sent")
            ledger.write(record)
            # Here the job is started: while nobody else can be about to.
            self.is_sent = True
            assert other.locks.is_held(JOB)
            ledger.write(record.advance(State.STARTED, 1.8e9, "Alma said so", instance_id=record.id))
            self.is_answered = True

    def check(self, ledger: Ledger) -> None:
        """Compare what it believes with what is kept."""
        with ledger.read() as view:
            kept = view.find(self._record.id)
        state = kept.state if kept else None
        if self.is_answered:
            assert state == State.STARTED
        elif self.is_sent:
            assert state in (State.SENDING, State.STARTED)
        else:
            assert state in (None, State.PREPARED, State.SENDING)


@pytest.mark.parametrize("is_answer_lost", [False, True], ids=["request lost", "answer lost"])
def test_a_connection_lost_at_any_message_is_no_double_start(
    far_home: Home, postgresql_home: Home, relay: TcpRelay, is_answer_lost: bool
) -> None:
    """Nothing is sent unless SENDING is kept and the job is locked; and what is told to be kept is."""
    relay.is_answer_lost = is_answer_lost
    near, told = postgresql_home.open(), set()
    for piece in count(1):
        far = far_home.open()
        relay.sent, relay.cut_at = 0, piece
        start = _Start(far, f"r{piece:03}")
        start.run(near)
        is_over = relay.sent < piece
        relay.cut_at = 0
        start.check(Ledger(near))
        # Whatever was locked is free, and the place goes on.
        with near.locks.lock(JOB, WAIT), contextlib.suppress(LedgerUnusable):
            Ledger(far).keep_fact("still", piece)
        told.add((start.is_sent, start.is_answered))
        far.close()
        if is_over:
            break
    assert piece > 8
    # In some the answer could not be kept, as its commit was lost; in most it was, over another connection.
    assert told == {(False, False), (True, False), (True, True)}
    with near.read(WAIT) as rows:
        assert Ledger(near).place.name
        assert rows.list("")


def test_a_server_that_kills_the_connection_between_two_steps_stops_the_start(
    postgresql_home: Home, ledger_database: Database
) -> None:
    """Its lock was lost: another may have taken it. The answer of one that was sent is kept all the same."""
    place, record = postgresql_home.open(), _record("r1")
    ledger = Ledger(place)
    with place.locks.lock(JOB, WAIT):
        ledger.write(record)
        assert ledger_database.cut_connections() == 1
        sending = record.advance(State.SENDING, 1.8e9, "sent")
        for _ in range(2):
            with pytest.raises(LedgerUnusable) as caught:
                ledger.write(sending)
            assert "and with it the lock of this start" in caught.value.reason
        # Reading goes on, and what is no start.
        with ledger.read() as view:
            assert view.find("r1") == record
        ledger.keep_fact("x", 1)
        with pytest.raises(LedgerUnusable):
            ledger.write(sending)
    # Out of the block, a new start has new locks.
    with place.locks.lock(JOB, WAIT):
        ledger.write(sending)
        ledger_database.cut_connections()
        ledger.write(sending.advance(State.STARTED, 1.8e9, "Alma said so", instance_id="77"))
    place.close()


def test_a_lock_is_lost_although_it_is_free_again(postgresql_home: Home, ledger_database: Database) -> None:
    """Another process had it meanwhile; who lost it sends nothing, even with another lock."""
    place, other = postgresql_home.open(), postgresql_home.on_another_host("host2").open()
    with place.locks.lock(JOB, WAIT):
        ledger_database.cut_connections()
        with other.locks.lock(JOB, WAIT):
            Ledger(other).write(_record("r2"))
        with (
            place.locks.lock("key:r1", WAIT),
            pytest.raises(LedgerUnusable, match="cannot be used"),
        ):
            Ledger(place).write(_record("r1"))
    place.close()
    other.close()


def test_a_restarted_server_is_waited_for_by_whoever_was_connected(
    postgresql_home: Home, ledger_database: Database
) -> None:
    """The answer to a start is kept although the server is just being started again."""
    place, record = postgresql_home.open(), _record("r1")
    ledger = Ledger(place)
    with place.locks.lock(JOB, WAIT):
        ledger.write(record)
        sending = record.advance(State.SENDING, 1.8e9, "sent")
        ledger.write(sending)
        ledger_database.cluster.kill()
        answer = sending.advance(State.STARTED, 1.8e9, "Alma said so", instance_id="77")
        writing = threading.Thread(target=ledger.write, args=(answer,))
        writing.start()
        # Not by another thread, with whose end it would end.
        ledger_database.cluster.start()
        writing.join()
    with ledger.read() as view:
        found = view.find("r1")
        assert found is not None
        assert found.state == State.STARTED
    place.close()


def test_a_network_that_swallows_everything_hangs_nobody(
    far_home: Home, relay: TcpRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a read nor a change, a lock, the end of a lock, or a connection: each ends with words."""
    for name in ("_STATEMENT", "_GRACE"):
        monkeypatch.setattr(postgres_place, name, 0.1)
    monkeypatch.setattr("almajob.store.postgresql.locks._SECONDS", 0.2)
    monkeypatch.setattr("almajob.store.postgresql.locks._RELEASE", 0.2)
    monkeypatch.setattr("almajob.store.postgresql.database._PATIENCE", 0.0)
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 2.0)
    place = far_home.open()
    with place.locks.lock(JOB, 0.1):
        relay.is_silent = True
        with pytest.raises(LedgerUnusable, match="cannot be used") as caught:
            Ledger(place).keep_fact("x", 1, wait=0.1)
    relay.is_silent = False
    with pytest.raises(LedgerUnusable) as caught, place.change(0.1) as rows:
        relay.is_silent = True
        rows.put({"a": 1})
    assert "did not answer in time" in caught.value.reason
    with pytest.raises(LedgerUnusable) as caught, place.locks.lock(JOB, 0.1):
        pass
    assert "does not answer" in caught.value.reason
    assert not place.locks.is_held(JOB)
    place.locks.hold("r1")
    place.locks.release()
    place.close()


def test_a_commit_that_is_not_answered_is_not_taken_for_kept(
    far_home: Home, relay: TcpRelay, postgresql_home: Home
) -> None:
    """It may be kept: so it was here."""
    place = far_home.open()
    relay.is_answer_lost = True
    with pytest.raises(LedgerUnusable) as caught, place.change(WAIT) as rows:
        rows.put({"a": 1})
        relay.cut_at = relay.sent + 1
    assert "lost" in caught.value.reason
    with postgresql_home.open().read(WAIT) as rows:
        assert rows.get(["a"]) == {"a": 1}
    place.close()


def _hold_and_leave_a_child(home: Home, pipe: Pipe) -> None:
    """Hold a lock, and fork a child that lives on with whatever it has inherited."""
    place = home.open()
    with place.locks.lock(JOB, WAIT):
        if os.fork() == 0:
            pipe.send(os.getpid())
            time.sleep(600)
        signal.pause()


@pytest.fixture
def orphan(postgresql_home: Home) -> Iterator[int]:
    """A child whose parent had the lock, and was killed."""
    ours, theirs = PROCESSES.Pipe()
    parent = PROCESSES.Process(target=_hold_and_leave_a_child, args=(postgresql_home, theirs))
    parent.start()
    child = ours.recv()
    place = postgresql_home.open()
    with pytest.raises(JobBusy), place.locks.lock(JOB, 0):
        pass
    parent.kill()
    parent.join()
    place.close()
    yield child
    os.kill(child, signal.SIGKILL)


def test_a_lock_dies_with_its_process_though_a_child_lives_on(postgresql_home: Home, orphan: int) -> None:
    """A child has no copy of the connection."""
    place = postgresql_home.open()
    with place.locks.lock(JOB, WAIT):
        os.kill(orphan, 0)
    place.close()
