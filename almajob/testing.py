"""pytest fixtures for those who write commands, or programs that call Alma: docs/testing-a-plugin.md.

They come with almajob: pytest finds them by itself. ``alma`` is a running simulator whose clock stands still
at ``alma_begins`` until the test moves it; ``almajob`` runs a command line against it, ``terminal`` does so
on a terminal, and ``context`` is what a command works with. ``ini`` and ``answers`` change what they find.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

for _finder in sys.meta_path:
    # pytest rewrites the assertions of a whole package that has fixtures: half a second for this one.
    if "almajob" in getattr(_finder, "_must_rewrite", ()):
        _finder._must_rewrite.remove("almajob")  # type: ignore[attr-defined]
        _finder._marked_for_rewrite_cache.clear()  # type: ignore[attr-defined]

from almajob.simulator.planned_answers import PlannedAnswers as PlannedAnswers  # noqa: E402
from almajob.test_kit.ini import Ini as Ini  # noqa: E402
from almajob.test_kit.simulated_alma import SimulatedAlma as SimulatedAlma  # noqa: E402
from almajob.test_kit.terminal import Terminal as Terminal  # noqa: E402

if TYPE_CHECKING:
    from almajob.cli.context import Context
    from almajob.runs.observers.observer import Observer

_INHERITED = frozenset(os.environ.items())
"""The variables before any test: the developer's own."""


@dataclass(frozen=True)
class Result:
    """What a command line left behind: its exit code and what it wrote."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What it wrote to stdout, parsed as JSON.

        Raises:
            ValueError: it is no JSON.
        """
        return json.loads(self.stdout)


class RunAlmajob(Protocol):
    """The fixture ``almajob``."""

    def __call__(self, *argv: str, stdin: str = "") -> Result:
        """Run a command line.

        Args:
            argv: the words behind ``almajob``.
            stdin: what the command can read from standard input.
        """


class OpenTerminal(Protocol):
    """The fixture ``terminal``."""

    def __call__(self, *argv: str, columns: int = 80, rows: int = 24) -> Terminal:
        """Run a command line on a terminal.

        Args:
            argv: the words behind ``almajob``.
            columns: how wide the terminal is.
            rows: how high it is.
        """


@pytest.fixture
def alma_begins() -> datetime:
    """When the clock of ``alma`` begins, in local time: a Monday morning, whatever the machine's time is.

    A test that wants another time overrides it:
    ``@pytest.mark.parametrize("alma_begins", [datetime(2026, 12, 31, 23, 58)])``.
    """
    return datetime(2026, 3, 2, 9, 0)


@pytest.fixture
def plugin_name() -> str:
    """The plugin whose store and options ``context`` has: the one that is installed, if it is one.

    A plugin's tests override it where several are installed, or none.
    """
    from almajob.cli.plugins.distributions import entry_points_of
    from almajob.entry_points import GROUP, OBSERVERS, plugin_of

    found = {plugin_of(point) for point in entry_points_of(GROUP, OBSERVERS)} - {"almajob"}
    return found.pop() if len(found) == 1 else "almajob"


@pytest.fixture
def alma(alma_begins: datetime) -> Iterator[SimulatedAlma]:
    """Run a simulator for one test; ``check`` is called at its end."""
    from almajob.simulator.http.server import Simulator
    from almajob.simulator.institution import Institution
    from almajob.simulator.world.clock import Clock
    from almajob.system.sharing.forks import forget_in_children

    with Simulator(Institution(Clock(speed=0, start=alma_begins.timestamp()))) as simulator:
        forget_in_children(simulator)
        running = SimulatedAlma(simulator)
        yield running
        running.check()


@pytest.fixture
def answers(alma: SimulatedAlma) -> PlannedAnswers:
    """Answer calls that the simulator does not know: ``answers.add("GET /users/1", {"primary_id": "1"})``."""
    return alma.answers


@pytest.fixture
def ini(alma: SimulatedAlma, tmp_path: Path) -> Ini:
    """The configuration file of ``almajob``, ``terminal`` and ``context``; ``ini.add`` changes it."""
    return Ini(tmp_path / "almajob.ini", alma.ini)


