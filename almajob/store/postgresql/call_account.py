"""The account of an institution's calls in the database of the ledger, for all machines that use it.

The database's clock is that of all. It is a hint, as the file of one machine is, which is used where the
database cannot be: no call of Alma fails or waits for long because of it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from almajob.alma.rate_limit import rate_state
from almajob.alma.rate_limit.call_account import CallAccount, Known
from almajob.alma.rate_limit.daily_quota import Moment
from almajob.alma.rate_limit.rate_state import RateState
from almajob.errors import AlmajobError
from almajob.store.postgresql.database import Database, InUse

if TYPE_CHECKING:
    from almajob.store.postgresql.connection import Connection

LOG = logging.getLogger(__name__)

AWAY_SECONDS = 30.0
"""How long a database that cannot be used is left alone."""
_CONNECT = 2.0
_STATEMENT = 1.0
_GRACE = 2.0
_TURN = 0.2
# Many more may wait for it than for the file of one machine, and further away.
_LONGER = 5
_CLOCK = "extract(epoch FROM clock_timestamp())::double precision"


class SharedCalls:
    """What is known of one institution's calls; see ``CallAccount``.

    Args:
        institution: whose calls they are.
        local: the account of this machine.
    """

    def __init__(self, database: Database, institution: str, local: CallAccount) -> None:
        self._database = database
        self._institution = institution
        self._local = local
        self._away_until = 0.0

    @contextlib.contextmanager
    def edit(self, seconds: float) -> Iterator[Known]:
        with contextlib.ExitStack() as turn:
            connection = self._begin(seconds, turn)
            known = None if connection is None else self._lock(connection, _LONGER * seconds)
            if connection is None or known is None:
                turn.close()
                with self._local.edit(seconds) as own:
                    yield own
                return
            before = known.state
            try:
                yield known
                if known.state != before:
                    self._keep(connection, known.state)
            finally:
                self._database.roll_back(connection)

    def read(self) -> Known:
        with contextlib.ExitStack() as turn:
            connection = self._begin(_STATEMENT, turn)
            if connection is not None:
                statement = (
                    "SELECT {clock}, (SELECT state FROM almajob.calls WHERE institution = {institution})"
                )
                found = self._run(connection, statement, seconds=_STATEMENT)
                if found is not None:
                    ((booted, text),) = found[-1]
                    return _know(booted, text or "{}")
        return self._local.read()

    def _begin(self, seconds: float, turn: contextlib.ExitStack) -> Connection | None:
        """Take a turn on the connection; None where it, or the database, cannot be had."""
        if time.monotonic() < self._away_until:
            return None
        try:
            import psycopg
        except ImportError as error:
            self._leave_alone(error)
            return None
        try:
            # A thread of this process may be busy with the ledger, for long.
            turn.enter_context(self._database.use(min(seconds, _TURN)))
            return self._database.connect(0.0, seconds=_CONNECT)
        except InUse:
            return None
        except (psycopg.Error, AlmajobError, OSError) as error:
            self._leave_alone(error)
            return None

    def _lock(self, connection: Connection, seconds: float) -> Known | None:
        limits = (
            f"SELECT set_config('lock_timeout', '{1000 * seconds:.0f}', true), "
            f"set_config('statement_timeout', '{1000 * (seconds + _STATEMENT):.0f}', true), "
            "set_config('idle_in_transaction_session_timeout', '5000', true), "
            # What is lost with the server is only a hint.
            "set_config('synchronous_commit', 'off', true)"
        )
        select = "SELECT state, {clock} FROM almajob.calls WHERE institution = {institution} FOR UPDATE"
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
        found = self._run(connection, f"{begin}; {limits}; {select}", seconds=seconds)
        if found is not None and not found[-1]:
            insert = "INSERT INTO almajob.calls (institution, state) VALUES ({institution}, '{{}}')"
            found = self._run(connection, f"{insert} ON CONFLICT DO NOTHING; {select}", seconds=seconds)
        if found is None:
            return None
        ((text, booted),) = found[-1]
        return _know(booted, text)

    def _keep(self, connection: Connection, state: RateState) -> None:
        text = json.dumps(state.to_json())
        update = "UPDATE almajob.calls SET state = {state} WHERE institution = {institution}; COMMIT"
        self._run(connection, update, seconds=_STATEMENT, state=text)

    def _run(
        self, connection: Connection, statements: str, *, seconds: float, state: str = ""
    ) -> list[list[tuple[Any, ...]]] | None:
        """Run statements in one message, and return what each returns; None where that fails."""
        import psycopg
        from psycopg.sql import SQL, Literal

        composed = SQL(statements).format(
            clock=SQL(_CLOCK), institution=Literal(self._institution), state=Literal(state)
        )
        try:
            return connection.run(composed.as_string(connection), seconds=seconds + _GRACE)
        except psycopg.Error as error:
            # Where others wait for it, too, it is there; to count apart would be too many calls at once.
            if not isinstance(error, psycopg.errors.LockNotAvailable):
                self._leave_alone(error)
            self._database.roll_back(connection)
            return None

    def _leave_alone(self, error: Exception) -> None:
        LOG.debug(
            "Calls are counted on this machine alone for %.0f s: %s", AWAY_SECONDS, type(error).__name__
        )
        self._away_until = time.monotonic() + AWAY_SECONDS


def _know(booted: float, text: str) -> Known:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    # One clock for both: it jumps only where somebody puts the database's right.
    return Known(rate_state.from_json(document), Moment(booted, booted))
