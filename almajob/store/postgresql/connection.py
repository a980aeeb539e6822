"""One connection with a PostgreSQL server, on which nothing takes longer than it may.

The server itself ends a statement that takes too long. But it may hang, the network may swallow what is sent,
and a COMMIT that waits for a standby has no limit there: so each answer is waited for here for a time, too.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import select
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.waiting import Wait

from almajob.system.deadline import SLICE
from almajob.system.sharing.forks import connect_between_forks
from almajob.text import time_format
from almajob.text.database_address import DatabaseAddress
from almajob.text.redaction import Secret

CONNECT_SECONDS = 10.0
"""How long a server may take until it lets somebody in."""
_SYSTEM_ROOTS = 160000
# A host that has lost its power keeps its locks for about a minute.
_KEEPALIVE = {"idle": 30, "interval": 10, "count": 3}
_HOST_LENGTH = 25
_NAME = re.compile(r"almajob (\d+) (\S+) (\S+)")
Row = tuple[Any, ...]


class NotConnected(psycopg.OperationalError):
    """No connection could be made; unlike psycopg's own error it has no password in it."""


class TooSlow(psycopg.OperationalError):
    """No answer came in time; what became of the statement is not known."""


class NotCertain(psycopg.OperationalError):
    """The server does not say that a change is kept, on all the disks where it should be."""


class Connection(psycopg.Connection[Row]):
    """A connection whose statements have a time limit, and which tells what it was warned of.

    Attributes:
        until: by ``time.monotonic``, when the statement that is sent next must have been answered.
        warnings: what the server has warned of since they were last cleared.
    """

    until = 0.0

    def wait(self, gen: Any, *_: object, **_options: object) -> Any:
        """Wait for the server, as psycopg does, but not for ever.

        psycopg's own wait has no limit before version 3.3.
        """
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send(self._poll(wanted))
        except StopIteration as end:
            return end.value

    def _poll(self, wanted: int) -> int:
        """Wait until the socket is ready, and return for what; psycopg numbers reading and writing so."""
        socket = select.poll()
        reads, writes = wanted & Wait.R, wanted & Wait.W
        socket.register(
            self.pgconn.socket, (select.POLLIN if reads else 0) | (select.POLLOUT if writes else 0)
        )
        # A signal that comes just before does not end a wait: so none is long.
        while not (found := socket.poll(1000 * min(max(self.until - time.monotonic(), 0.0), SLICE))):
            if time.monotonic() > self.until:
                raise TooSlow("the server did not answer in time")
        ((_socket, events),) = found
        # Whatever else it is, such as its end, is found out by reading.
        is_readable = reads if events & ~select.POLLOUT else 0
        return is_readable | (writes if events & ~select.POLLIN else 0)

    def run(self, statements: str, parameters: Sequence[Any] = (), *, seconds: float) -> list[list[Row]]:
        """Send statements in one message, and return the rows of each that returns some.

        Args:
            statements: several only where there are no parameters.
            seconds: how long to wait for the answer.
        """
        self.until = time.monotonic() + seconds
        cursor = self.execute(statements, parameters or None)
        found = []
        while True:
            if cursor.description is not None:
                found.append(cursor.fetchall())
            if not cursor.nextset():
                return found

    def commit_now(self, *, seconds: float) -> None:
        """Commit, and make sure of it.

        Raises:
            NotCertain: it may be kept or not.
        """
        self.until = time.monotonic() + seconds
        self.warnings.clear()
        status = self.execute("COMMIT").statusmessage
        if status != "COMMIT":
            raise NotCertain(f"the server answered {status} to COMMIT")
        if self.warnings:
            # Such as that the wait for a standby was cancelled: it is on one disk only.
            raise NotCertain(self.warnings[0])

    @property
    def is_idle(self) -> bool:
        """Whether it can be used for a transaction: it is open, and in none."""
        return not self.closed and self.pgconn.transaction_status == pq.TransactionStatus.IDLE

    @property
    def warnings(self) -> list[str]:
        found: list[str] = self.__dict__.setdefault("_warnings", [])
        return found

    def note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Remember a warning of the server's."""
        if notice.severity_nonlocalized == "WARNING":
            self.warnings.append(notice.message_primary or "")

    def drop(self) -> None:
        """Close it, whatever state it is in."""
        with connect_between_forks(), contextlib.suppress(psycopg.Error, OSError):
            self.close()

    def leave_to_parent(self) -> None:
        """Leave it alone in a forked child: nothing is sent on it, now or when this process ends.

        Its socket is closed here, so that the connection dies with the parent; its number leads nowhere.
        """
        import ctypes

        with contextlib.suppress(psycopg.Error, OSError), open(os.devnull, "rb") as nowhere:
            os.dup2(nowhere.fileno(), self.pgconn.socket, inheritable=False)
        # Never finalized, as libpq would say good-bye.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.pgconn))


def connect(
    address: DatabaseAddress, password: Secret | None, *, seconds: float = CONNECT_SECONDS
) -> Connection:
    """Connect to a database.

    Args:
        password: where it is not left to libpq to find one.
        seconds: how long each of its hosts may take.

    Raises:
        NotConnected: that cannot be done.
        psycopg.Error: it was lost at once.
    """
    parameters = address.parameters
    if (
        parameters["sslmode"].startswith("verify")
        and "sslrootcert" not in parameters
        and pq.version() >= _SYSTEM_ROOTS
        and not os.environ.get("PGSSLROOTCERT")
        and not os.path.exists(os.path.expanduser("~/.postgresql/root.crt"))  # noqa: PTH110, PTH111
    ):
        # Those who may vouch for it, as for a web site.
        parameters["sslrootcert"] = "system"
        parameters["sslmode"] = "verify-full"
    for name, value in parameters.items():
        if name.startswith("ssl") and value.startswith("~/"):
            parameters[name] = os.path.expanduser(value)  # noqa: PTH111
    if password is not None:
        parameters["password"] = password.reveal()
    parameters |= {f"keepalives_{name}": str(value) for name, value in _KEEPALIVE.items()}
    connection, problem = None, ""
    with connect_between_forks():
        try:
            connection = Connection.connect(
                **parameters,  # type: ignore[arg-type]  # they are all text
                connect_timeout=max(round(seconds), 2),
                tcp_user_timeout=round(1000 * seconds),
                client_encoding="UTF8",
                application_name=_name_process(),
                autocommit=True,
                # Behind a pooler, the next statement may come to a server that was not told of it.
                prepare_threshold=None,
            )
        except psycopg.Error as error:
            # It has the password in what it says of the connection, so that nobody may come by it.
            problem = str(error)
    if connection is None:
        raise NotConnected(problem)
    connection.add_notice_handler(connection.note)
    try:
        settings = ", ".join(
            f"set_config('tcp_keepalives_{name}', '{value}', false)" for name, value in _KEEPALIVE.items()
        )
        connection.run(f"SELECT {settings}", seconds=seconds)
    except BaseException:
        connection.drop()
        raise
    return connection


def _name_process() -> str:
    """Return what a server shows of this process, in the 63 characters that it keeps of a name."""
    host = re.sub(r"[^A-Za-z0-9._-]", "_", platform.node())[:_HOST_LENGTH] or "unknown"
    return f"almajob {os.getpid()} {host} {_BEGAN:%Y-%m-%dT%H:%M:%S%z}"


def describe_process(name: str) -> str:
    """Return for people what a process has called itself; empty where it is none of almajob's."""
    found = _NAME.fullmatch(name)
    return f"process {found[1]} on {found[2]}, which began at {found[3].replace('T', ' ')}" if found else ""


_BEGAN = time_format.to_local(time.time())
