"""Time and sleep as one value, so that tests let hours pass at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from almajob.system.deadline import nap


def seconds_since_boot() -> float:
    """Return the seconds since this machine was started, as all its processes count them; never jumps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Clock(NamedTuple):
    """This machine's time.

    Attributes:
        now: seconds since the epoch; may jump.
        elapsed: seconds since some moment; never jumps.
        sleep: waits for so many seconds, and notices signals.
        since_boot: seconds since the machine was started, in which its processes agree; never jumps.
    """

    now: Callable[[], float] = time.time
    elapsed: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = nap
    since_boot: Callable[[], float] = seconds_since_boot


SYSTEM = Clock()
"""The clock that everybody uses who is given no other."""


def system() -> Clock:
    """Return the clock to use; looked up when it is needed, so that tests can put another in its place."""
    return SYSTEM
