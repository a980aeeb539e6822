"""Who is busy with what, among all almajobs that share a database: advisory locks of their connections."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from almajob.errors import JobBusy, Refused
from almajob.store.ledger.place import WHEN_ENDED
from almajob.store.ledger.record import checksum
from almajob.store.postgresql.database import Database, InUse
from almajob.system.deadline import nap
from almajob.system.sharing.forks import forget_in_children

if TYPE_CHECKING:
    from almajob.store.postgresql.connection import Connection

_SECONDS = 10.0
_RELEASE = 3.0
_SHORTEST, _LONGEST = 0.02, 0.25
_LOCKS = (
    "FROM pg_catalog.pg_locks LEFT JOIN pg_catalog.pg_stat_activity USING (pid) "
    "WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
)
_NUMBER = "((classid::bigint << 32) | objid::bigint)"


class LocksLost(Exception):
    """What this process has locked is not locked any more: the connection was lost."""


class PostgresLocks:
    """Locks by name; see ``store.ledger.place.Locks``.

    Args:
        name_failures: raises whatever fails in its block as LedgerUnusable.
    """

    def __init__(self, database: Database, name_failures: Callable[[], AbstractContextManager[None]]) -> None:
        self._database = database
        self._name_failures = name_failures
        self._checked: Connection | None = None
        self.forget_parent()
        forget_in_children(self)

    def forget_parent(self) -> None:
        """Hold nothing: what the parent has locked stays locked by it."""
        self._held: dict[int, Connection] = {}
        self._busy: dict[int, Connection] = {}

    @property
    def numbers(self) -> list[int]:
        """What is locked."""
        return list(self._held)

    def need(self) -> None:
        """Make sure that the connection on which everything was locked is still there; in a turn.

        Raises:
            LocksLost: it is not.
        """
        current = self._database.current
        if any(connection is not current for connection in self._held.values()):
            raise LocksLost

    def count_held(self, numbers: list[int]) -> str:
        """Return a query that counts which of these this connection's server process has locked."""
        listed = ", ".join(map(str, numbers)) or "NULL"
        return f"SELECT count(*) {_LOCKS} AND pid = pg_backend_pid() AND {_NUMBER} IN ({listed})"

    @contextlib.contextmanager
    def lock(self, name: str, wait: float, hint: str = WHEN_ENDED, *, remove: bool = False) -> Iterator[None]:
        number = _number_of(name)
        connection = self._acquire(number, wait, hint)
        try:
            yield
        finally:
            self._release(number, connection)

    def check(self) -> str:
        with self._name_failures(), self._database.use(_SECONDS):
            connection = self._database.connect(0.0)
            self._check_pooler(connection)
            # Whether this user may use the ledger at all is found out as it is used.
            return f"in {self._database.address}"

    def hold(self, name: str) -> None:
        number = _number_of(name)
        with contextlib.suppress(Refused), self._name_failures(), self._database.use(_RELEASE):
            connection = self._database.connect(0.0)
            if number not in self._busy and _try(connection, number):
                self._busy[number] = connection

    def is_held(self, name: str) -> bool:
        with contextlib.suppress(Refused), self._name_failures(), self._database.use(_RELEASE):
            return bool(_find_holders(self._database.connect(0.0), _number_of(name)))
        return False

    def release(self) -> None:
        busy, self._busy = self._busy, {}
        for number, connection in busy.items():
            self._unlock(number, connection)

    def _acquire(self, number: int, wait: float, hint: str) -> Connection:
        end, pause = time.monotonic() + wait, _SHORTEST
        while True:
            with self._name_failures(), self._database.use(max(end - time.monotonic(), _SECONDS)):
                # A connection that is new has nothing locked, whatever this process believes.
                connection = self._database.connect(end - time.monotonic())
                if number not in self._held and self._try(connection, number):
                    self._held[number] = connection = self._database.connect(0.0)
                    return connection
                is_late = time.monotonic() >= end
                holders = _find_holders(self._database.connect(0.0), number) if is_late else []
            if is_late:
                holder = next(filter(None, holders), "")
                raise JobBusy(
                    "Another almajob is busy with this job or run key.",
                    reason=f"It is {holder}." if holder else "",
                    hint=hint,
                )
            nap(min(pause, max(end - time.monotonic(), 0.0)))
            pause = min(2 * pause, _LONGEST)

    def _try(self, connection: Connection, number: int) -> bool:
        """Try to lock something, on another connection where this one was lost while it was idle."""
        from almajob.store.postgresql.errors import is_lost

        try:
            self._check_new(connection)
            return _try(connection, number)
        except Exception as error:
            if not is_lost(error):
                raise
            self._database.drop()
            connection = self._database.connect(_SECONDS)
            self._check_new(connection)
            return _try(connection, number)

    def _check_new(self, connection: Connection) -> None:
        """Refuse a pooler that gives each transaction another server process."""
        if self._checked is not connection:
            # A pooler has numbers of its own; without one, nothing can come between.
            if _find_process(connection) != connection.pgconn.backend_pid:
                self._check_pooler(connection)
            self._checked = connection

    def _check_pooler(self, connection: Connection) -> None:
        """Make sure that what one connection has locked is locked for another one.

        Raises:
            Refused: it is not.
        """
        from almajob.store.postgresql.connection import connect

        number = secrets.randbits(62)
        processes = {_find_process(connection) for _ in range(3)}
        is_locked = _try(connection, number)
        other = connect(self._database.address, self._database.password)
        try:
            other.run("BEGIN", seconds=_SECONDS)
            (((is_free,),),) = other.run(f"SELECT pg_try_advisory_xact_lock({number})", seconds=_SECONDS)
            processes.add(_find_process(connection))
            other.run("ROLLBACK", seconds=_SECONDS)
        finally:
            other.drop()
        connection.run(f"SELECT pg_advisory_unlock({number})", seconds=_SECONDS)
        if is_free or not is_locked or len(processes) > 1:
            raise Refused(
                f"Locks have no effect in {self._database.address}.",
                reason="Between almajob and PostgreSQL is a pooler that gives each transaction another "
                "connection, so a job could be started twice.",
                hint="Name the server itself in [almajob] ledger, or a pool with pool_mode = session.",
            )

    def _release(self, number: int, connection: Connection) -> None:
        # In a child that was forked meanwhile it is the parent's.
        if self._held.get(number) is connection:
            self._unlock(number, connection)
            self._held.pop(number, None)

    def _unlock(self, number: int, connection: Connection) -> None:
        """Unlock something; where its connection was lost, it has been unlocked."""
        from psycopg import Error

        try:
            with self._database.use(_SECONDS):
                if self._database.current is not connection:
                    return
                try:
                    connection.run(f"SELECT pg_advisory_unlock({number})", seconds=_RELEASE)
                except Error:
                    # What else is locked on it is lost, too, and that is noticed before anything is sent.
                    self._database.drop()
        except InUse:
            # It is unlocked as this process ends.
            pass


def _try(connection: Connection, number: int) -> bool:
    (((is_locked,),),) = connection.run(f"SELECT pg_try_advisory_lock({number})", seconds=_SECONDS)
    return bool(is_locked)


def _find_process(connection: Connection) -> int:
    (((process,),),) = connection.run("SELECT pg_backend_pid()", seconds=_SECONDS)
    return int(process)


def _find_holders(connection: Connection, number: int) -> list[str]:
    from almajob.store.postgresql.connection import describe_process

    (names,) = connection.run(
        f"SELECT application_name {_LOCKS} AND {_NUMBER} = {number}",
        seconds=_SECONDS,
    )
    return [describe_process(name or "") for (name,) in names]


def _number_of(name: str) -> int:
    """Return the number of a name: 62 bits, of which no two names have the same in practice."""
    return int(checksum(f"almajob lock {name}")[:16], 16) >> 2
