"""Time and sleep as one value, so that tests let hours pass at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from almajob.deadline import nap


class Clock(NamedTuple):
    """This machine's time.

    Attributes:
        now: seconds since the epoch; may jump.
        elapsed: seconds since some moment; never jumps.
        sleep: waits for so many seconds, and notices signals.
    """

    now: Callable[[], float] = time.time
    elapsed: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = nap


SYSTEM = Clock()
"""The clock that everybody uses who is given no other."""


def system() -> Clock:
    """Give the clock to use; looked up when it is needed, so that tests can put another in its place."""
    return SYSTEM
