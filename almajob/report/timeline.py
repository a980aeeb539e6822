"""Where the bars of a report's timeline are: a lane a job, a bar a run, in per cent of the period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

from almajob.jobs.history import Period
from almajob.report.outcomes import Listed, Outcome

BUCKETS = 400
"""Into how many parts a lane is cut where there are too many runs for a bar each."""
_LEAST_WIDTH = 0.4
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = timedelta(days=1)


class Scale(NamedTuple):
    """From when to when a timeline goes, in seconds since the epoch."""

    first: float
    last: float

    def place(self, seconds: float) -> float:
        """Return where a time is, in per cent of the width."""
        return min(max((seconds - self.first) / (self.last - self.first) * 100, 0.0), 100.0)


class Bar(NamedTuple):
    """A bar: where it begins, and how wide it is; both in per cent."""

    start: float
    width: float


class Tick(NamedTuple):
    """A line of the timeline's scale with its label; a minor one is left out where there is little room."""

    place: float
    label: str
    is_minor: bool


def make_scale(period: Period, runs: Sequence[Listed], now: datetime) -> Scale:
    """Return the scale that shows a period, or where it has no beginning, all runs."""
    last = min(now, period.until or now).timestamp()
    begun = [each.submitted.timestamp() for each in runs if each.submitted is not None]
    first = period.since.timestamp() if period.since else min(begun, default=last)
    last = max(last, max(begun, default=last))
    return Scale(min(first, last - 3600.0), last)


def list_bars(runs: Sequence[Listed], scale: Scale, now: datetime) -> Iterator[tuple[Listed, Bar]]:
    """Return the bar of each run; one whose time nobody knows has none."""
    for listed in runs:
        if listed.submitted is None:
            continue
        start = scale.place(listed.submitted.timestamp())
        ended = listed.instance.end_time if listed.outcome is not Outcome.RUNNING else now
        end = scale.place(ended.timestamp()) if isinstance(ended, datetime) else start
        width = max(end - start, _LEAST_WIDTH)
        yield listed, Bar(min(start, 100.0 - width), width)


def merge_bars(runs: Sequence[Listed], scale: Scale) -> dict[Outcome, list[Bar]]:
    """Return the bars of a lane with very many runs: each stands for all runs of an outcome that touch."""
    buckets: dict[Outcome, set[int]] = {}
    for listed in runs:
        if listed.submitted is not None:
            place = int(scale.place(listed.submitted.timestamp()) * BUCKETS / 100)
            buckets.setdefault(listed.outcome, set()).add(min(place, BUCKETS - 1))
    return {outcome: list(_join_buckets(sorted(places))) for outcome, places in buckets.items()}


def _join_buckets(places: Sequence[int]) -> Iterator[Bar]:
    size, first = 100 / BUCKETS, 0
    for number, place in enumerate(places):
        if number + 1 == len(places) or places[number + 1] != place + 1:
            yield Bar(places[first] * size, (place + 1 - places[first]) * size)
            first = number + 1


def list_ticks(scale: Scale, zone: tzinfo | None) -> list[Tick]:
    """Return the lines of a scale: at hours, days, weeks, months or years, by its length."""
    first, last = (datetime.fromtimestamp(each, zone).replace(tzinfo=None) for each in scale)
    days = (last - first) / _DAY
    moments = _list_hours(first, last) if days <= 2 else _list_days(first.date(), last.date(), days)
    found = []
    for local, label in moments:
        moment = local.replace(tzinfo=zone) if zone else local.astimezone()
        if scale.first <= moment.timestamp() <= scale.last:
            found.append((scale.place(moment.timestamp()), label))
    return [Tick(place, label, bool(number % 2)) for number, (place, label) in enumerate(found)]


def _list_hours(first: datetime, last: datetime) -> Iterator[tuple[datetime, str]]:
    moment = datetime.combine(first.date(), time())
    while moment <= last:
        yield moment, f"{moment:%H:%M}" if moment.hour else _name_day(moment.date())
        moment += timedelta(hours=6)


def _list_days(first: date, last: date, days: float) -> Iterator[tuple[datetime, str]]:
    for number in range((last - first).days + 1):
        day = first + number * _DAY
        if days <= 14:
            label = _name_day(day)
        elif days <= 70:
            label = "" if day.weekday() else _name_day(day)
        elif days <= 800:
            label = "" if day.day != 1 else f"{_MONTHS[day.month - 1]} {day.year}"
        else:
            label = "" if (day.month, day.day) != (1, 1) else f"{day.year}"
        if label:
            yield datetime.combine(day, time()), label


def _name_day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]}"


def show_moment(moment: datetime, zone: tzinfo | None, now: datetime) -> str:
    """Write a time for people: ``30 Nov 05:15``, with the year where that is another one.

    With its offset on a day on which the clock changes, as it shows some times twice.
    """
    local = moment.astimezone(zone)
    day, has_change = _show_day(local.date(), zone, now.astimezone(zone).year)
    return f"{day} {local.hour:02d}:{local.minute:02d}{f'{local:%z}' if has_change else ''}"


@lru_cache(maxsize=1000)
def _show_day(day: date, zone: tzinfo | None, year: int) -> tuple[str, bool]:
    """Write a day for people; return whether its clock changes, too."""
    begin, end = (datetime.combine(each, time()) for each in (day, day + _DAY))
    offsets = [
        (each.replace(tzinfo=zone) if zone else each.astimezone()).utcoffset() for each in (begin, end)
    ]
    return f"{_name_day(day)}{'' if day.year == year else f' {day.year}'}", offsets[0] != offsets[1]
