"""The simulator's time: as fast as one likes, or moved by hand, so that hours pass within milliseconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# The year 5138: times beyond could not be written any more once a run's length is added.
_END = 1e11
_FASTEST = 1e6


class Clock:
    """A clock that can run faster than the machine's, stand still, and be moved forward.

    Args:
        speed: seconds of the simulation for each second of the machine; 0 stands still.
        start: the time at which it begins, in seconds since the epoch; that of the machine where not given.

    Raises:
        ValueError: the speed is no number from 0 to 1,000,000.
    """

    def __init__(self, speed: float = 1.0, start: float | None = None) -> None:
        self._lock = threading.Lock()
        self._speed = _check_speed(speed)
        self._since = time.monotonic()
        self._then = time.time() if start is None else start
        self._watchers: list[Callable[[], None]] = []

    def __call__(self) -> float:
        """Return the time in seconds since the epoch."""
        with self._lock:
            return self._now()

    def _now(self) -> float:
        return min(self._then + (time.monotonic() - self._since) * self._speed, _END)

    @property
    def speed(self) -> float:
        """Seconds of the simulation for each second of the machine."""
        return self._speed

    def advance(self, seconds: float) -> None:
        """Move the time forward, and let those who watch it look.

        Raises:
            ValueError: it would go back, or beyond all calendars.
        """
        with self._lock:
            if not seconds >= 0 or not self._now() + seconds < _END:
                raise ValueError("the clock goes forward only, and not beyond the year 5000")
            self._then += seconds
        for watcher in self._watchers:
            watcher()

    def set_speed(self, speed: float) -> None:
        """Go on from now at another speed.

        Raises:
            ValueError: it is no number from 0 to 1,000,000.
        """
        checked = _check_speed(speed)
        with self._lock:
            self._then, self._since, self._speed = self._now(), time.monotonic(), checked

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call somebody after each step that is made by hand."""
        self._watchers.append(watcher)


def _check_speed(speed: float) -> float:
    if not 0 <= speed <= _FASTEST:
        raise ValueError("a speed is a number from 0 to 1,000,000")
    return speed
