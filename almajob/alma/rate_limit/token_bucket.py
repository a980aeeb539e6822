"""Calls a second: a bucket that lets a few calls go at once, and the others at an even rate."""

from __future__ import annotations

from typing import NamedTuple

from almajob.alma.rate_limit.rates import Rates

SLOWED_SECONDS = 60.0
"""How long calls are slowed after PER_SECOND_THRESHOLD."""
SLOWER = 0.7
"""How much of the rate is left then."""
LOW_RATE = 1.0
"""Calls a second, other than starts, where few are left for the day."""
_SLOWEST = 0.1
_HOUR = 3600.0
_CLOSER = 15 / 14
"""By how much more calls are held apart than would do, as they can arrive closer than they were made."""
_FOR_STARTS = 2
"""Calls of the burst that nothing but a start may use."""


class Wait(NamedTuple):
    """The call may be tried again after so many seconds."""

    seconds: float


class TokenBucket(NamedTuple):
    """How many calls were made lately. Times are seconds since the machine was started.

    Attributes:
        free_at: when the calls made so far would have been due at an even pace.
        slowed_until: after PER_SECOND_THRESHOLD.
        share: of the rate that is used until then.
    """

    free_at: float = 0.0
    slowed_until: float = 0.0
    share: float = 1.0

    def forget_impossible(self, booted: float) -> TokenBucket:
        """Forget times that no process of this machine made: no setting leads to an hour ahead."""
        return TokenBucket(
            self.free_at if self.free_at <= booted + _HOUR else 0.0,
            self.slowed_until if self.slowed_until <= booted + SLOWED_SECONDS else 0.0,
            min(max(self.share, _SLOWEST), 1.0),
        )

    def get_rate(self, rates: Rates, booted: float, *, is_low: bool = False) -> float:
        """Return the calls a second that are made just now; ``is_low`` for those that can wait."""
        rate = rates.rate * (self.share if booted < self.slowed_until else 1.0)
        return min(rate, LOW_RATE) if is_low else rate

    def get_wait(self, rates: Rates, booted: float, *, is_start: bool) -> float:
        """Return the seconds until a call may be made; none where it may be made now."""
        tolerance = max(rates.burst - 1 - (0 if is_start else _FOR_STARTS), 0) * _CLOSER / rates.rate
        return max(self.free_at - tolerance - booted, 0.0)

    def take(self, rate: float, booted: float) -> TokenBucket:
        """Count a call."""
        return self._replace(free_at=max(self.free_at, booted) + _CLOSER / rate)

    def slow_down(self, booted: float) -> TokenBucket:
        """Note PER_SECOND_THRESHOLD: the rate drops for a minute; again for each that comes later."""
        share = self.share if booted < self.slowed_until else 1.0
        until = booted + SLOWED_SECONDS
        # Calls that were under way together get it together.
        if until - self.slowed_until < 1:
            return self
        return self._replace(share=max(share * SLOWER, _SLOWEST), slowed_until=until)
