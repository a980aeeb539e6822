"""How often Alma may be called, and what is known of it: values, and decisions that touch nothing.

All calls of an institution are counted together, by Alma for a second and for a day. Alma once documented 25
calls a second; what holds today differs by environment and is not documented, so that the default is less.
Source: https://developers.exlibrisgroup.com/alma/apis/#threshold
"""

from __future__ import annotations

import math
from typing import NamedTuple

from almajob.alma.http.timeouts import Pace

DAY = 86400.0
HOUR = 3600.0

SLOWED_SECONDS = 60.0
"""How long calls are slowed after PER_SECOND_THRESHOLD."""
SLOWER = 0.7
"""How much of the rate is left then."""
_SLOWEST = 0.1
# Of all times, those of day and hour are the largest: the last year that has four digits.
_LARGEST = 2.5e11
_CLOSER = 15 / 14
"""By how much more calls are held apart than would do, as they can arrive closer than they were made."""
_KEPT_FOR_STARTS = 2
"""Calls of the burst that nothing but a start may use."""
LOW_RATE = 1.0
"""Calls a second, other than starts, where few are left for the day."""

FAILURES = 10
"""Calls that fail one after the other until Alma counts as down."""
DOWN_SECONDS = 30.0
"""How long it is left alone then, each time; a start whose answer was lost is looked for meanwhile."""
PROBE_AGAIN = 60.0
"""Seconds until the next probe of a used-up day, where nobody heard the last one."""
FORGOTTEN = 300.0
"""Seconds after which a failure says nothing any more."""


class Known(NamedTuple):
    """What all processes know together of one institution's calls.

    Times of the machine are seconds since it was started.

    Attributes:
        free_at: when the calls made so far would have been due at an even pace; time of the machine.
        slowed_until: after PER_SECOND_THRESHOLD; time of the machine.
        share: of the rate that is used until then.
        left: calls left for the day, as Alma told last; None where it never did.
        left_at: when it told so; since the epoch.
        warned_at: when somebody was last warned that few are left; since the epoch.
        used_up_at: when Alma said that none is left; since the epoch, 0 where some are.
        used_up_until: when it should count anew; since the epoch.
        probe_at: when one call may be tried all the same; time of the machine.
        failures: calls of one host that failed one after the other.
        failed_at: when the last of them did; time of the machine.
        probed_at: when somebody was last let through to find out whether it is back; likewise.
        failed_host: the host.
        failed_as: how the last of them failed.
    """

    free_at: float = 0.0
    slowed_until: float = 0.0
    share: float = 1.0
    left: int | None = None
    left_at: float = 0.0
    warned_at: float = 0.0
    used_up_at: float = 0.0
    used_up_until: float = 0.0
    probe_at: float = 0.0
    failures: int = 0
    failed_at: float = 0.0
    probed_at: float = 0.0
    failed_host: str = ""
    failed_as: str = ""


class Moment(NamedTuple):
    """One moment, by both clocks.

    Attributes:
        booted: seconds since the machine was started; never jumps while it runs.
        now: seconds since the epoch; may jump.
    """

    booted: float
    now: float


class Go(NamedTuple):
    """The call may be made now."""


class Wait(NamedTuple):
    """The call may be tried again after so many seconds."""

    seconds: float


class UsedUp(NamedTuple):
    """The day's calls are used up; nobody calls before ``until``, nor a probe before ``probe_in`` seconds."""

    since: float
    until: float
    probe_in: float


class Down(NamedTuple):
    """Alma did not answer, so often that nobody asks for so many seconds.

    Attributes:
        is_probed: somebody is just finding out whether it is back.
    """

    seconds: float
    failures: int
    failed_as: str
    is_probed: bool = False


Verdict = Go | Wait | UsedUp | Down


def from_json(document: object) -> Known:
    """Read what was kept; whatever is no such thing is nothing known."""
    if not isinstance(document, dict) or document.keys() != set(Known._fields):
        return Known()
    texts = {name: document[name] for name in ("failed_host", "failed_as")}
    numbers = {name: value for name, value in document.items() if name not in texts}
    if numbers["left"] is None:
        del numbers["left"]
    counts = (numbers.get("left", 0), numbers["failures"])
    if (
        not all(type(value) in (int, float) and 0 <= value < _LARGEST for value in numbers.values())
        or not all(type(value) is int for value in counts)
        or not all(isinstance(text, str) for text in texts.values())
    ):
        return Known()
    return Known(**document)


def rebooted(known: Known) -> Known:
    """Forget all times of a machine that was started anew since."""
    return known._replace(
        free_at=0.0, slowed_until=0.0, probe_at=0.0, failures=0, failed_at=0.0, probed_at=0.0
    )


def sane(known: Known, moment: Moment) -> Known:
    """Forget what is too old to mean anything, and times that no process of this machine made.

    An hour ahead is more than any setting leads to; and what was noted of a day counts for that day.
    """
    booted = moment.booted
    if known.left_at // DAY != moment.now // DAY:
        known = known._replace(left=None, left_at=0.0)
    if not known.used_up_at - HOUR <= moment.now < known.used_up_until <= moment.now + DAY:
        # The day is over, or the clock was wrong then.
        known = known._replace(used_up_at=0.0, used_up_until=0.0)
    if not 0 <= booted - known.failed_at < FORGOTTEN:
        known = known._replace(failures=0, failed_at=0.0, probed_at=0.0)
    return known._replace(
        free_at=known.free_at if known.free_at <= booted + HOUR else 0.0,
        slowed_until=known.slowed_until if known.slowed_until <= booted + SLOWED_SECONDS else 0.0,
        share=min(max(known.share, _SLOWEST), 1.0),
        probe_at=min(known.probe_at, booted + HOUR),
        probed_at=known.probed_at if known.probed_at <= booted else 0.0,
    )


