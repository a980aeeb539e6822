"""almajob in a process of its own that dies, by SIGKILL, at a numbered point: a write, or a call of Alma."""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almajob.alma.session import Session
from almajob.app import main
from almajob.runs import clock
from almajob.simulator.server import Simulator
from almajob.store.ledger import Ledger
from tests.clocks import FastClock
from tests.processes import PROCESSES


@dataclass(frozen=True)
class Ended:
    """What one process left behind; the exit code is -9 where it was killed."""

    code: int
    out: str
    err: str
    points: int


@dataclass(frozen=True)
class Site:
    """A directory with an ini for a simulator, and state of its own."""

    directory: Path
    simulator: Simulator

    def run(self, *argv: str, dies_at: int = 0) -> Ended:
        """Run a command line in a process of its own."""
        self.directory.mkdir(exist_ok=True)
        now = self.simulator.institution.clock()
        process = PROCESSES.Process(
            target=_live, args=(self.directory, self.simulator.base_url, now, argv, dies_at)
        )
        process.start()
        process.join()
        out, err, points = (self._left(name) for name in ("out", "err", "points"))
        return Ended(process.exitcode or 0, out, err, int(points or 0))

    def _left(self, name: str) -> str:
        path = self.directory / name
        return path.read_text("utf-8") if path.exists() else ""


def _live(directory: Path, url: str, now: float, argv: tuple[str, ...], dies_at: int) -> None:
    ini = directory / "almajob.ini"
    ini.write_text(
        f"[sandbox]\napi_key = simulator-sandbox-key\nbase_url = {url}\ndeadline = 30\n"
        f"[production]\napi_key = simulator-production-key\nbase_url = {url}\ndeadline = 30\n"
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
    clock.SYSTEM = _simulated(url, now)
    _count_points(dies_at, directory / "points")
    sys.exit(main(list(argv)))


def _simulated(url: str, now: float) -> clock.Clock:
    """Make a clock that moves the simulator's on instead of waiting."""
    time = FastClock(now)

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        body = json.dumps({"advance": max(seconds, 0.0)}).encode()
        urllib.request.urlopen(f"{url}/simulator/clock", body).close()

    return clock.Clock(time.now, time.elapsed, sleep, time.elapsed)


def _count_points(dies_at: int, report: Path) -> None:
    """Number the moments before and after each durable write and each call but reads, and die at one of them.

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
            if "GET" in args:
                return work(*args, **kwargs)
            point()
            try:
                return work(*args, **kwargs)
            finally:
                point()

        return working

    for owner, name in ((Ledger, "write"), (Ledger, "keep_fact"), (Session, "_send")):
        setattr(owner, name, between_points(getattr(owner, name)))
