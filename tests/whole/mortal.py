"""almajob in a process of its own that dies by SIGKILL at a numbered point, or stops where it sends."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from almajob.alma.http.session import Session
from almajob.cli.app import main
from almajob.runs.observers.announcer import Announcer
from almajob.runs.observers.deliver import deliver_all
from almajob.runs.observers.messages import Messages
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import State
from almajob.system import clock
from almajob.system.isolated_process import Process
from tests.store.ledger.test_record import new
from tests.support.clocks import FastClock
from tests.support.ledgers import open_ledger, write_steps
from tests.support.postgres import Database
from tests.support.processes import PROCESSES, exit_codes

_PACE = "calls_per_second = 1000\nburst = 100\n"
"""No call waits for the clock of the database, which is not the simulator's."""
Work = Callable[[list[str]], int]

# Durable writes, calls of Alma, and the begin of a process that calls observers.
_STARTING = ((Ledger, "write"), (Ledger, "keep_fact"), (Session, "_send"), (Announcer, "wake"))
_CALLING = ((Ledger, "note_call"), (Process, "call"), (Ledger, "remove_announcement"))


@dataclass(frozen=True)
class Ended:
    """What one process left behind; the exit code is -9 where it was killed."""

    code: int
    out: str
    err: str
    points: int


@dataclass(frozen=True)
class Site:
    """A directory with an ini for a simulator, and state of its own.

    Attributes:
        base_url: of what stands in front of the simulator, if anything does.
        more_ini: further sections, with ``{url}`` for the address.
        settings: further lines of both sections that are there.
    """

    directory: Path
    simulator: Simulator
    base_url: str = ""
    more_ini: str = ""
    settings: str = ""

    @property
    def ledger(self) -> Path:
        """The directory of its ledger."""
        return self.directory / "state" / "ledger"

    def run(self, *argv: str, dies_at: int = 0, path: str = "", work: Work = main) -> Ended:
        """Run a command line in a process of its own."""
        return self.start(*argv, dies_at=dies_at, path=path, work=work).ended()

    def start(
        self,
        *argv: str,
        dies_at: int = 0,
        stops_at_post: bool = False,
        dies_after_post: bool = False,
        path: str = "",
        work: Work = main,
    ) -> Living:
        """Begin to run a command line in a process of its own.

        Args:
            argv: the command line.
            dies_at: the numbered point at which it is killed.
            stops_at_post: whether it stops, as by SIGSTOP, directly before the first byte of a start leaves.
            dies_after_post: whether it is killed directly after the last one has left.
            path: a directory with distributions that are installed for it.
            work: what is done with the command line, if that is none of almajob's.
        """
        self.directory.mkdir(exist_ok=True)
        life = _Life(
            self.directory,
            self.base_url or self.simulator.base_url,
            self.simulator.base_url,
            self.simulator.institution.clock(),
            self.more_ini,
            self.settings,
            dies_at,
            stops_at_post,
            dies_after_post,
            path,
        )
        process = PROCESSES.Process(target=_live, args=(life, argv, work))
        process.start()
        return Living(process, self.directory)


def site_with_ledger(place: Path, simulator: Simulator, database: Database | None) -> Site:
    """Return a host whose ledger is empty: in its directory, or in a database."""
    if database is None:
        return Site(place, simulator)
    if not place.exists():
        database.run("DELETE FROM almajob.rows; DELETE FROM almajob.calls")
    ledger = f"[almajob]\nledger = {database.url}\n"
    return Site(place, simulator, more_ini=ledger, settings=_PACE)


@dataclass(frozen=True)
class Living:
    """A process that runs."""

    process: ForkServerProcess
    directory: Path

    @property
    def pid(self) -> int:
        """Its number."""
        assert self.process.pid is not None
        return self.process.pid

    def wait_until_stopped(self) -> None:
        """Wait until the process has stopped itself."""
        while self.process.is_alive():
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state == "T":
                return
            self.process.join(0.01)
        raise AssertionError(f"it did not stop: {self.ended()}")

    def ended(self) -> Ended:
        """Wait for its end."""
        self.process.join()
        out, err, points = (self._left(name) for name in ("out", "err", "points"))
        return Ended(self.process.exitcode or 0, out, err, int(points or 0))

    def _left(self, name: str) -> str:
        path = self.directory / name
        return path.read_text("utf-8") if path.exists() else ""


@dataclass(frozen=True)
class _Life:
    """What is to become of a process."""

    directory: Path
    url: str
    simulator_url: str
    now: float
    more_ini: str
    settings: str
    dies_at: int
    stops_at_post: bool
    dies_after_post: bool
    path: str


