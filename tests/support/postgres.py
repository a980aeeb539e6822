"""A PostgreSQL of the tests' own: Debian's programs, a directory in memory, a port of this machine.

It lives as long as whoever began it. What a test does to it, such as to kill it, happens to nobody else.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from psycopg import sql

from tests.support.thoroughness import IN_CI

USER = "almajob"
"""The role that owns each database; it may do nothing else."""
_ADMINISTRATOR = "postgres"
# What the server is run as where the tests run as root, which it refuses to be.
_UNPRIVILEGED = ("postgres", "nobody")
# Nothing here outlives the machine, so nothing is synced: a server that is killed has given it to the kernel.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "shared_buffers": "16MB",
    "max_connections": "150",
    "timezone": "UTC",
    "jit": "off",
}
_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1


def find_programs() -> Path | None:
    """Return the directory of initdb and postgres: of Debian's newest, or on the path, or None."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version, reverse=True)
    found = str(versions[0]) if versions else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def need_programs() -> Path:
    """Return the directory of initdb and postgres; skip the test without them, and in CI fail it."""
    found = find_programs()
    if found is not None:
        return found
    reason = "PostgreSQL is not installed here (Debian's package postgresql)"
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


class Cluster:
    """A server and its databases, in a directory that is removed at its end.

    Args:
        settings: of the server, besides those that all servers of the tests have.

    Attributes:
        directory: what belongs to it: data, socket, log.
        port: on 127.0.0.1; its socket is ``directory``'s.
    """

    def __init__(self, programs: Path, **settings: str) -> None:
        self._programs = programs
        self._more_settings = settings
        self._user = _choose_user()
        memory = Path("/dev/shm")
        made = tempfile.mkdtemp(prefix="almajob-pg-", dir=memory if os.access(memory, os.W_OK) else None)
        self.directory = Path(made)
        if self._user:
            os.chown(made, self._user.pw_uid, self._user.pw_gid)
        self.port = 0
        # The server ends with the thread that began it, and a test may begin it in a thread of its own.
        self._beginner = ThreadPoolExecutor(1)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Cluster:
        try:
            self._make()
            self._start_somewhere()
            self.run(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(USER)))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server, and remove all of it."""
        self.kill()
        self._beginner.shutdown()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def is_running(self) -> bool:
        """Whether the server has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """The number of the server's first process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server, if it does not run, and wait until it takes connections."""
        if not self.is_running and not self._try_to_start():
            raise RuntimeError(f"PostgreSQL does not start:\n{self.log()}")

    def stop(self) -> None:
        """End the server in good order: what is under way is broken off, and undone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_SECONDS)

    def restart(self) -> None:
        """End the server in good order, and start it again."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """Kill the server and all its processes with SIGKILL, at once."""
        if self._process is None:
            return
        postmaster = self._process.pid
        children: list[int] = []
        if self.is_running:
            # It begins no others meanwhile.
            os.kill(postmaster, signal.SIGSTOP)
            children = [int(pid) for pid in _read(f"/proc/{postmaster}/task/{postmaster}/children").split()]
        for pid in (postmaster, *children) if children else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait(_SECONDS)
        # As long as one lives, the server cannot be started again.
        while any(is_alive(pid) for pid in children):
            time.sleep(0.002)

    def run(self, statement: Any, arguments: Sequence[Any] = (), database: str = "postgres") -> list[Any]:
        """Run a statement as the administrator, and return its rows."""
        with self.connect(database) as connection:
            found = connection.execute(statement, arguments or None)
            return found.fetchall() if found.description else []

    @contextlib.contextmanager
    def connect(self, database: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
        """Connect as the administrator for the length of a block; each statement counts at once."""
        with psycopg.connect(
            host=str(self.directory),
            port=self.port,
            user=_ADMINISTRATOR,
            dbname=database,
            autocommit=True,
            connect_timeout=10,
        ) as connection:
            yield connection

    def make_database(self, template: str = "template1") -> Database:
        """Make a database that ``USER`` owns."""
        made = Database(self, f"t{uuid.uuid4().hex[:16]}")
        owner, like = sql.Identifier(USER), sql.Identifier(template)
        self.run(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(sql.Identifier(made.name), owner, like)
        )
        return made

    def write(self, name: str, content: bytes) -> None:
        """Write a file among the server's data, which it alone may read."""
        path = self.directory / "data" / name
        path.write_bytes(content)
        path.chmod(0o600)
        if self._user:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def log(self) -> str:
        """Return what the server has written."""
        return _read(self.directory / "log")

    def _make(self) -> None:
        # A collation of people's, not of bytes: what relies on the order of keys must say so.
        words = [
            *("initdb", "--pgdata", str(self.directory / "data"), "--no-sync", "--no-instructions"),
            *("--auth", "trust", "--username", _ADMINISTRATOR, "--encoding", "UTF8", "--wal-segsize", "1"),
            *("--locale", "C", "--locale-provider", "icu", "--icu-locale", "en"),
        ]
        words[0] = str(self._programs / "initdb")
        done = subprocess.run(words, capture_output=True, check=False, **self._as_user())
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stderr.decode(errors='replace')}")

    def _start_somewhere(self) -> None:
        # Between choosing a port and using it, another may take it.
        for _ in range(5):
            self.port = _find_port()
            if self._try_to_start():
                return
        raise RuntimeError(f"PostgreSQL does not start:\n{self.log()}")

    def _try_to_start(self) -> bool:
        settings = (
            _SETTINGS
            | self._more_settings
            | {
                "port": str(self.port),
                "listen_addresses": "127.0.0.1",
                "unix_socket_directories": str(self.directory),
            }
        )
        words = [str(self._programs / "postgres"), "-D", str(self.directory / "data")]
        words += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.directory / "log").open("ab") as log:
            begin = functools.partial(
                subprocess.Popen,
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the tests, which then end it.
                start_new_session=True,
                preexec_fn=_die_with_parent,
                **self._as_user(),
            )
            self._process = cast("subprocess.Popen[bytes]", self._beginner.submit(begin).result())
        while self.is_running:
            with contextlib.suppress(psycopg.OperationalError), self.connect():
                return True
            time.sleep(0.005)
        return False

    def _as_user(self) -> dict[str, Any]:
        environ = {"PATH": os.environ.get("PATH", "/usr/bin"), "LC_ALL": "C", "TZ": "UTC"}
        if self._user is None:
            return {"env": environ, "cwd": self.directory}
        ids = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": ()}
        return {"env": environ, "cwd": self.directory, **ids}