@pytest.fixture
def _surroundings(
    alma: SimulatedAlma, ini: Ini, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """What a command finds: its own configuration file, cache and state, and the time of ``alma``."""
    from almajob.system.clock import Clock

    for name, value in list(os.environ.items()):
        # The developer's own keys and environments are not the test's; what the test has set stays.
        is_ours = name.startswith("ALMAJOB_") or name == "CREDENTIALS_DIRECTORY"
        if is_ours and (name, value) in _INHERITED:
            monkeypatch.delenv(name)
    monkeypatch.setenv("ALMAJOB_INI", str(ini.path))
    monkeypatch.setenv("ALMAJOB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ALMAJOB_STATE_DIR", str(tmp_path / "state"))
    # Where almajob waits, the simulator's time passes instead of the test's.
    alma_time = Clock(
        alma.clock, alma.clock, lambda seconds: alma.clock.advance(max(seconds, 0.0)), alma.clock
    )
    monkeypatch.setattr("almajob.system.clock.SYSTEM", alma_time)
    # Observers are waited for until they have been told.
    monkeypatch.setattr("almajob.runs.observers.announcer.PATIENCE", 60.0)
    with _logging_put_back():
        yield


@contextmanager
def _logging_put_back() -> Iterator[None]:
    """Put almajob's loggers back: a command sends their messages to a stderr that is gone after the test."""
    loggers = [logging.getLogger(name) for name in (None, "almajob", "almajob.alma.call_log")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    factory, last_resort = logging.getLogRecordFactory(), logging.lastResort
    try:
        yield
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)
        logging.setLogRecordFactory(factory)
        logging.lastResort = last_resort


@pytest.fixture
def almajob(_surroundings: None, capfd: pytest.CaptureFixture[str]) -> RunAlmajob:
    """Run almajob in this process: ``almajob("--env", "sandbox", "list")`` returns code, stdout and stderr.

    Its clock is the simulator's, which moves on where almajob waits.
    The environments sandbox and production are the simulator's; cache and state are the test's own.
    """

    def run(*argv: str, stdin: str = "") -> Result:
        from almajob.cli.app import main

        before = capfd.readouterr()
        with _stdin(stdin):
            code = main(list(argv))
        result = Result(code, *capfd.readouterr())
        # What the test has printed itself: pytest shows it if the test fails.
        sys.stdout.write(before.out)
        sys.stderr.write(before.err)
        return result

    return run


@contextmanager
def _stdin(text: str) -> Iterator[None]:
    """Make a text this process's standard input, for it and for what it starts."""
    kept, stream = os.dup(0), sys.stdin
    try:
        with tempfile.TemporaryFile() as file:
            file.write(text.encode())
            file.seek(0)
            os.dup2(file.fileno(), 0)
        with open(0, encoding="utf-8", closefd=False) as sys.stdin:
            yield
    finally:
        sys.stdin = stream
        os.dup2(kept, 0)
        os.close(kept)


@pytest.fixture
def context(_surroundings: None, plugin_name: str) -> Iterator[Context]:
    """What a command of ``plugin_name`` works with in the sandbox; ``context.of("production")`` is the other.

    It is closed at the end of the test.
    """
    from almajob.cli.context import Context
    from almajob.config.settings import Options

    with Context(Options(env="sandbox"), owner=lambda: plugin_name) as opened:
        yield opened


@pytest.fixture
def terminal(_surroundings: None, alma: SimulatedAlma) -> Iterator[OpenTerminal]:
    """Run almajob on a terminal: ``terminal("--env", "production", "run", JOB)`` returns the ``Terminal``.

    It is a process of its own, which ends with the test at the latest. Its clock is the simulator's, too.
    """
    with ExitStack() as closing:

        def open_terminal(*argv: str, columns: int = 80, rows: int = 24) -> Terminal:
            opened = closing.enter_context(Terminal(argv, alma.base_url, columns=columns, rows=rows))
            alma.send_signal = opened.send_signal
            return opened

        yield open_terminal


def check_command(command: type, name: str = "") -> None:
    """Assert that a command keeps the rules of almajob, as far as a program can tell.

    Args:
        command: the class that the entry point names.
        name: the command's name as it is typed; found among what is installed where not given.

    Raises:
        AssertionError: it does not keep them; the message names each.
    """
    from almajob.cli.app import AlmaJob
    from almajob.cli.plugins.conformance import find_violations

    app = AlmaJob()
    target = f"{command.__module__}:{command.__qualname__}"
    found = name or next((each.name for each in app.command_manager.installed if each.value == target), "")
    assert found, f"{target} is no entry point of the group almajob.commands; install the package first"
    problems = find_violations(command, found, app)
    assert not problems, f"{found}: " + "; ".join(problems)


def check_observer(observer: type[Observer]) -> None:
    """Assert that an observer keeps the rules of almajob, as far as a program can tell.

    None of its methods is called.

    Args:
        observer: the class that the entry point names.

    Raises:
        AssertionError: it does not keep them; the message names each.
    """
    from almajob.cli.plugins.distributions import entry_points_of
    from almajob.entry_points import OBSERVERS
    from almajob.runs.observers import rules

    target = f"{observer.__module__}:{observer.__qualname__}"
    found = next((point.name for point in entry_points_of(OBSERVERS) if point.value == target), "")
    assert found, f"{target} is no entry point of the group {OBSERVERS}; install the package first"
    try:
        problems = rules.check_observer(found, target)
    except (TypeError, ValueError) as error:
        problems = [str(error)]
    assert not problems, f"{found}: " + "; ".join(problems)
