"""What is known of the calls of one institution, as people and programs are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from almajob.alma.rate_limit.circuit_breaker import Down
from almajob.alma.rate_limit.daily_quota import Moment, UsedUp
from almajob.alma.rate_limit.limiter import Limiter
from almajob.alma.rate_limit.rate_state import RateState
from almajob.alma.rate_limit.rates import Rates
from almajob.errors import AlmajobError, Refused, TooFewCalls


class Quota(NamedTuple):
    """What is known of one institution's calls; nothing is asked for it.

    Attributes:
        environments: whose calls are counted together.
        state: ``unknown``, ``enough``, ``low``, ``used up``, ``slowed`` or ``down``.
        calls_left: for the day, as Alma told last; None where it never did.
        as_of: when it did.
        next_call: before which nobody calls; None where anybody may.
        resets_at: when Alma should reset the count, where the calls are used up.
        calls_per_second: that are made at most just now.
        burst: calls at once.
        quota_floor: calls left below which what can wait does.
        reason: how the last call failed, where Alma is down.
        calls_a_day: that the institution has in all; None where Alma never said so, as it seldom does.
    """

    environments: tuple[str, ...]
    state: str
    calls_left: int | None
    as_of: datetime | None
    next_call: datetime | None
    resets_at: datetime | None
    calls_per_second: float
    burst: int
    quota_floor: int
    reason: str
    calls_a_day: int | None

    @property
    def percent_left(self) -> float | None:
        """The calls left in per cent of the day's; None where either is not known."""
        if self.calls_left is None or not self.calls_a_day:
            return None
        return round(min(100 * self.calls_left / self.calls_a_day, 100), 2)


class Floor(NamedTuple):
    """How many calls must be left: a number, or so many per cent of a day's."""

    number: float
    is_percent: bool

    def __str__(self) -> str:
        return f"{self.number:g}%" if self.is_percent else f"{self.number:,.0f}"


def check_floor(quotas: Sequence[Quota], floor: Floor) -> AlmajobError | None:
    """Return why the calls that are left are not enough, or why that cannot be told; None where they are.

    Too few of one institution count for more than that nothing is known of another.
    """
    if not quotas:
        return Refused(
            "No calls are counted here, so --fail-below cannot be checked.",
            reason="The configuration file names no environment, or the demo is meant, which has no limits.",
            hint="Name an environment: almajob --env NAME quota --fail-below N",
        )
    low = [quota for quota in quotas if _is_below(quota, floor)]
    if low:
        return TooFewCalls(
            f"{'; '.join(map(_describe, low))}: fewer than {floor}.",
            hint="All programs of the institution share them. The count starts again after midnight UTC.",
        )
    return next((found for quota in quotas if (found := _explain_unknown(quota, floor))), None)


def _is_below(quota: Quota, floor: Floor) -> bool:
    left: float | None = quota.calls_left
    if floor.is_percent and left is not None:
        # Not the percentage that is shown: rounded, 99.999 would not be below 100.
        left = 100 * left / quota.calls_a_day if quota.calls_a_day else None
    # Where none is left, that is less than any share of a total that nobody knows.
    return quota.calls_left == 0 if left is None else left < floor.number


def _describe(quota: Quota) -> str:
    """Write how many calls the environments of an institution have left."""
    names = f"{' and '.join(quota.environments)} {'have' if len(quota.environments) > 1 else 'has'}"
    share = "" if quota.percent_left is None else f" ({quota.percent_left:g}% of {quota.calls_a_day:,})"
    return f"{names} {quota.calls_left:,} API calls left{share}"


def _explain_unknown(quota: Quota, floor: Floor) -> Refused | None:
    """Return why it cannot be told whether an institution has calls enough; None where it can."""
    names = " and ".join(quota.environments)
    if quota.calls_left is None:
        return Refused(
            f"How many API calls are left for {names} today is not known yet.",
            reason="Alma reports this with each response, and almajob has not called it today.",
            hint=f"Make a call first: almajob --env {quota.environments[0]} config check",
        )
    if floor.is_percent and quota.percent_left is None:
        return Refused(
            f"How many API calls {names} may make a day is not known, so {floor} cannot be checked.",
            reason=f"Alma says only how many are left: {quota.calls_left:,}.",
            hint="Give a plain number: --fail-below 5000",
        )
    return None


def quota_of(limiter: Limiter, environments: Sequence[str]) -> Quota:
    """Return what is known of an institution's calls."""
    rates, (known, moment) = limiter.rates, limiter.read_state()
    state, seconds = _state(known, rates, moment)
    if state == "used up":
        # When Alma counts anew, anybody may call.
        seconds = min(seconds, known.quota.used_up_until - moment.now)
    return Quota(
        environments=tuple(environments),
        state=state,
        calls_left=known.quota.left,
        as_of=_time(known.quota.left_at),
        next_call=_time(moment.now + seconds) if seconds > 0 else None,
        resets_at=_time(known.quota.used_up_until) if state == "used up" else None,
        calls_per_second=round(known.get_rate(rates, moment.booted), 2),
        burst=rates.burst,
        quota_floor=rates.floor,
        reason=known.breaker.failed_as,
        calls_a_day=known.quota.a_day,
    )


def _state(known: RateState, rates: Rates, moment: Moment) -> tuple[str, float]:
    """Return the word for it, and the seconds until the next call may be made."""
    _known, verdict = known.ask(rates, moment, known.breaker.failed_host)
    if isinstance(verdict, UsedUp):
        return "used up", verdict.probe_in
    if isinstance(verdict, Down):
        return "down", verdict.seconds
    if moment.booted < known.bucket.slowed_until:
        return "slowed", 0.0
    if known.quota.is_low(rates):
        return "low", 0.0
    return ("unknown" if known.quota.left is None else "enough"), 0.0


def _time(moment: float) -> datetime | None:
    return datetime.fromtimestamp(moment, UTC) if moment else None