def asked(
    known: Known,
    pace: Pace,
    moment: Moment,
    host: str,
    *,
    is_start: bool = False,
    ignores_quota: bool = False,
) -> tuple[Known, Verdict]:
    """Decide whether a call may be made, and count it if so.

    Args:
        known: what is known, before.
        pace: what is allowed.
        moment: now.
        host: that would be called.
        is_start: starts have room that others leave them.
        ignores_quota: a person wants to ask although the day's calls are used up.

    Returns:
        What is known then, and the verdict.
    """
    known = sane(known, moment)
    is_probe = False
    if known.used_up_at:
        is_probe = ignores_quota or moment.booted >= known.probe_at
        if not is_probe:
            return known, UsedUp(known.used_up_at, known.used_up_until, known.probe_at - moment.booted)
    is_down = known.failures >= FAILURES and known.failed_host == host
    if is_down and (seconds := _leave_alone(known) - moment.booted) > 0:
        is_probed = known.probed_at > known.failed_at
        return known, Down(seconds, known.failures, known.failed_as, is_probed)
    interval = _CLOSER / rate(known, pace, moment.booted, is_start=is_start)
    kept = 0 if is_start else _KEPT_FOR_STARTS
    tolerance = max(pace.burst - 1 - kept, 0) * _CLOSER / pace.rate
    early = known.free_at - tolerance - moment.booted
    if early > 0:
        return known, Wait(early)
    if is_probe:
        known = known._replace(probe_at=moment.booted + HOUR)
    if is_down:
        # One call finds out for all whether Alma is back.
        known = known._replace(probed_at=moment.booted)
    return known._replace(free_at=max(known.free_at, moment.booted) + interval), Go()


def _leave_alone(known: Known) -> float:
    """Say until when a host that is down is left alone; time of the machine."""
    return max(known.failed_at, known.probed_at) + DOWN_SECONDS


def rate(known: Known, pace: Pace, booted: float, *, is_start: bool = False) -> float:
    """Return the calls a second that are made just now."""
    allowed = pace.rate * (known.share if booted < known.slowed_until else 1.0)
    return allowed if is_start or not is_low(known, pace) else min(allowed, LOW_RATE)


def is_low(known: Known, pace: Pace) -> bool:
    """Whether so few calls are left for the day that those which can wait should."""
    return known.left is not None and known.left < pace.floor


def answered(known: Known, moment: Moment, host: str, left: int | None, *, is_served: bool) -> Known:
    """Note that Alma answered.

    Args:
        known: what is known, before.
        moment: now.
        host: that did.
        left: the calls left for the day, as the answer tells; None where it does not.
        is_served: it is what was asked for, and no error; that, or a number, proves that some are left.
    """
    if host == known.failed_host:
        known = known._replace(failures=0, failed_at=0.0, probed_at=0.0, failed_host="", failed_as="")
    if is_served or left:
        known = known._replace(used_up_at=0.0, used_up_until=0.0)
    return known if left is None else known._replace(left=left, left_at=moment.now)


def slowed(known: Known, moment: Moment) -> Known:
    """Note PER_SECOND_THRESHOLD: the rate drops, for all, for a minute; again for each that comes later."""
    share = known.share if moment.booted < known.slowed_until else 1.0
    until = moment.booted + SLOWED_SECONDS
    # Calls that were under way together are told together.
    if until - known.slowed_until < 1:
        return known
    return known._replace(share=max(share * SLOWER, _SLOWEST), slowed_until=until)


def used_up(known: Known, moment: Moment) -> Known:
    """Note DAILY_THRESHOLD: nobody calls until midnight UTC, but for one probe an hour.

    Alma counts anew "after midnight"; where its region's midnight is another, a probe finds out.
    """
    return known._replace(
        left=0,
        left_at=moment.now,
        used_up_at=known.used_up_at or moment.now,
        used_up_until=(math.floor(moment.now / DAY) + 1) * DAY,
        probe_at=moment.booted + HOUR,
    )


def failed(known: Known, moment: Moment, host: str, how: str) -> Known:
    """Note that a call got no answer of Alma's.

    Args:
        known: what is known, before.
        moment: now.
        host: that was called.
        how: in one sentence.
    """
    before = known.failures if known.failed_host == host else 0
    if known.used_up_at:
        # A probe that nobody heard told nothing.
        known = known._replace(probe_at=min(known.probe_at, moment.booted + PROBE_AGAIN))
    return known._replace(
        failures=before + 1, failed_at=moment.booted, probed_at=0.0, failed_host=host, failed_as=how
    )


def warned(known: Known, pace: Pace, moment: Moment) -> tuple[Known, bool]:
    """Decide whether to warn that few calls are left, once an hour for all processes together."""
    due = is_low(known, pace) and not known.used_up_at and not 0 <= moment.now - known.warned_at < HOUR
    return (known._replace(warned_at=moment.now), True) if due else (known, False)