@dataclass(frozen=True)
class Database:
    """A database of a test's own.

    Attributes:
        cluster: the server that has it.
    """

    cluster: Cluster
    name: str

    @property
    def url(self) -> str:
        """Its address, as ``ledger`` in the configuration file has it."""
        return f"postgresql://{USER}@127.0.0.1:{self.cluster.port}/{self.name}"

    def run(self, statement: Any, arguments: Sequence[Any] = ()) -> list[Any]:
        """Run a statement as the administrator, and return its rows."""
        return self.cluster.run(statement, arguments, self.name)

    def cut_connections(self) -> int:
        """End all connections to it, as a network or an administrator does; return how many there were."""
        wanted = "FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
        found = self.cluster.run(f"SELECT pg_terminate_backend(pid, 10000) {wanted}", [self.name])
        return len(found)

    def drop(self) -> None:
        """Remove it; whoever is connected is thrown out."""
        self.cluster.start()
        name = sql.Identifier(self.name)
        self.cluster.run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


def _die_with_parent() -> None:
    # It is not carried over a change of the user, which comes before this.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _choose_user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("there is no unprivileged user to run PostgreSQL as")


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _version(initdb: Path) -> int:
    version = initdb.parts[-3]
    return int(version) if version.isdigit() else 0


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number which has not ended."""
    # The dead whom nobody buries hold nothing any more.
    state = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return bool(state) and state[0] not in "ZX"


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
