"""What a command asks of the kernel, of SQLite and of the network is seen, and one operation of it fails.

Files are Python's own in Python (``_pyio``), so that each of their steps goes through ``os``.
"""

from __future__ import annotations

import _pyio  # type: ignore[import-not-found]  # typeshed leaves it out
import builtins
import contextlib
import enum
import errno
import fcntl
import io
import os
import socket
import sqlite3
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NamedTuple

import pytest

Failure = Callable[[], BaseException]
_OURS = ("/almajob/", "/diskcache/")


class Moment(enum.StrEnum):
    """When an operation fails.

    BEFORE: it does nothing, once. AFTER: it is done, and reported as failed. LASTING: from then on all fail.
    """

    BEFORE = "before"
    AFTER = "after"
    LASTING = "lasting"


def _os_error(number: int) -> Failure:
    return lambda: OSError(number, os.strerror(number))


def _sqlite_error(name: str, text: str) -> Failure:
    def failure() -> BaseException:
        error = sqlite3.OperationalError(text)
        error.sqlite_errorname = name
        return error

    return failure


_IO, _FULL, _DENIED = _os_error(errno.EIO), _os_error(errno.ENOSPC), _os_error(errno.EACCES)
_RESET, _TIMED_OUT = _os_error(errno.ECONNRESET), _os_error(errno.ETIMEDOUT)
_SQL_IO = _sqlite_error("SQLITE_IOERR", "disk I/O error")
_SQL_FULL = _sqlite_error("SQLITE_FULL", "database or disk is full")
_SQL_BUSY = _sqlite_error("SQLITE_BUSY", "database is locked")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of operations.

    Attributes:
        failures: how they fail, in turn; the first is the one that lasts.
        moments: at which they do.
        of_os, of_sockets: the names of the functions.
        depth: by how many of the innermost lines of ours two operations are told apart.
    """

    failures: tuple[Failure, ...]
    moments: tuple[Moment, ...] = (Moment.BEFORE,)
    of_os: tuple[str, ...] = ()
    of_sockets: tuple[str, ...] = ()
    depth: int = 100


_NOT_DONE = (Moment.BEFORE, Moment.LASTING)
_ALL = tuple(Moment)

KINDS: dict[str, Kind] = {
    "open": Kind((_os_error(errno.EMFILE), _DENIED, _IO), of_os=("open",), depth=5),
    "look": Kind((_IO, _DENIED), of_os=("stat", "lstat", "fstat", "listdir", "scandir"), depth=3),
    "read": Kind((_IO,), of_os=("read", "pread"), depth=5),
    "write": Kind((_FULL, _IO), _ALL, ("write", "pwrite", "truncate", "ftruncate"), depth=5),
    "sync": Kind((_IO, _FULL), _NOT_DONE, ("fsync",)),
    "close": Kind((_IO, _FULL), (Moment.AFTER,), ("close",), depth=5),
    "rename": Kind((_FULL, _DENIED), _ALL, ("rename", "replace", "link", "unlink", "remove")),
    "directory": Kind((_FULL, _DENIED), _NOT_DONE, ("mkdir", "rmdir")),
    "lock": Kind((_os_error(errno.ENOLCK), _IO), _NOT_DONE, depth=5),
    "thread": Kind((lambda: RuntimeError("can't start new thread"),), _NOT_DONE),
    "connect": Kind(
        (_os_error(errno.ECONNREFUSED), _TIMED_OUT, _os_error(errno.EMFILE)),
        _NOT_DONE,
        of_sockets=("__init__", "connect"),
    ),
    "send": Kind((_RESET, _os_error(errno.EPIPE), _TIMED_OUT), _ALL, of_sockets=("send", "sendall")),
    "receive": Kind((_RESET, _TIMED_OUT, _IO), _NOT_DONE, of_sockets=("recv", "recv_into")),
    "sql": Kind((_SQL_IO, _SQL_FULL, _SQL_BUSY), depth=3),
    "commit": Kind((_SQL_IO, _SQL_FULL), _ALL),
}


class Step(NamedTuple):
    """One operation of a command.

    Attributes:
        kind: one of ``KINDS``.
        lines: of ours that asked for it, the innermost first.
        time: the how manyeth it is that they asked for, from 1.
        is_aside: whether another thread than the command's own did; then its lines do not tell what for.
    """

    kind: str
    lines: str
    time: int
    is_aside: bool


@dataclass(slots=True)
class Torture:
    """One command's operations, of which one fails.

    Args:
        step: which one; None for none.
        moment: when it fails.
        turn: chooses how, where there are several ways.

    Attributes:
        steps: all that were asked for, in order; only those of the one's kind where one fails.
        is_met: whether it was among them.
    """

    step: Step | None = None
    moment: Moment = Moment.BEFORE
    turn: int = 0
    steps: list[Step] = field(default_factory=list)
    is_met: bool = False
    _times: Counter[tuple[str, str]] = field(default_factory=Counter)
    _main: threading.Thread = field(default_factory=threading.current_thread)
    # A thread that is kept would keep its failure, and that a connection.
    _aside: weakref.WeakSet[threading.Thread] = field(default_factory=weakref.WeakSet)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def kind(self) -> str:
        """What fails; empty where nothing does."""
        return self.step.kind if self.step else ""

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """See and refuse what this thread asks for, and those that it begins."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(builtins, "open", _pyio.open)
            patched.setattr(io, "open", _pyio.open)
            patched.setattr(sqlite3, "connect", self._connecting(sqlite3.connect))
            patched.setattr(fcntl, "flock", self._failing("lock", fcntl.flock))
            for kind, what in KINDS.items():
                for owner, names in ((os, what.of_os), (socket.socket, what.of_sockets)):
                    for name in names:
                        patched.setattr(owner, name, self._failing(kind, getattr(owner, name)))
            starting = self._failing("thread", self._adopting(threading.Thread.start))
            patched.setattr(threading.Thread, "start", starting)
            yield

    def _failing(self, kind: str, work: Callable[..., Any]) -> Callable[..., Any]:
        if self.kind not in ("", kind):
            return work

        def working(*args: Any, **kwargs: Any) -> Any:
            failure = self._meet(kind)
            if failure is None:
                return work(*args, **kwargs)
            if self.moment is Moment.AFTER:
                work(*args, **kwargs)
            if kind == "send":
                # A connection that was reset gives no answer any more.
                with contextlib.suppress(OSError):
                    args[0].shutdown(socket.SHUT_RDWR)
            raise failure

        return working

    def _meet(self, kind: str) -> BaseException | None:
        """See one operation, and give its failure where it is to fail."""
        thread = threading.current_thread()
        if thread is not self._main and thread not in self._aside:
            return None
        lines = _lines(sys._getframe(2), KINDS[kind].depth)
        with self._lock:
            self._times[kind, lines] += 1
            step = Step(kind, lines, self._times[kind, lines], thread is not self._main)
            self.steps.append(step)
            fails = step == self.step or (self.is_met and self.moment is Moment.LASTING)
            self.is_met = self.is_met or fails
        failures = KINDS[kind].failures
        turn = 0 if self.moment is Moment.LASTING else self.turn % len(failures)
        return failures[turn]() if fails else None

    def _adopting(self, start: Callable[[threading.Thread], None]) -> Callable[..., None]:
        def starting(thread: threading.Thread) -> None:
            beginner = threading.current_thread()
            if beginner is self._main or beginner in self._aside:
                self._aside.add(thread)
            start(thread)

        return starting

    def _connecting(self, connect: Callable[..., Any]) -> Callable[..., Any]:
        sql = self._failing("sql", lambda work, *args: work(*args))
        commit = self._failing("commit", lambda work, *args: work(*args))

        class Cursor(sqlite3.Cursor):
            def execute(self, statement: str, *args: Any) -> Any:
                kind = commit if statement.startswith("COMMIT") else sql
                return kind(super().execute, statement, *args)

            def executemany(self, statement: str, *args: Any) -> Any:
                return sql(super().executemany, statement, *args)

            def fetchall(self) -> Any:
                try:
                    return sql(super().fetchall)
                except sqlite3.Error:
                    # A statement that fails is over, and holds no lock any more.
                    self.close()
                    raise

        class Connection(sqlite3.Connection):
            def execute(self, statement: str, *args: Any) -> Any:
                return self.cursor(Cursor).execute(statement, *args)

            def executemany(self, statement: str, *args: Any) -> Any:
                return self.cursor(Cursor).executemany(statement, *args)

        def make(*args: Any, **kwargs: Any) -> Any:
            return connect(*args, **{**kwargs, "factory": Connection})

        return self._failing("sql", make)


def _lines(frame: FrameType | None, depth: int) -> str:
    found: list[str] = []
    while frame is not None and len(found) < depth:
        name = frame.f_code.co_filename
        if any(ours in name for ours in _OURS):
            found.append(f"{name.rpartition('/')[2]}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(found)
