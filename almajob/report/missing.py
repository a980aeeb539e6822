"""What did not run: at the times of a saved run's schedule, or on a day on which its job usually runs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from almajob.alma.models import Job
from almajob.jobs.history import Period
from almajob.report.outcomes import Listed
from almajob.runs.wait.missed_starts import Expected
from almajob.store.ledger.record import Record

_DAY = timedelta(days=1)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_EARLY = timedelta(minutes=1)
"""By how much a clock may be ahead of Alma's."""
_GRACE = timedelta(hours=1)
"""How much later than usual a job may run today."""
_LIKE_DAYS, _DAYS_IN_A_ROW = 3, 7
_EXCEPTIONS = 0.07
"""What part of the days may be exceptions, so that a job is said to run regularly."""


class Missing(NamedTuple):
    """A job that did not run.

    Attributes:
        expected: when it should have, in UTC and in order.
        basis: ``schedule`` of a saved run, or ``habit`` where its earlier runs say so.
        usually: the schedule, or the habit in words.
        saved_run: whose schedule it is; empty for a habit.
    """

    job: Job
    expected: tuple[datetime, ...]
    basis: str
    usually: str
    saved_run: str = ""


def find_missed_times(
    expected: Iterable[Expected], runs: Sequence[Listed], open_starts: Sequence[Record]
) -> list[Missing]:
    """Find the saved runs of whose job no run was submitted from one time of their schedule to the next.

    A start without a known outcome may have been made, and is listed as such: it counts as a run here.
    """
    submitted: dict[str, set[datetime]] = {}
    for listed in runs:
        if listed.submitted is not None:
            for text in {listed.job.id, listed.job.name}:
                submitted.setdefault(text, set()).add(listed.submitted)
    for record in open_starts:
        for text in {record.job_id, record.job_name}:
            submitted.setdefault(text, set()).add(datetime.fromtimestamp(record.created_at, UTC))
    found = []
    for each in expected:
        names = {each.job_id, each.job_name} - {""}
        times = sorted(set().union(*(submitted.get(text, ()) for text in names)))
        missed = tuple(_list_gaps(each.due, times))
        if missed:
            job = Job(each.job_id, each.job_name)
            found.append(Missing(job, missed, "schedule", each.at, each.name))
    return found


def _list_gaps(due: Sequence[datetime], times: Sequence[datetime]) -> Iterable[datetime]:
    for place, moment in enumerate(due):
        first = bisect_left(times, moment - _EARLY)
        is_last = place + 1 == len(due)
        if first == len(times) or not (is_last or times[first] < due[place + 1] - _EARLY):
            yield moment


def find_unusual_days(
    job: Job, runs: Iterable[Listed], period: Period, now: datetime, zone: tzinfo | None
) -> list[Missing]:
    """Find the days on which a job did not run, though it did on all days that are like them.

    These are the last three of the same day of the week, or all of the last seven days.
    """
    clock_times: dict[date, time] = {}
    for listed in runs:
        if listed.submitted is not None:
            local = listed.submitted.astimezone(zone)
            day = local.date()
            clock_times[day] = min(local.time(), clock_times.get(day, time.max))
    if len(clock_times) < _LIKE_DAYS or not _is_regular(clock_times):
        return []
    end = min(now, period.until or now).astimezone(zone)
    first = max(min(clock_times), period.since.astimezone(zone).date() + _DAY if period.since else date.min)
    missed, usually = [], ""
    for number in range((end.date() - first).days + 1):
        day = first + number * _DAY
        like = [] if day in clock_times else _find_like_days(day, first, clock_times)
        if not like:
            continue
        usual = sorted(clock_times[each] for each in like)
        if datetime.combine(day, usual[-1]) + _GRACE > end.replace(tzinfo=None):
            continue
        middle = usual[len(usual) // 2]
        is_daily = len(like) == _DAYS_IN_A_ROW
        days = (
            f"of the last {_DAYS_IN_A_ROW} days"
            if is_daily
            else f"of the last {_LIKE_DAYS} {_WEEKDAYS[day.weekday()]}s"
        )
        usually = f"ran on each {days}, about {middle:%H:%M}"
        local = datetime.combine(day, middle)
        missed.append((local.replace(tzinfo=zone) if zone else local).astimezone(UTC))
    return [Missing(job, tuple(missed), "habit", usually)] if missed else []


def _is_regular(days: Collection[date]) -> bool:
    """Whether a job runs on certain days of the week, with hardly an exception."""
    first, last = min(days), max(days)
    between = [first + number * _DAY for number in range((last - first).days + 1)]
    exceptions = 0
    for weekday in range(7):
        like = [day in days for day in between if day.weekday() == weekday]
        exceptions += min(sum(like), len(like) - sum(like))
    return exceptions <= max(1, len(between) * _EXCEPTIONS)


def _find_like_days(day: date, first: date, clock_times: dict[date, time]) -> list[date]:
    """Return the days that are like one, where all of them are in the period and had a run; else none."""
    weeks = [day - 7 * number * _DAY for number in range(1, _LIKE_DAYS + 1)]
    row = [day - number * _DAY for number in range(1, _DAYS_IN_A_ROW + 1)]
    for like in (weeks, row):
        if like[-1] >= first and all(each in clock_times for each in like):
            return like
    return []
