"""The ledger in a PostgreSQL database, for all machines from which jobs are started.

Changes are serial, under a lock that ends with the transaction. What a command has locked for longer ends
with its connection; where that was lost, nothing may be sent any more.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almajob.errors import Refused
from almajob.store.errors import Damaged
from almajob.store.ledger.place import LedgerUnusable, Locks
from almajob.store.postgresql.database import Database, InUse, need_psycopg
from almajob.store.postgresql.locks import LocksLost, PostgresLocks
from almajob.text.database_address import DatabaseAddress
from almajob.text.redaction import Secret

if TYPE_CHECKING:
    from almajob.store.postgresql.connection import Connection

_STATEMENT = 30.0
"""Seconds that a statement may take, once nobody else is in its way."""
_IDLE = 60.0
"""Seconds for which this process may do nothing in a transaction, before the server ends it."""
_GRACE = 5.0
"""Seconds for which the server's own word for that is waited for."""
_SIZE_LIMIT = 16 * 2**20
"""Bytes that a value may have as JSON."""
_WITHOUT = "Without it a job could start twice, so nothing is started."
_GET = "SELECT key, value FROM almajob.rows WHERE key = ANY(%s::text[])"
_LIST = "SELECT key FROM almajob.rows WHERE key >= %s AND key > %s AND key < %s ORDER BY key LIMIT %s"
_PUT = (
    "INSERT INTO almajob.rows (key, value) SELECT * FROM unnest(%s::text[], %s::text[]) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
_DELETE = "DELETE FROM almajob.rows WHERE key = ANY(%s::text[])"


class PostgresRows:
    """The rows of a database, in a transaction; see ``store.ledger.place.Rows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        wanted = list(keys)
        if not wanted:
            return {}
        return {key: _read_value(value) for key, value in self._run(_GET, wanted)}

    def list(self, prefix: str, *, limit: int | None = None, after: str = "") -> list[str]:
        return [key for (key,) in self._run(_LIST, prefix, after, f"{prefix}\U0010ffff", limit)]

    def put(self, rows: Mapping[str, Any]) -> None:
        if rows:
            self._run(_PUT, list(rows), list(map(_write_value, rows.values())))

    def delete(self, keys: Iterable[str]) -> None:
        unwanted = list(keys)
        if unwanted:
            self._run(_DELETE, unwanted)

    def _run(self, statement: str, *parameters: object) -> Sequence[tuple[Any, ...]]:
        found = self._connection.run(statement, parameters, seconds=_STATEMENT + _GRACE)
        return found[0] if found else []


class PostgresPlace:
    """A ledger's database; see ``store.ledger.place.Place``.

    Args:
        address: where it is.
        newest: the file of this machine that names the record which was written last from here.
        find_password: returns the password; None where that is left to libpq, which reads PGPASSWORD and
            ~/.pgpass.
    """

    def __init__(
        self,
        address: DatabaseAddress,
        newest: Path,
        find_password: Callable[[], Secret | None] = lambda: None,
    ) -> None:
        self.name = str(address)
        self.newest = newest
        self.database = Database(address, find_password)
        self._locks = PostgresLocks(self.database, self._name_failures)
        self.locks: Locks = self._locks

    def need(self) -> None:
        """Nothing more than psycopg: what is missing in the database is told by whoever uses it."""
        need_psycopg()

    @property
    def is_there(self) -> bool:
        return True

    def count_bytes(self) -> int:
        with self._use(_STATEMENT):
            (((size,),),) = self.database.connect(0.0).run(
                "SELECT pg_catalog.pg_total_relation_size('almajob.rows')", seconds=_STATEMENT
            )
            return int(size)

    def initialize(self, role: str = "") -> str:
        from almajob.store.postgresql import schema

        with self._use(_STATEMENT):
            connection = self.database.connect(0.0)
            try:
                before = schema.initialize(connection, role)
            except schema.Refusal as refusal:
                raise Refused(
                    f"The ledger {self.name} was not made or changed.", reason=str(refusal), hint=refusal.hint
                ) from None
            finally:
                self.database.roll_back(connection)
        if before.is_newer:
            raise self.refuse_version(before)
        done = f"The ledger {self.name} "
        if before.is_usable:
            done += "was there already"
        elif before.schema:
            done += f"was upgraded from version {before.schema} to {schema.VERSION}"
        else:
            done += "was made"
        return f"{done}, and the role {role} may use it." if role else f"{done}."

    def close(self) -> None:
        self.database.close()

    @contextlib.contextmanager
    def read(self, wait: float) -> Iterator[PostgresRows]:
        with self._use(wait) as wait_left:
            # Of one moment, and in nobody's way.
            connection = self._begin("REPEATABLE READ, READ ONLY", wait_left)
            try:
                yield PostgresRows(connection)
            finally:
                self.database.roll_back(connection)

    @contextlib.contextmanager
    def change(self, wait: float, *, is_of_start: bool = False) -> Iterator[PostgresRows]:
        with self._use(wait) as wait_left:
            if is_of_start:
                self._locks.need()
            connection = self._begin("READ COMMITTED", wait_left, is_change=True, is_of_start=is_of_start)
            try:
                yield PostgresRows(connection)
                connection.commit_now(seconds=_STATEMENT)
            except BaseException:
                self.database.roll_back(connection)
                raise

    @contextlib.contextmanager
    def _use(self, wait: float) -> Iterator[float]:
        """Use the connection, and name whatever fails; gives the seconds that are left of the wait."""
        end = time.monotonic() + wait
        need_psycopg()
        with self._name_failures(), self.database.use(wait):
            yield max(end - time.monotonic(), 0.0)

    def _begin(
        self, kind: str, wait: float, *, is_change: bool = False, is_of_start: bool = False
    ) -> Connection:
        """Begin a transaction in which the ledger can be used, on another connection where one was lost."""
        from almajob.store.postgresql.errors import is_lost

        database = self.database
        is_old = database.current is not None
        while True:
            connection = database.connect(wait)
            try:
                self._begin_on(connection, kind, wait, is_change=is_change, is_of_start=is_of_start)
            except BaseException as error:
                self.database.roll_back(connection)
                # One that was open for long may have been lost since, which shows when it is used.
                if is_old and isinstance(error, Exception) and is_lost(error):
                    is_old = False
                    if is_of_start:
                        self._locks.need()
                    continue
                raise
            return connection

    def _begin_on(
        self, connection: Connection, kind: str, wait: float, *, is_change: bool, is_of_start: bool
    ) -> None:
        from almajob.store.postgresql.schema import CHANGE, Versions

        held = self._locks.numbers if is_of_start else []
        limits = {
            # None would be for ever.
            "lock_timeout": max(wait, 0.001),
            "statement_timeout": wait + _STATEMENT,
            "idle_in_transaction_session_timeout": _IDLE,
        }
        settings = [f"set_config('{name}', '{1000 * seconds:.0f}', true)" for name, seconds in limits.items()]
        settings.append("set_config('search_path', 'pg_catalog', true)")
        statements = [f"BEGIN ISOLATION LEVEL {kind}", f"SELECT {', '.join(settings)}"]
        if is_change:
            statements += [
                # More than that, such as remote_apply, may stay.
                "SELECT set_config('synchronous_commit', 'on', true) "
                "WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')",
                f"SELECT pg_advisory_xact_lock({CHANGE})",
            ]
        statements += [
            self._locks.count_held(held),
            "SELECT schema_version, row_format FROM almajob.version",
        ]
        *_others, ((count,),), found = connection.run(
            "; ".join(statements), seconds=wait + _STATEMENT + _GRACE
        )
        if len(found) != 1:
            raise Damaged("the version of its tables is missing")
        versions = Versions(*found[0])
        if not versions.is_usable:
            raise self.refuse_version(versions)
        if count < len(held):
            raise LocksLost

    @contextlib.contextmanager
    def _name_failures(self) -> Iterator[None]:
        """Raise whatever fails in the block as LedgerUnusable, in words for people."""
        try:
            import psycopg
        except ImportError:
            need_psycopg()
            raise
        try:
            yield
        except LocksLost:
            raise self.unusable(
                "the connection with the database was lost, and with it the lock of this start",
                "Type the same command again.",
            ) from None
        except InUse:
            raise self.unusable("another thread of this process uses it", "Try again.") from None
        except (psycopg.Error, Damaged, OSError, UnicodeError) as error:
            from almajob.store.postgresql.errors import explain

            trouble = explain(error)
            raise self.unusable(trouble.reason, trouble.hint) from error

    def unusable(self, why: str, hint: str) -> LedgerUnusable:
        """Return the error that says why this ledger cannot be used."""
        return LedgerUnusable(
            f"The ledger {self.name} cannot be used.",
            reason=f"{why[:1].upper()}{why[1:]}. {_WITHOUT}",
            hint=hint,
        )

    def refuse_version(self, found: Any) -> LedgerUnusable:
        """Return the error that says why versions of schema and rows cannot be used."""
        if found.is_newer:
            return LedgerUnusable(
                f"The ledger {self.name} was made or upgraded by a newer almajob.",
                reason="This one does not know its form. Nothing is started.",
                hint="Use the almajob that upgraded it, or a newer one.",
            )
        return LedgerUnusable(
            f"The ledger {self.name} is still in the form of an older almajob.",
            reason="Nothing is started before it is upgraded.",
            hint="Type: almajob ledger init",
        )


def _write_value(value: Any) -> str:
    # ASCII alone: every character is kept, whatever a database takes for one.
    text = json.dumps(value, separators=(",", ":"))
    if len(text) > _SIZE_LIMIT:
        raise OSError(27, f"a value is larger than {_SIZE_LIMIT >> 20} MiB")
    return text


def _read_value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Damaged("a record is not as it was written") from error
