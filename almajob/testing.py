"""pytest fixtures for those who write commands, or programs that call Alma: ``alma`` and ``almajob``.

They come with almajob: pytest finds them by itself. ``alma`` is a running simulator whose clock stands still
at ``alma_begins`` until the test moves it; ``almajob`` runs a command line against it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from almajob.simulator.faults import Faults
    from almajob.simulator.http.request_log import RequestLog
    from almajob.simulator.http.server import Simulator
    from almajob.simulator.institution import Institution
    from almajob.simulator.world.clock import Clock


@dataclass(frozen=True)
class Result:
    """What a command line left behind: its exit code and what it wrote."""

    code: int
    stdout: str
    stderr: str


class SimulatedAlma:
    """A running simulator, as a test sees it.

    Attributes:
        institution: everything behind it: worlds, keys, rules, webhooks.
        clock: stands still; ``alma.clock.advance(3600)`` lets an hour pass.
        faults: ``alma.faults.add("reset-after", "POST /conf/jobs/*")`` lets something go wrong once.
        log: ``alma.log.count("POST /conf/jobs/*")`` counts what crossed the wire.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.institution: Institution = simulator.institution
        self.clock: Clock = simulator.institution.clock
        self.faults: Faults = simulator.institution.faults
        self.log: RequestLog = simulator.institution.log

    @property
    def base_url(self) -> str:
        """Its address, for ``base_url`` in an ini."""
        return self._simulator.base_url

    @property
    def ini(self) -> str:
        """An almajob.ini that knows its sandbox and its production."""
        return (
            f"[sandbox]\napi_key = simulator-sandbox-key\nbase_url = {self.base_url}\n"
            f"[production]\napi_key = simulator-production-key\nbase_url = {self.base_url}\n"
        )

    def set_ending(
        self,
        job: str,
        status: str | None = None,
        *,
        seconds: float | None = None,
        progress: float | None = None,
    ) -> None:
        """Set how the next runs of a job go.

        Args:
            job: its name or id.
            status: with which they end, such as ``COMPLETED_FAILED``.
            seconds: how long they last.
            progress: per cent at the end.

        Raises:
            ValueError: no run can go so.
        """
        from almajob.simulator.world.run import Ending

        self.institution.rules.endings[job] = Ending(status, seconds, progress)

    def check(self) -> None:
        """Fail on calls that the simulator does not know, and on faults that never happened."""
        unexpected = [f"{entry.method} {entry.path}" for entry in self.log.unexpected_calls()]
        assert not unexpected, f"calls that the simulator does not know: {unexpected}"
        unused = [f"{fault.name} on {fault.on}" for fault in self.faults.list_unused()]
        assert not unused, f"faults that never happened: {unused}"


@pytest.fixture
def alma_begins() -> datetime:
    """When the clock of ``alma`` begins, in local time: a Monday morning, whatever the machine's time is.

    A test that wants another time overrides it:
    ``@pytest.mark.parametrize("alma_begins", [datetime(2026, 12, 31, 23, 58)])``.
    """
    return datetime(2026, 3, 2, 9, 0)


@pytest.fixture
def alma(alma_begins: datetime) -> Iterator[SimulatedAlma]:
    """Run a simulator for one test; ``check`` is called at its end."""
    from almajob.simulator.http.server import Simulator
    from almajob.simulator.institution import Institution
    from almajob.simulator.world.clock import Clock

    with Simulator(Institution(Clock(speed=0, start=alma_begins.timestamp()))) as simulator:
        running = SimulatedAlma(simulator)
        yield running
        running.check()


@pytest.fixture
def almajob(
    alma: SimulatedAlma, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Run almajob in this process: ``almajob("--env", "sandbox", "list")`` gives code, stdout and stderr.

    Its clock is the simulator's, which moves on where almajob waits.
    The environments sandbox and production are the simulator's; cache and state are the test's own.
    """
    from almajob.system.clock import Clock

    ini = tmp_path / "almajob.ini"
    ini.touch(mode=0o600)
    ini.write_text(alma.ini, "utf-8")
    for name in list(os.environ):
        # The developer's own keys and environments are not the test's.
        if name.startswith("ALMAJOB_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)
    monkeypatch.setenv("ALMAJOB_INI", str(ini))
    monkeypatch.setenv("ALMAJOB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ALMAJOB_STATE_DIR", str(tmp_path / "state"))
    # Where almajob waits, the simulator's time passes instead of the test's.
    alma_time = Clock(
        alma.clock, alma.clock, lambda seconds: alma.clock.advance(max(seconds, 0.0)), alma.clock
    )
    monkeypatch.setattr("almajob.system.clock.SYSTEM", alma_time)

    def run(*argv: str) -> Result:
        from almajob.cli.app import main

        capfd.readouterr()
        code = main(list(argv))
        return Result(code, *capfd.readouterr())

    return run


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
