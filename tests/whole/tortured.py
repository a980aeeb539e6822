"""Commands of which one operation fails, before a simulator; and what they owe all the same."""

from __future__ import annotations

import _pyio  # type: ignore[import-not-found]  # typeshed leaves it out
import gc
import json
import logging
import os
import random
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from almajob.cli.app import main
from almajob.errors import EXIT_CODES
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock as SimulatorClock
from almajob.simulator.world.world import Rules
from almajob.system import clock as clocks
from almajob.system.clock import Clock
from tests.whole.torture import Moment, Step, Torture

# And what the looks take.
HOUR = 3700.0
# Three pages, of which two are read at once.
_JOBS = 250
_KEY = "simulator-production-key"


@dataclass(frozen=True, slots=True)
class Ended:
    """What one command left behind."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Bench:
    """A simulator and a directory, where one command runs after the other.

    Args:
        directory: of the ini, the cache, the state and what is written.
        simulator: whose production it is.
    """

    directory: Path
    simulator: Simulator

    def clear(self) -> None:
        """Begin anew: no runs, no cache and no ledger."""
        self.simulator.institution.reset()
        for name in ("cache", "state"):
            shutil.rmtree(self.directory / name, ignore_errors=True)

    def run(self, argv: Sequence[str], torture: Torture | None = None) -> Ended:
        """Run a command line; its streams are files, of which each write goes through ``os``."""
        out, err = self.directory / "out", self.directory / "err"
        with (
            self._surroundings(),
            _stream(out) as stdout,
            _stream(err) as stderr,
            redirect_stdout(stdout),
            redirect_stderr(stderr),
            torture.applied() if torture else nullcontext(),
        ):
            code = main(list(argv))
        self._be_answered()
        return Ended(code, out.read_text("utf-8"), err.read_text("utf-8"))

    @contextmanager
    def _surroundings(self) -> Iterator[None]:
        now = self.simulator.institution.clock
        places = {"INI": "almajob.ini", "CACHE_DIR": "cache", "STATE_DIR": "state"}
        with pytest.MonkeyPatch.context() as patched:
            # requests looks at each call whether they are there.
            for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
                patched.delenv(name, raising=False)
            for name, place in places.items():
                patched.setenv(f"ALMAJOB_{name}", str(self.directory / place))
            passing = Clock(now, now, lambda seconds: now.advance(max(seconds, 0.001)), now)
            patched.setattr(clocks, "SYSTEM", passing)
            # The pauses before another try, and those of a wait, are random.
            patched.setattr("random.uniform", lambda _low, _high: 0.0)
            random.seed(1)
            # Whoever generates the docs wants no messages; here they are what is looked at.
            patched.setattr(logging.root.manager, "disable", logging.NOTSET)
            yield

    def _be_answered(self) -> None:
        """Wait until the simulator has taken all that was sent: each connection has a thread of its own."""
        for thread in threading.enumerate():
            if "process_request" in thread.name:
                while thread.ident is None:
                    # It is just being started.
                    time.sleep(0)
                thread.join(0.05)
                if thread.is_alive():
                    # What failed is kept by its own traceback, and with it a connection.
                    gc.collect()
                thread.join(10)
                assert not thread.is_alive(), "a connection was left open"

    @property
    def runs(self) -> list[str]:
        """The runs that were started in production, by their Process IDs."""
        return [run.id for run in self.simulator.institution.production.runs()]

    def pass_time(self, seconds: float) -> None:
        """Move the clock on."""
        self.simulator.institution.clock.advance(seconds)


@contextmanager
def _stream(path: Path) -> Iterator[_pyio.TextIOWrapper]:
    raw = _pyio.FileIO(str(path), "w")
    buffered = _pyio.BufferedWriter(raw)
    is_err = path.name == "err"
    try:
        yield _pyio.TextIOWrapper(buffered, "utf-8", "backslashreplace", line_buffering=is_err)
    finally:
        raw.close()


@contextmanager
def bench() -> Iterator[Bench]:
    """Set one up; in memory where there is a file system for that, as there are thousands of syncs."""
    memory = Path("/dev/shm")
    institution = Institution(
        SimulatorClock(speed=0), Rules(checks_parameters=False, seconds=20.0), job_count=_JOBS
    )
    with (
        TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as directory,
        Simulator(institution) as simulator,
    ):
        ini = Path(directory, "almajob.ini")
        ini.write_text(f"[production]\napi_key = {_KEY}\nbase_url = {simulator.base_url}\n")
        ini.chmod(0o600)
        yield Bench(ini.parent, simulator)


_RUN_KEY = "nightly"
_PRODUCTION = ("--env", "production")
_LIST = (*_PRODUCTION, "list", "-f", "json")
_START = (
    *(*_PRODUCTION, "run", "--job", "M44", "--run-key", _RUN_KEY),
    *("--yes", "--allow-unknown", "-f", "json"),
)
_WAIT = (*_PRODUCTION, "wait", "--id", _RUN_KEY, "-f", "json")


@dataclass(frozen=True, slots=True)
class Subject:
    """A command to be tortured.

    Attributes:
        argv: its words.
        before: what is done before it, untortured.
        codes: with which exit codes it may end where a failure is not its result's.
        starts: whether it starts a job.
    """

    argv: tuple[str, ...]
    codes: frozenset[int]
    before: tuple[tuple[str, ...], ...] = ()
    starts: bool = False


SUBJECTS: dict[str, Subject] = {
    "list, nothing cached": Subject(_LIST, frozenset({6, 7})),
    "list, from the cache": Subject(_LIST, frozenset({7}), (_LIST,)),
    "run": Subject(_START, frozenset({5, 6, 7, 9}), starts=True),
    "run --wait": Subject((*_START, "--wait"), frozenset({5, 6, 7, 8, 9}), starts=True),
    "wait": Subject(_WAIT, frozenset({5, 6, 7}), (_START,)),
}


_TO_ALMA = ("thread", "connect", "send", "receive")


def steps_of(bench: Bench, subject: Subject) -> list[Step]:
    """Return which operations a command has where none fails; those of the same lines but once.

    Each time counts in another thread, of what goes to Alma: its lines do not tell what for.
    """
    # What is imported at its first time is no operation of its.
    assert play(bench, subject, Torture()).code == 0
    torture = Torture()
    assert play(bench, subject, torture).code == 0
    return [step for step in torture.steps if step.time == 1 or (step.is_aside and step.kind in _TO_ALMA)]


def play(bench: Bench, subject: Subject, torture: Torture) -> Ended:
    """Run a command of which one operation fails, and hold it to what it owes; then the same command again.

    Raises:
        AssertionError: it owes more.
    """
    bench.clear()
    for argv in subject.before:
        assert bench.run(argv).code == 0
    there = bench.runs
    ended = bench.run(subject.argv, torture)
    _hold_to_form(ended, subject, torture)
    if not subject.starts:
        assert bench.runs == there
        if ended.code:
            # An Alma that did not answer is not asked for a while.
            bench.pass_time(HOUR)
        _hold_to_result(bench.run(subject.argv) if ended.code else ended, there)
        return ended
    _hold_to_start(ended, bench, torture)
    again = bench.run(subject.argv)
    for _hour in range(2):
        if again.code == 9:
            # Alma is not asked for a while; then nobody knows before an hour has passed that it took nothing.
            assert ended.code == 9, again
            bench.pass_time(HOUR)
            again = bench.run(subject.argv)
    assert len(bench.runs) == 1, bench.runs
    _hold_to_result(again, bench.runs)
    return ended


def _hold_to_form(ended: Ended, subject: Subject, torture: Torture) -> None:
    assert "Traceback" not in ended.err, ended.err
    assert "a bug in almajob" not in ended.err, ended.err
    assert _KEY not in ended.out + ended.err
    assert ended.code in EXIT_CODES
    if ended.code:
        is_of_streams = torture.kind == "write"
        assert ended.code in subject.codes or (ended.code == 1 and is_of_streams), ended
        assert ended.err or (is_of_streams and torture.moment is Moment.LASTING), ended


def _hold_to_result(ended: Ended, runs: Sequence[str]) -> None:
    assert ended.code == 0, ended
    shown = json.loads(ended.out)
    if isinstance(shown, list):
        if len(shown) == _JOBS:
            return
        (shown,) = shown
    assert [shown["instance_id"]] == runs
    assert shown.get("passed", True) in (True, None)


def _hold_to_start(ended: Ended, bench: Bench, torture: Torture) -> None:
    runs = bench.runs
    assert len(runs) <= 1
    if ended.code == 0:
        _hold_to_result(ended, runs)
    elif ended.code == 1:
        # What was started is named, where anything can be written.
        assert torture.moment is Moment.LASTING or not runs or runs[0] in ended.err, ended
    elif ended.code == 8:
        assert runs
        assert runs[0] in ended.err
    elif ended.code == 9:
        assert _RUN_KEY in ended.err
        assert json.loads(ended.out)["retry_safe"] is False, ended
    else:
        assert not runs
        # Where not even the command can be found, it cannot answer.
        assert ended.out or ended.code == 7