def _live(life: _Life, argv: tuple[str, ...], work: Work) -> None:
    directory, url = life.directory, life.url
    if life.path:
        sys.path.insert(0, life.path)
    ini = directory / "almajob.ini"
    ini.touch(mode=0o600)
    ini.write_text(
        f"[sandbox]\napi_key = simulator-sandbox-key\nbase_url = {url}\ndeadline = 30\n{life.settings}"
        f"[production]\napi_key = simulator-production-key\nbase_url = {url}\ndeadline = 30\n{life.settings}"
        + life.more_ini.format(url=url)
    )
    ini.chmod(0o600)
    for name in list(os.environ):
        if name.startswith("ALMAJOB_"):
            del os.environ[name]
    os.environ["ALMAJOB_INI"] = str(ini)
    os.environ["ALMAJOB_CACHE_DIR"] = str(directory / "cache")
    os.environ["ALMAJOB_STATE_DIR"] = str(directory / "state")
    for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
        opened = os.open(directory / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        os.dup2(opened, 1 if name == "out" else 2)
        stream.flush()
    sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
    time = FastClock(life.now)
    clock.SYSTEM = make_simulated_clock(life.simulator_url, time)
    _count_points(life.dies_at, directory / "points", _STARTING)
    if life.stops_at_post:
        _stop_at_post(life, time)
    sys.exit(work(list(argv)))


def _stop_at_post(life: _Life, time: FastClock) -> None:
    """Stop the process directly before a start leaves it, until somebody lets it go on."""
    send = socket.socket.sendall
    under_way: list[socket.socket] = []

    def sending(self: socket.socket, data: Any, *more: Any) -> None:
        is_start = bytes(data[:20]).startswith(b"POST /almaws/")
        if is_start:
            os.kill(os.getpid(), signal.SIGSTOP)
            # Time has passed meanwhile, for this process as well.
            with urllib.request.urlopen(f"{life.simulator_url}/simulator/clock") as answer:
                told = json.load(answer)["time"]
            time.advance(max(datetime.fromisoformat(told).timestamp() - time.now(), 0.0))
            under_way.append(self)
        send(self, data, *more)
        # Its head is one piece, its body another.
        if life.dies_after_post and not is_start and self in under_way:
            os.kill(os.getpid(), signal.SIGKILL)

    socket.socket.sendall = sending  # type: ignore[method-assign,assignment]


def make_simulated_clock(url: str, time: FastClock) -> clock.Clock:
    """Make a clock that moves the simulator's on instead of waiting."""

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        body = json.dumps({"advance": max(seconds, 0.0)}).encode()
        urllib.request.urlopen(f"{url}/simulator/clock", body).close()

    return clock.Clock(time.now, time.elapsed, sleep, time.elapsed)


def plan_fault(institution: Institution, fault: str, nth: int) -> None:
    """Let the n-th call of a simulated institution fail."""

    def plan() -> None:
        institution.faults.add(fault)

    if nth == 1:
        plan()
    else:
        institution.interruptions.add("*", "after", plan, nth - 1)


def deliver_mortally(state: Path, path: list[str], dies_at: int) -> None:
    """Call observers with what is announced, and die at a numbered moment before or after a step of that.

    Args:
        state: the state directory.
        path: of Python's modules.
        dies_at: of six moments for each event; 0 for none.
    """
    sys.path[:] = path
    os.environ["ALMAJOB_STATE_DIR"] = str(state)
    _count_points(dies_at, state / "points", _CALLING)
    deliver_all(open_ledger(state / "ledger"), str(state), "", Messages(str(state)), {})


def _count_points(dies_at: int, report: Path, steps: Iterable[tuple[type, str]]) -> None:
    """Number the moments before and after each of some steps but reads, and die at one of them.

    A read changes nothing: who dies at one leaves what is left by who dies after the write before it.
    """
    points = 0

    def point() -> None:
        nonlocal points
        points += 1
        report.write_text(str(points))
        if points == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def between_points(work: Callable[..., Any]) -> Callable[..., Any]:
        def working(*args: Any, **kwargs: Any) -> Any:
            if "GET" in args or "almajob.runs.observers.call:read_time_limit" in args:
                return work(*args, **kwargs)
            point()
            try:
                return work(*args, **kwargs)
            finally:
                point()

        return working

    for owner, name in steps:
        setattr(owner, name, between_points(getattr(owner, name)))


def write_found_start(ledger: Ledger) -> None:
    """Write a start whose outcome was unknown, until its run was found: two events."""
    record = new()
    for state in (State.SENDING, State.UNKNOWN, State.ADOPTED):
        record = record.advance(state, record.created_at, "so")
    write_steps(ledger, record)


def deliver_killed(state: Path, moment: int) -> list[int | None]:
    """Deliver in a process that dies at a moment, then in another one; return their exit codes."""
    codes = []
    for dies_at in (moment, 0):
        codes += exit_codes(deliver_mortally, [(state, sys.path, dies_at)])
    return codes
