"""Starts that are due in the same second, on one host or on many, spread over a while."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

from almajob.runs.start.interruption import report_unsent
from almajob.system import clock as clocks
from almajob.text.busy import Busy, show_nothing
from almajob.text.time_format import format_duration

_MACHINE_ID = Path("/etc/machine-id")
_ALL = 2**64


def splay(host: str, environment: str, job: str, most: float) -> float:
    """Return how long a start waits: the same time whenever the same job is started from the same host.

    The job is named as on the command line; all times are in seconds, from 0 to ``most``.
    """
    digest = hashlib.sha256("\0".join((host, environment, job)).encode()).digest()
    return most * (int.from_bytes(digest[:8]) / _ALL)


def identify_host() -> str:
    """Return what tells this host from others: its name and its id, as clones may share one of them."""
    try:
        machine_id = _MACHINE_ID.read_text("ascii").strip()
    except (OSError, ValueError):
        machine_id = ""
    return f"{platform.node()} {machine_id}"


def wait(environment: str, job: str, most: float, busy: Busy = show_nothing) -> None:
    """Wait as long as ``splay`` says for this host, before anything is done; a signal ends it at once."""
    seconds, clock = splay(identify_host(), environment, job, most), clocks.system()
    end = clock.elapsed() + seconds

    def describe() -> str:
        return f"Starting in {format_duration(max(end - clock.elapsed(), 0.0))} (--splay)."

    with busy(describe, is_long=True), report_unsent("it was still waiting (--splay)"):
        clock.sleep(seconds)
