"""What all almajob processes of a user keep to together: calls a second, calls a day, an Alma that is down.

What is known stands in an account that they share; what it means is decided in ``rate_state``.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Self

from almajob.alma import call_log
from almajob.alma.http.error_responses import PER_SECOND_THRESHOLD, RETRIED_STATUSES
from almajob.alma.rate_limit.call_account import CallAccount, Known
from almajob.alma.rate_limit.circuit_breaker import DOWN_SECONDS, Down
from almajob.alma.rate_limit.daily_quota import Moment, UsedUp
from almajob.alma.rate_limit.rate_state import Go, RateState
from almajob.alma.rate_limit.rates import Rates
from almajob.alma.rate_limit.token_bucket import Wait
from almajob.errors import AlmaError, AlmajobError, BrokenOff, CallsUsedUp, NotSent, OwnFault, QuotaUsedUp
from almajob.system.clock import Clock
from almajob.text import time_format

LOG = logging.getLogger(__name__)

_LONGEST_LOCK = 1.0
# After a call its result matters more than what is learnt from it.
_SHORTEST_LOCK = 0.05
_PROBE_PAUSE = 0.5
_LONGEST_TEXT = 200
_VALID_SECONDS = 10.0


class Permit:
    """Leave to make one call; at the end of a ``with`` block, what came of it is reported.

    Args:
        renew: waits for another one, for so many seconds at most.
        report: takes what came of the call, as ``note`` does. It returns the hint for when the day's calls
            are used up.
    """

    def __init__(
        self,
        renew: Callable[[float], object] = lambda _seconds: None,
        report: Callable[[AlmajobError | None, str | None, int, str | None], str] = lambda *_: "",
    ) -> None:
        self._renew = renew
        self._report = report
        self._valid_until = time.monotonic() + _VALID_SECONDS
        self._outcome: tuple[AlmajobError | None, str | None, int, str | None] | None = None
        self._hint = ""

    def use(self, seconds: float) -> None:
        """Use it for a call; where it has expired, wait for another one, for so many seconds at most."""
        if time.monotonic() > self._valid_until:
            self._renew(seconds)
        self._valid_until = 0.0

    def note(
        self,
        error: AlmajobError | None,
        left: str | None = None,
        status: int = 0,
        a_day: str | None = None,
    ) -> None:
        """Note what came of the call; nothing is written before ``report``.

        Args:
            error: how it ended; None where Alma gave what was asked for.
            left: what the header X-Exl-Api-Remaining says; None where there was none.
            status: of the answer; 0 where none came.
            a_day: what the header X-Exl-Api-Quota says, likewise.
        """
        self._outcome = (error, left, status, a_day)

    def report(self) -> None:
        """Report to the limiter what came of the call, once."""
        outcome, self._outcome = self._outcome, None
        if outcome is not None:
            self._hint = self._report(*outcome)

    def explain(self, error: AlmajobError) -> AlmajobError:
        """Return an error with what the limiter knows of when the next call may be made."""
        return error.replace(hint=self._hint) if self._hint and isinstance(error, QuotaUsedUp) else error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.report()


class Limiter:
    """Decides when one institution's Alma may be called.

    Args:
        shared: what all processes know of its calls.
    """

    def __init__(self, shared: CallAccount, rates: Rates, clock: Callable[[], Clock]) -> None:
        self._shared = shared
        self.rates = rates
        self._clock = clock
        self._ignores_quota = False

    def ignore_quota_once(self, *, is_wanted: bool = True) -> None:
        """Allow one call although the day's are used up; or no more, where it has not been made."""
        self._ignores_quota = is_wanted

    def admit(self, host: str, seconds: float, *, is_start: bool = False) -> Permit:
        """Wait until a call may be made, count it, and return the permit to make it.

        Args:
            seconds: how long to wait, at most.
            is_start: the call starts a job; so does one that is made while a start is prepared.

        Raises:
            CallsUsedUp: there are no calls left for the day.
            NotSent: Alma is down, or other calls take all the room.
        """
        begun, waited = self._clock().since_boot(), 0.0
        while True:
            with self._shared.edit(_LONGEST_LOCK) as edit:
                edit.state, verdict = edit.state.ask(
                    self.rates,
                    self._moment_of(edit),
                    host,
                    is_start=is_start or call_log.are_of_start(),
                    ignores_quota=self._ignores_quota,
                )
            if isinstance(verdict, Go):
                self._ignores_quota = False
                return Permit(partial(self.admit, host, is_start=is_start), partial(self.report, host))
            # Who has waited longer comes first, and not all at the same time.
            pause = random.random() / self.rates.rate / (1 + waited)  # noqa: S311  # no secret
            pause += verdict.seconds if isinstance(verdict, Wait) else _PROBE_PAUSE
            may_wait = isinstance(verdict, Wait) or (isinstance(verdict, Down) and verdict.is_probed)
            if not may_wait or waited + pause > seconds:
                raise self._refusal(verdict, host, seconds)
            self._clock().sleep(pause)
            waited = self._clock().since_boot() - begun

    def report(
        self,
        host: str,
        error: AlmajobError | None,
        left: str | None = None,
        status: int = 0,
        a_day: str | None = None,
    ) -> str:
        """Keep what came of a call, noted as in ``Permit.note``, for all processes.

        Returns:
            What to do where the day's calls are used up; else nothing.
        """
        counts = (_count(left), _count(a_day))
        with self._shared.edit(_SHORTEST_LOCK) as edit:
            moment = self._moment_of(edit)
            state = _note_outcome(edit.state, moment, host, error, counts, status)
            quota, is_due = state.quota.warn(self.rates, moment.now)
            edit.state = state._replace(quota=quota)
        if is_due:
            LOG.warning(
                "Alma has %s API calls left for today, for all programs of the institution: "
                "almajob slows down what can wait.",
                f"{quota.left:,}",
            )
        if isinstance(error, QuotaUsedUp):
            return self._used_up_until(quota.probe_at - moment.booted, quota.used_up_until)
        return ""

    @property
    def is_low(self) -> bool:
        """Whether few calls are left for the day."""
        return self.read_state()[0].quota.is_low(self.rates)

    def read_state(self) -> tuple[RateState, Moment]:
        """Return what is known, and of which moment, without asking or changing anything."""
        known = self._shared.read()
        moment = self._moment_of(known)
        return known.state.forget_stale(moment), moment

    def _moment_of(self, known: Known) -> Moment:
        if known.moment is not None:
            return known.moment
        clock = self._clock()
        return Moment(clock.since_boot(), clock.now())

    def _refusal(self, verdict: Wait | UsedUp | Down, host: str, seconds: float) -> AlmajobError:
        now = self._clock().now()
        if isinstance(verdict, Wait):
            return NotSent(
                f"{host} was not called: other calls used up the rate limit for {seconds:.0f} s.",
                reason="All almajob processes of this user share one rate limit.",
                hint="Try again when they have ended, or raise calls_per_second in the configuration file.",
            )
        if isinstance(verdict, Down):
            return NotSent(
                f"{host} did not answer {verdict.failures} calls in a row; "
                f"almajob pauses its calls for {time_format.format_duration(DOWN_SECONDS)}.",
                reason=f"The last one: {verdict.failed_as}",
                hint=f"Try again from {_time(now + verdict.seconds)} on.",
            )
        return CallsUsedUp(
            "The institution's API calls for today are used up.",
            reason=f"Alma said so at {_time(verdict.since)}. It has not been asked again.",
            hint=self._used_up_until(verdict.probe_in, verdict.until),
        )

    def _used_up_until(self, probe_in: float, until: float) -> str:
        probe = _time(self._clock().now() + max(probe_in, 0.0))
        anew = f"{time_format.to_local(until):%Y-%m-%d %H:%M (%z)}"
        return (
            f"One call may try again from {probe} on. Alma should reset the count at {anew}.\n"
            "almajob quota shows what is known. --ignore-quota lets a person make one call before then."
        )


