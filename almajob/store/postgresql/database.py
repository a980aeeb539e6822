"""The one connection that a process has with a database, for all its threads; made when it is used."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from almajob.store.ledger.place import LedgerUnusable
from almajob.system.deadline import nap
from almajob.system.sharing.forks import forget_in_children
from almajob.text.database_address import DatabaseAddress
from almajob.text.redaction import Sealed, Secret

if TYPE_CHECKING:
    from almajob.store.postgresql.connection import Connection

_PATIENCE = 10.0
"""Seconds for which a server that was there is waited for: it may be started again."""
_PAUSE = 0.2
_ROLLBACK = 5.0


class InUse(Exception):
    """Another thread of this process used the connection for as long as was waited."""


class Database(Sealed):
    """A database and the connection with it, which threads use by turns.

    A child that is forked makes one of its own.

    Args:
        find_password: returns the password; None where that is left to libpq. It is called once.
    """

    def __init__(self, address: DatabaseAddress, find_password: Callable[[], Secret | None]) -> None:
        self.address = address
        self._find_password = find_password
        self._password: tuple[Secret | None] | None = None
        self._was_there = False
        self._connection: Connection | None = None
        self._turn = threading.Lock()
        forget_in_children(self)

    def forget_parent(self) -> None:
        """Leave the connection to the parent."""
        self._turn = threading.Lock()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave_to_parent()

    @contextlib.contextmanager
    def use(self, wait: float) -> Iterator[None]:
        """Keep other threads from using the connection during the block.

        Raises:
            InUse: another thread has it for too long.
        """
        turn = self._turn
        if not turn.acquire(timeout=max(wait, 0.0)):
            raise InUse
        try:
            yield
        finally:
            # A child that was forked in the block has another one.
            turn.release()

    @property
    def current(self) -> Connection | None:
        """The connection, where there is one that can be used; in a turn."""
        if self._connection is not None and not self._connection.is_idle:
            self.drop()
        return self._connection

    @property
    def password(self) -> Secret | None:
        """The password, where it is not left to libpq; it is fetched once."""
        if self._password is None:
            self._password = (self._find_password(),)
        return self._password[0]

    def connect(self, wait: float, *, seconds: float | None = None) -> Connection:
        """Return the connection; in a turn.

        Args:
            wait: seconds for which a server that was there before is tried again.
            seconds: how long the server may take; the usual time where not given.

        Raises:
            LedgerUnusable: psycopg is not installed, or there is no password where it should be.
            psycopg.Error: there is no connection.
        """
        found = self.current
        if found is not None:
            return found
        import psycopg

        from almajob.store.postgresql import connection
        from almajob.store.postgresql.errors import explain

        limit = connection.CONNECT_SECONDS if seconds is None else seconds
        password = self.password
        end = time.monotonic() + (min(wait, _PATIENCE) if self._was_there else 0.0)
        while True:
            try:
                self._connection = connection.connect(self.address, password, seconds=limit)
            except psycopg.Error as error:
                if time.monotonic() >= end or not explain(error).is_passing:
                    raise
                nap(_PAUSE)
            else:
                self._was_there = True
                return self._connection

    def roll_back(self, connection: Connection) -> None:
        """Leave a transaction; where that cannot be done, the server does it as the connection ends."""
        import psycopg
        from psycopg.pq import TransactionStatus

        if connection is not self._connection:
            # It was dropped; or this is a child that was forked meanwhile.
            return
        try:
            if connection.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                connection.run("ROLLBACK", seconds=_ROLLBACK)
        except psycopg.Error:
            pass
        finally:
            if not connection.is_idle:
                self.drop()

    def drop(self) -> None:
        """Close the connection; the next use makes another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    def close(self) -> None:
        """Close the connection, once no thread uses it."""
        with contextlib.suppress(InUse), self.use(_PATIENCE):
            self.drop()


def need_psycopg() -> None:
    """Make sure that the library is there, and can be loaded.

    Raises:
        LedgerUnusable: it is not.
    """
    try:
        import psycopg  # noqa: F401  # the first use
    except ImportError as error:
        is_missing = isinstance(error, ModuleNotFoundError) and error.name == "psycopg"
        raise LedgerUnusable(
            "The ledger in PostgreSQL needs the library psycopg, which "
            f"{'is not installed' if is_missing else 'cannot be loaded'}.",
            reason="" if is_missing else f"{str(error).splitlines()[0]}.",
            hint="Type: pip install 'psycopg[binary]'",
        ) from None
