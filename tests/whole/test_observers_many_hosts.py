"""Observers where several machines share a ledger: whoever delivers, each event is delivered once."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.distributions import write_distribution
from tests.support.places import Home
from tests.support.postgres import Database

_START = ("--env", "sandbox", "run", "--job", "ERP export using profile FINANCE")
_OTHER = ("--env", "sandbox", "run", "--job", "Users EXPORT using profile SIS")
# It is in its call for as long as somebody has the gate closed.
_SLOW = """
import fcntl, os
from almajob.plugin import Observer

class Slow(Observer):
    def start_recorded(self, event):
        directory = os.path.dirname(os.environ["ALMAJOB_STATE_DIR"])
        with open(os.path.join(directory, "called"), "a") as file:
            file.write(os.path.basename(os.environ["ALMAJOB_STATE_DIR"]) + "\\n")
        with open(os.path.join(directory, "gate")) as gate:
            fcntl.flock(gate, fcntl.LOCK_SH)
"""


def _read_calls(directory: Path) -> list[str]:
    path = directory / "called"
    return path.read_text("utf-8").split() if path.exists() else []


def _wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_event_that_one_host_delivers_is_not_delivered_by_another(
    simulated: SimulatedAlma,
    almajob: Run,
    ledger_database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While an observer of one host is busy with it; what the other host adds is delivered, too."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("ALMAJOB_LEDGER", ledger_database.url)
    write_distribution(site, "slow", {"almajob.observers": {"slow": "slow:Slow"}})
    (site / "slow.py").write_text(_SLOW, "utf-8")
    monkeypatch.setattr("almajob.runs.observers.announcer.PATIENCE", 0.0)
    with (tmp_path / "gate").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        monkeypatch.setenv("ALMAJOB_STATE_DIR", str(tmp_path / "host1"))
        assert almajob(*_START, "--run-key", "one").code == 0
        _wait_for(lambda: _read_calls(tmp_path))
        monkeypatch.setattr("almajob.runs.observers.announcer.PATIENCE", 60.0)
        monkeypatch.setenv("ALMAJOB_STATE_DIR", str(tmp_path / "host2"))
        # Each waits for its own process, which finds that another machine is busy.
        assert almajob("runs", "list").code == 0
        assert almajob(*_OTHER, "--run-key", "two").code == 0
        assert _read_calls(tmp_path) == ["host1"]
    ledger = Home(str(tmp_path / "host3"), ledger_database.url).open_ledger()
    _wait_for(lambda: not ledger.announcements())
    assert _read_calls(tmp_path) == ["host1", "host1"]