def _note_outcome(
    state: RateState,
    moment: Moment,
    host: str,
    error: AlmajobError | None,
    counts: tuple[int | None, int | None],
    status: int,
) -> RateState:
    if isinstance(error, QuotaUsedUp):
        return state._replace(quota=state.quota.use_up(moment))
    if isinstance(error, AlmaError) and error.code == PER_SECOND_THRESHOLD:
        return state._replace(bucket=state.bucket.slow_down(moment.booted))
    if isinstance(error, OwnFault):
        # It says nothing of Alma.
        return state
    if isinstance(error, (BrokenOff, NotSent)) or status in RETRIED_STATUSES:
        how = f"{error.message} {error.reason}".strip() if error else ""
        return state.note_failure(moment, host[:_LONGEST_TEXT], how[:_LONGEST_TEXT])
    if not status and error is not None and not isinstance(error, AlmaError):
        return state
    # Of what is no answer of Alma's the headers say nothing; with an error of Alma's they come, too.
    left, a_day = counts if error is None or isinstance(error, AlmaError) else (None, None)
    return state.note_answer(moment, host, left, a_day, is_served=error is None)


def _count(left: str | None) -> int | None:
    """Read a header that counts; None where it does not."""
    text = (left or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _time(now: float) -> str:
    return f"{time_format.to_local(now):%H:%M:%S (%z)}"
