"""What every test shares: no HOME, no network but loopback, an Alma that answers what the test says."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from almajob.cli.app import main
from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock as SimulatorClock
from almajob.system.clock import Clock
from almajob.testing import SimulatedAlma
from almajob.text.redaction import _Known
from tests.support.canary import assert_no_key_below, key_in
from tests.support.clocks import FastClock
from tests.support.fake_alma import KEY, FakeAlma
from tests.support.places import KINDS, Home, prepare
from tests.support.postgres import Cluster, Database, need_programs

# A busy machine is no reason to fail.
hypothesis_settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any machine")

# A shell without job control starts what is to run in the background with Ctrl-C and Ctrl-\ ignored, and all
# below it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
# As does nohup with the end of a terminal.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# In memory, where there is room for it: thousands of ledgers are made, and sync each write.
_MEMORY = Path("/dev/shm")
if os.access(_MEMORY, os.W_OK):
    _room = os.statvfs(_MEMORY)
    if _room.f_bavail * _room.f_frsize > 2**31 and not _room.f_flag & os.ST_NOEXEC:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

# Those plugins have tests of their own, which run where they are installed.
collect_ignore = ["plugins"]

_KEPT = ("COVERAGE_", "COV_", "LANG", "PATH", "PYTEST_", "TZ")


# What almajob starts while it runs in this process: words and environment.
_children: list[object] = []
_runs_here = [False]


def _hook(event: str, given: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen" and _runs_here[0]:
        _children.append((given[1], dict(os.environ if given[3] is None else given[3])))


# An audit hook cannot be taken away again.
sys.addaudithook(_hook)


class _Watched(subprocess.Popen[Any]):
    """A process that never writes a key, if it is almajob."""

    def communicate(self, *given: Any, **more: Any) -> Any:
        written = super().communicate(*given, **more)
        # The simulator tells its keys to whoever serves it.
        if "almajob" in str(self.args) and "serve" not in str(self.args):
            for stream in written:
                assert not key_in(stream or ""), self.args
        return written


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that wrote a key to stdout, stderr or a log, and did not look at it."""
    report = yield
    for title, text in report.sections:
        if report.passed and key_in(text):
            report.outcome, report.longrepr = "failed", f"{title} has a key in it"
    # Half a character, which is no UTF-8, is more than pytest-xdist can send: the whole run would break.
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode("utf-8")) for title, text in report.sections
    ]
    return report


_LOGGERS = [logging.getLogger(name) for name in ("almajob", "almajob.alma.call_log")]
_LAST_RESORT = logging.lastResort
_LOGGERS_AT_FIRST = [(logger.handlers[:], logger.level, logger.propagate) for logger in _LOGGERS]


@pytest.fixture(autouse=True)
def _own_logging() -> None:
    """Put almajob's loggers back: a command that ran in this process has sent their messages elsewhere.

    Before a test, not after it: a fixture of a module may have run one, too.
    """
    for logger, (handlers, level, propagate) in zip(_LOGGERS, _LOGGERS_AT_FIRST, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)
    logging.setLogRecordFactory(logging.LogRecord)
    logging.lastResort = _LAST_RESORT


@pytest.fixture(scope="session")
def _no_schedules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with programs that keep a test from what this machine starts by itself."""
    directory = tmp_path_factory.mktemp("no-schedules")
    for name, text in (("crontab", "echo no crontab for a test >&2"), ("systemctl", "echo offline")):
        (directory / name).write_text(f"#!/bin/sh\n{text}\nexit 1\n", "utf-8")
        (directory / name).chmod(0o755)
    return directory


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, _no_schedules: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Return each test a HOME of its own and none of this machine's variables; it leaves no key behind."""
    monkeypatch.setattr(subprocess, "Popen", _Watched)
    # What one test takes for a key must not be blanked out of the next one's messages.
    monkeypatch.setattr("almajob.text.redaction._known", _Known())
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    for name in list(os.environ):
        if not name.startswith(_KEPT):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")
    # Nor for a job of the demo.
    monkeypatch.setenv("ALMAJOB_DEMO_SECONDS", "0.5")
    # Nobody waits for two minutes to see that a run does not appear.
    monkeypatch.setattr("almajob.system.clock.SYSTEM", FastClock().clock)
    # Nor is anything scheduled on this machine.
    monkeypatch.setenv("PATH", f"{_no_schedules}:{os.environ['PATH']}")
    monkeypatch.setattr("almajob.schedule.places.SYSTEM_UNITS", tmp_path / "etc" / "systemd" / "system")
    monkeypatch.setattr("almajob.schedule.places.SYSTEM_CRONTAB", tmp_path / "etc" / "cron.d" / "almajob")
    # The working directory is one of the places that are searched for an ini.
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield
    assert_no_key_below(tmp_path)


