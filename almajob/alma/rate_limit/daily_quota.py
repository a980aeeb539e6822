"""Calls a day: how many are left, and who finds out whether a used-up day is over."""

from __future__ import annotations

import math
from typing import NamedTuple

from almajob.alma.rate_limit.rates import Rates

DAY = 86400.0
HOUR = 3600.0
PROBE_AGAIN = 60.0
"""Seconds until the next probe of a used-up day, where nobody heard the last one."""


class Moment(NamedTuple):
    """One moment, by both clocks.

    Attributes:
        booted: seconds since the machine was started; never jumps while it runs.
        now: seconds since the epoch; may jump.
    """

    booted: float
    now: float


class UsedUp(NamedTuple):
    """The day's calls are used up; nobody calls before ``until``, nor a probe before ``probe_in`` seconds."""

    since: float
    until: float
    probe_in: float


class DailyQuota(NamedTuple):
    """What is known of the day's calls. Times are seconds since the epoch, but for ``probe_at``.

    Attributes:
        left: calls left for the day, as Alma said last; None where it never did.
        left_at: when it said so.
        warned_at: when somebody was last warned that few are left.
        used_up_at: when Alma said that none is left; 0 where some are.
        used_up_until: when it should count anew.
        probe_at: when one call may be tried all the same; seconds since the machine was started.
        a_day: calls that a day has in all, as Alma said last; None where it never did.
    """

    left: int | None = None
    left_at: float = 0.0
    warned_at: float = 0.0
    used_up_at: float = 0.0
    used_up_until: float = 0.0
    probe_at: float = 0.0
    a_day: int | None = None

    def forget_stale(self, moment: Moment) -> DailyQuota:
        """Forget what was noted of another day, or by a wrong clock."""
        quota = self
        if self.left_at // DAY != moment.now // DAY:
            quota = quota._replace(left=None, left_at=0.0)
        if not self.used_up_at - HOUR <= moment.now < self.used_up_until <= moment.now + DAY:
            quota = quota._replace(used_up_at=0.0, used_up_until=0.0)
        return quota._replace(probe_at=min(self.probe_at, moment.booted + HOUR))

    def check(self, booted: float) -> UsedUp | None:
        """Return why nobody may call; None where somebody may, be it as a probe."""
        if not self.used_up_at or booted >= self.probe_at:
            return None
        return UsedUp(self.used_up_at, self.used_up_until, self.probe_at - booted)

    def is_low(self, rates: Rates) -> bool:
        """Whether so few calls are left for the day that those which can wait should."""
        return self.left is not None and self.left < rates.floor

    def note_left(
        self, left: int | None, now: float, a_day: int | None = None, *, is_served: bool
    ) -> DailyQuota:
        """Note an answer: the calls that it says are left, if any, or that it is what was asked for.

        Either proves that some are left. How many a day has is seldom said, and does not change with the day.
        """
        quota = self._replace(used_up_at=0.0, used_up_until=0.0) if is_served or left else self
        quota = quota._replace(a_day=a_day) if a_day else quota
        return quota if left is None else quota._replace(left=left, left_at=now)

    def use_up(self, moment: Moment) -> DailyQuota:
        """Note DAILY_THRESHOLD: nobody calls until midnight UTC, but for one probe an hour.

        Alma counts anew "after midnight"; where its region's midnight is another, a probe finds out.
        """
        return self._replace(
            left=0,
            left_at=moment.now,
            used_up_at=self.used_up_at or moment.now,
            used_up_until=(math.floor(moment.now / DAY) + 1) * DAY,
            probe_at=moment.booted + HOUR,
        )

    def probe(self, booted: float) -> DailyQuota:
        """Note that a probe is made; the next one is due in an hour."""
        return self._replace(probe_at=booted + HOUR) if self.used_up_at else self

    def lose_probe(self, booted: float) -> DailyQuota:
        """Note that a call got no answer: a probe that nobody heard is made again soon."""
        return self._replace(probe_at=min(self.probe_at, booted + PROBE_AGAIN)) if self.used_up_at else self

    def warn(self, rates: Rates, now: float) -> tuple[DailyQuota, bool]:
        """Decide whether to warn that few calls are left, once an hour for all processes together."""
        is_due = self.is_low(rates) and not self.used_up_at and not 0 <= now - self.warned_at < HOUR
        return (self._replace(warned_at=now), True) if is_due else (self, False)
