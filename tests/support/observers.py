"""Observers that are installed for a test, and what they were told."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from almajob.entry_points import OBSERVERS
from tests.support.distributions import write_distribution
from tests.support.ledgers import open_ledger

_PATIENCE = 120.0

RECORDER = """
import dataclasses, json, os, signal
from almajob.plugin import Observer

class Recorder(Observer):
    "Write down what it is told, a line each."

    def _record(self, kind, event):
        line = json.dumps({"kind": kind, **dataclasses.asdict(event)}, default=str)
        path = os.path.join(os.path.dirname(os.environ["ALMAJOB_STATE_DIR"]), "observed")
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\\n")

    def start_recorded(self, event):
        self._record("start_recorded", event)

    def start_unknown(self, event):
        self._record("start_unknown", event)

    def run_ended(self, event):
        self._record("run_ended", event)

    def late(self, event):
        self._record("late", event)
"""


def install_observer(site: Path, name: str = "recorder", source: str = RECORDER) -> None:
    """Install an observer of its own distribution: the class of the same name in a module of that name."""
    write_distribution(site, name, {OBSERVERS: {name: f"{name}:{name.title()}"}})
    (site / f"{name}.py").write_text(source, "utf-8")


def read_observed(directory: Path) -> list[dict[str, Any]]:
    """Return what recorders were told, in order.

    Args:
        directory: that the state directory is in.
    """
    path = directory / "observed"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def wait_until_told(state_dir: Path) -> None:
    """Wait until a process that tells observers has told all that is to be told.

    Its lock is not asked for: a process that finds it taken ends, and leaves the telling to whoever has it.
    """
    ledger = open_ledger(state_dir / "ledger")
    end = time.monotonic() + _PATIENCE
    while ledger.announcements():
        if time.monotonic() > end:
            raise TimeoutError(f"nobody tells the observers of {state_dir}")
        time.sleep(0.02)