@dataclass(frozen=True)
class Result:
    """What one invocation left behind."""

    code: int
    out: str
    err: str

    @property
    def row(self) -> Any:
        """The one thing that it printed as JSON: an object, or the only one of an array."""
        shown = json.loads(self.out)
        if isinstance(shown, list):
            (shown,) = shown
        return shown


Run = Callable[..., Result]


def _never_show_the_key(result: Result) -> Result:
    assert not key_in(result.out)
    assert not key_in(result.err)
    assert not key_in(repr(_children))
    assert "Traceback" not in result.err
    return result


@pytest.fixture
def almajob(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process; no byte of it may be the key."""

    def run(*argv: str) -> Result:
        capfd.readouterr()
        _children.clear()
        _runs_here[0] = True
        try:
            code = main(list(argv))
        finally:
            _runs_here[0] = False
        out, err = capfd.readouterr()
        return _never_show_the_key(Result(code, out, err))

    return run


@pytest.fixture
def almajob_process() -> Run:
    """Run a command line in a process of its own, with pipes for its streams; stdin is empty unless given."""

    def run(
        *argv: str, environ: Mapping[str, str] | None = None, stdin: str = "", **kwargs: object
    ) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "almajob", *argv],
            env={**os.environ, **(environ or {})},
            **({"input": stdin} if stdin else {"stdin": subprocess.DEVNULL}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **kwargs,  # type: ignore[call-overload]
        )
        return _never_show_the_key(Result(done.returncode, done.stdout, done.stderr))

    return run


@pytest.fixture(scope="session")
def _fake_alma() -> Iterator[FakeAlma]:
    with FakeAlma() as running:
        yield running


@pytest.fixture
def alma(_fake_alma: FakeAlma) -> Iterator[FakeAlma]:
    """An Alma on a loopback port that answers what the test says, and fails the test on anything else."""
    _fake_alma.reset()
    yield _fake_alma
    _fake_alma.check()


@pytest.fixture
def berlin() -> Iterator[None]:
    """This process is in Berlin, where the clock goes back at 3 in the morning of 25 October 2026."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def write_ini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write an ini that almajob then uses; 0600 unless the test says otherwise."""

    def write(text: str, mode: int = 0o600) -> Path:
        path = tmp_path / "almajob.ini"
        path.write_text(text, "utf-8")
        path.chmod(mode)
        monkeypatch.setenv("ALMAJOB_INI", str(path))
        return path

    return write


@pytest.fixture
def simulated(write_ini: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedAlma]:
    """A simulator as sandbox and production, whose time passes where almajob waits."""
    with Simulator(Institution(SimulatorClock(speed=0))) as simulator:
        running = SimulatedAlma(simulator)
        write_ini(running.ini)
        passing = Clock(
            running.clock,
            running.clock,
            lambda seconds: running.clock.advance(max(seconds, 0)),
            running.clock,
        )
        monkeypatch.setattr("almajob.system.clock.SYSTEM", passing)
        yield running
        running.check()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of the tests' own; without the programs the test is skipped, in CI it fails."""
    with Cluster(need_programs()) as running:
        yield running


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """An empty database on it, which a test may do anything to; so it may to the server."""
    cluster.start()
    made = cluster.make_database()
    yield made
    made.drop()


@pytest.fixture(scope="session")
def _ledger_template(cluster: Cluster) -> Database:
    template = cluster.make_database()
    prepare(template)
    return template


@pytest.fixture
def ledger_database(cluster: Cluster, _ledger_template: Database) -> Iterator[Database]:
    """A database in which a ledger can be kept, and nothing is yet."""
    cluster.start()
    made = cluster.make_database(_ledger_template.name)
    yield made
    made.drop()


@pytest.fixture
def directory_home(tmp_path: Path) -> Home:
    """A ledger in a directory, which is made when it is used."""
    return Home(str(tmp_path / "host1"))


@pytest.fixture
def postgresql_home(tmp_path: Path, ledger_database: Database) -> Home:
    """A ledger in a database."""
    return Home(str(tmp_path / "host1"), ledger_database.url)


@pytest.fixture(params=KINDS)
def home(request: pytest.FixtureRequest) -> Home:
    """A ledger in each of the places where one can be kept."""
    found: Home = request.getfixturevalue(f"{request.param}_home")
    return found


@pytest.fixture
def site(alma: FakeAlma, write_ini: Callable[..., Path]) -> FakeAlma:
    """The same Alma, configured as the sandbox, with short time limits."""
    write_ini(
        f"[sandbox]\napi_key = {KEY}\nbase_url = {alma.url}\n"
        "connect_timeout = 2\nread_timeout = 2\ndeadline = 4\n"
    )
    return alma
