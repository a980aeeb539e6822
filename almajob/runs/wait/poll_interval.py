"""How long to wait before the next look at a run, in seconds; computed, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

SHORTEST = 5.0
FIRST = 2.0
LONGEST = 300.0
_SHARE = 0.1
_JITTER = 0.1
_UNLIKELY = 60.0
_MOST_DOUBLINGS = 10
_THRIFT = 4.0


def pause(age: float, chance: Callable[[], float], earlier: Sequence[float] = ()) -> float:
    """Wait a tenth of the time gone by, 5 seconds at least, give or take a tenth, and never more than 300.

    The first looks come sooner, 2, 5 and 10 seconds after the start: many a run has ended by then.
    So a run is noticed to have ended after a twentieth of its length, on average, and a long one costs few
    calls. Chance, a number from 0 to 1, keeps many processes that began together from calling together. Until
    half of the shortest earlier run of the job has gone by, an end is not likely: a look a minute will do.
    """
    shortest = min(FIRST + age / 2, SHORTEST)
    usual = min(max(_SHARE * age, shortest) * _jitter(chance), LONGEST)
    return max(usual, min(min(earlier) / 2 - age, _UNLIKELY)) if earlier else usual


def retry_pause(failures: int, chance: Callable[[], float]) -> float:
    """Wait after looks that failed: twice as long each time, from 5 to 300 seconds."""
    doubled: float = SHORTEST * 2 ** min(failures - 1, _MOST_DOUBLINGS)
    return min(doubled * _jitter(chance), LONGEST)


def stretch_pause(usual: float) -> float:
    """Wait four times as long where few calls are left for the day, but not longer than 300 seconds."""
    return min(usual * _THRIFT, LONGEST)


def floor_pause(chance: Callable[[], float]) -> float:
    """Wait 300 seconds, give or take a tenth: a message tells of the end, and may be lost."""
    return LONGEST * _jitter(chance)


def _jitter(chance: Callable[[], float]) -> float:
    return 1 + _JITTER * (2 * chance() - 1)
