"""Whether a run goes on for much longer than is usual for its job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from almajob.config.environments import LateAfter

LATE = "late"
"""The name under which the ledger remembers that a run was late."""
_FEWEST_EARLIER = 5
_LEAST_EXCESS = 60.0


class Lateness(NamedTuple):
    """How late a run is.

    Attributes:
        seconds: for how long it has run.
        usual: how long runs of its job take, in seconds; 0 where nobody knows.
        limit: after how many seconds it counts as late.
    """

    seconds: float
    usual: float
    limit: float = 0.0


def find_usual(earlier: Sequence[float]) -> float | None:
    """Return how long runs of a job usually take, in seconds: their median; None where there are none."""
    return sorted(earlier)[len(earlier) // 2] if earlier else None


def find_lateness(
    age: float,
    earlier: Sequence[float],
    late_after: LateAfter = LateAfter(),  # noqa: B008  # frozen
) -> Lateness | None:
    """Return how late a run is; None where it is not, or where nobody can tell.

    It is late after twice the usual time, where nobody wants it otherwise, and a minute at least: a job of
    seconds varies by that much.

    Args:
        age: of the run, in seconds.
        earlier: how long runs of its job took, in seconds.
        late_after: when it counts as late.
    """
    if late_after.seconds is not None:
        is_late, usual = age > late_after.seconds, find_usual(earlier) or 0.0
        return Lateness(age, usual, late_after.seconds) if is_late else None
    if late_after.times is None:
        return None
    if len(earlier) < _FEWEST_EARLIER:
        return None
    usual = find_usual(earlier) or 0.0
    limit = max(usual * late_after.times, usual + _LEAST_EXCESS)
    return Lateness(age, usual, limit) if age > limit else None
