"""Time that passes when somebody sleeps, hours within milliseconds; processes whose clock is wrong."""

from __future__ import annotations

import ctypes.util
import time
from pathlib import Path

from almajob.system.clock import Clock

# Where Debian's faketime has it; the dynamic linker need not know it.
FAKETIME = next(
    (str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")),
    ctypes.util.find_library("faketime"),
)


def fake_time(fake: str) -> dict[str, str]:
    """Return the variables of a process that is to take ``fake``, as faketime(1) writes it, for its time."""
    assert FAKETIME is not None
    return {"LD_PRELOAD": FAKETIME, "FAKETIME": fake, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}


class FastClock:
    """The machine's time, and what was slept on top of it; ``start`` makes it stand still otherwise.

    Args:
        start: seconds since the epoch, where the machine's time is of no interest.
    """

    def __init__(self, start: float | None = None) -> None:
        self.start = start
        self.slept = 0.0
        self.naps: list[float] = []
        self.jump = 0.0

    def now(self) -> float:
        return (time.time() if self.start is None else self.start) + self.slept + self.jump

    def elapsed(self) -> float:
        return (time.monotonic() if self.start is None else self.start) + self.slept

    def advance(self, seconds: float) -> None:
        self.slept += seconds

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.advance(max(seconds, 0.0))

    @property
    def clock(self) -> Clock:
        return Clock(self.now, self.elapsed, self.sleep, self.elapsed)
