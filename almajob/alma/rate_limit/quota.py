"""What is known of the calls of one institution, as people and programs are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from almajob.alma.rate_limit.circuit_breaker import Down
from almajob.alma.rate_limit.daily_quota import UsedUp
from almajob.alma.rate_limit.limiter import Limiter
from almajob.alma.rate_limit.rate_state import RateState


class Quota(NamedTuple):
    """What is known of one institution's calls; nothing is asked for it.

    Attributes:
        environments: whose calls are counted together.
        state: ``unknown``, ``enough``, ``low``, ``used up``, ``slowed`` or ``down``.
        calls_left: for the day, as Alma told last; None where it never did.
        as_of: when it did.
        next_call: before which nobody calls; None where anybody may.
        counts_anew: when the day's calls should be counted anew, where they are used up.
        calls_per_second: that are made at most just now.
        burst: calls at once.
        quota_floor: calls left below which what can wait does.
        reason: how the last call failed, where Alma is down.
    """

    environments: tuple[str, ...]
    state: str
    calls_left: int | None
    as_of: datetime | None
    next_call: datetime | None
    counts_anew: datetime | None
    calls_per_second: float
    burst: int
    quota_floor: int
    reason: str


def quota_of(limiter: Limiter, environments: Sequence[str]) -> Quota:
    """Return what is known of an institution's calls."""
    known, rates, moment = limiter.read_state(), limiter.rates, limiter.moment()
    state, seconds = _state(known, limiter)
    if state == "used up":
        # When Alma counts anew, anybody may call.
        seconds = min(seconds, known.quota.used_up_until - moment.now)
    return Quota(
        environments=tuple(environments),
        state=state,
        calls_left=known.quota.left,
        as_of=_time(known.quota.left_at),
        next_call=_time(moment.now + seconds) if seconds > 0 else None,
        counts_anew=_time(known.quota.used_up_until) if state == "used up" else None,
        calls_per_second=round(known.get_rate(rates, moment.booted), 2),
        burst=rates.burst,
        quota_floor=rates.floor,
        reason=known.breaker.failed_as,
    )


def _state(known: RateState, limiter: Limiter) -> tuple[str, float]:
    """Return the word for it, and the seconds until the next call may be made."""
    rates, moment = limiter.rates, limiter.moment()
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
