"""What is known of an institution's calls, and what follows from it: values without I/O.

All calls of an institution are counted together, by Alma for a second and for a day. Alma once documented 25
calls a second for production, and 10 for a sandbox; what holds today may differ, so that the default is less.
Source: https://developers.exlibrisgroup.com/alma/apis/#threshold
"""

from __future__ import annotations

from typing import Any, NamedTuple

from almajob.alma.rate_limit.circuit_breaker import CircuitBreaker, Down
from almajob.alma.rate_limit.daily_quota import DailyQuota, Moment, UsedUp
from almajob.alma.rate_limit.rates import Rates
from almajob.alma.rate_limit.token_bucket import TokenBucket, Wait

# Of all times, those of day and hour are the largest: the last year that has four digits.
_LARGEST = 2.5e11


class Go(NamedTuple):
    """The call may be made now."""


Verdict = Go | Wait | UsedUp | Down


class RateState(NamedTuple):
    """What all processes know together of one institution's calls."""

    bucket: TokenBucket = TokenBucket()
    quota: DailyQuota = DailyQuota()
    breaker: CircuitBreaker = CircuitBreaker()

    def to_json(self) -> dict[str, Any]:
        """Return the fields of all three, as they are kept."""
        return {**self.bucket._asdict(), **self.quota._asdict(), **self.breaker._asdict()}

    def forget_boot_times(self) -> RateState:
        """Forget all times of a machine that was started anew since."""
        bucket = self.bucket._replace(free_at=0.0, slowed_until=0.0)
        return RateState(bucket, self.quota._replace(probe_at=0.0), self.breaker.forget_times())

    def forget_stale(self, moment: Moment) -> RateState:
        """Forget what is too old to mean anything, and times that no process of this machine made."""
        return RateState(
            self.bucket.forget_impossible(moment.booted),
            self.quota.forget_stale(moment),
            self.breaker.forget_stale(moment.booted),
        )

    def ask(
        self,
        rates: Rates,
        moment: Moment,
        host: str,
        *,
        is_start: bool = False,
        ignores_quota: bool = False,
    ) -> tuple[RateState, Verdict]:
        """Decide whether a call may be made, and count it if so.

        Args:
            is_start: starts have room that others leave them.
            ignores_quota: a person wants to ask although the day's calls are used up.

        Returns:
            What is known then, and the verdict.
        """
        state, booted = self.forget_stale(moment), moment.booted
        bucket, quota, breaker = state
        if not ignores_quota and (used_up := quota.check(booted)):
            return state, used_up
        if down := breaker.check(host, booted):
            return state, down
        if wait := bucket.get_wait(rates, booted, is_start=is_start):
            return state, Wait(wait)
        rate = state.get_rate(rates, booted, is_start=is_start)
        return RateState(bucket.take(rate, booted), quota.probe(booted), breaker.probe(host, booted)), Go()

    def get_rate(self, rates: Rates, booted: float, *, is_start: bool = False) -> float:
        """Return the calls a second that are made just now."""
        return self.bucket.get_rate(rates, booted, is_low=not is_start and self.quota.is_low(rates))

    def note_answer(
        self, moment: Moment, host: str, left: int | None, a_day: int | None = None, *, is_served: bool
    ) -> RateState:
        """Note that Alma answered.

        Args:
            left: the calls left for the day, as the answer says; None where it does not.
            a_day: the calls that a day has, likewise.
            is_served: it is what was asked for, and no error.
        """
        quota = self.quota.note_left(left, moment.now, a_day, is_served=is_served)
        return RateState(self.bucket, quota, self.breaker.note_answer(host))

    def note_failure(self, moment: Moment, host: str, how: str) -> RateState:
        """Note that a call got no answer of Alma's."""
        breaker = self.breaker.note_failure(host, how, moment.booted)
        return RateState(self.bucket, self.quota.lose_probe(moment.booted), breaker)


def from_json(document: object) -> RateState:
    """Read what was kept; whatever is no such thing is nothing known."""
    if not isinstance(document, dict):
        return RateState()
    # What an almajob before this one kept has no such member.
    document = {"a_day": None, **document}
    if document.keys() != RateState().to_json().keys():
        return RateState()
    texts = {name: document[name] for name in ("failed_host", "failed_as")}
    numbers = {name: value for name, value in document.items() if name not in texts}
    counts = [numbers[name] for name in ("left", "a_day", "failures") if numbers[name] is not None]
    for name in ("left", "a_day"):
        if numbers[name] is None:
            del numbers[name]
    if (
        not all(type(value) in (int, float) and 0 <= value < _LARGEST for value in numbers.values())
        or not all(type(value) is int for value in counts)
        or not all(isinstance(text, str) for text in texts.values())
    ):
        return RateState()
    return RateState(
        TokenBucket(*(document[name] for name in TokenBucket._fields)),
        DailyQuota(*(document[name] for name in DailyQuota._fields)),
        CircuitBreaker(*(document[name] for name in CircuitBreaker._fields)),
    )
