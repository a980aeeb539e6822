"""Calendar expressions, such as ``Mon..Fri 05:15``: the times that they name, as systemd's OnCalendar= does.

https://www.freedesktop.org/software/systemd/man/latest/systemd.time.html, but for fractions of a second and
years of two digits.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from almajob.text.frozen import Frozen

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORTHANDS = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
}
_SHORTEST_MONTH = 28
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_YEARS_AHEAD = 41
"""29 February is a certain day of the week at least once in 40 years."""
_PART = re.compile(r"(?P<first>\d+)(?:\.\.(?P<last>\d+))?(?:/(?P<step>\d+))?", re.ASCII)

Span = tuple[int, int, int]
"""First, last and step of some numbers."""


class Numbers(Frozen):
    """The numbers that one part of an expression names.

    Attributes:
        spans: of them; empty where it names all.
        from_end: whether days are counted from the end of the month.
    """

    spans: tuple[Span, ...] = ()
    from_end: bool = False

    def list_all(self, low: int, high: int) -> list[int]:
        """List them, in order."""
        if not self.spans:
            return list(range(low, high + 1))
        return sorted({n for first, last, step in self.spans for n in range(first, last + 1, step)})

    def has_day(self, day: date) -> bool:
        """Whether a day is one of these days of its month."""
        if not self.spans:
            return True
        length = calendar.monthrange(day.year, day.month)[1]
        if not self.from_end:
            return any(day.day in range(first, last + 1, step) for first, last, step in self.spans)
        ((first, last, _step),) = self.spans
        return length - last < day.day <= length - first + 1


class CalendarTimes(Frozen):
    """The times that an expression names.

    Attributes:
        text: the expression, without its time zone.
        timezone: the name of its time zone; empty for that of the machine.
    """

    text: str
    timezone: str
    weekdays: frozenset[int]
    years: Numbers
    months: Numbers
    days: Numbers
    hours: Numbers
    minutes: Numbers
    seconds: Numbers

    def find_next(self, after: datetime) -> datetime | None:
        """Return the first time after another one, in UTC; None where there is none any more."""
        limit = after + timedelta(days=366 * _YEARS_AHEAD)
        return next(self.list_between(after + timedelta(microseconds=1), limit), None)

    def find_last(self, until: datetime) -> datetime | None:
        """Return the last time until another one, that included, in UTC; None where there was none."""
        day = self._to_local(until).date() + timedelta(days=1)
        for back in range(366 * _YEARS_AHEAD):
            found = [moment for moment in self._list_of_day(day - timedelta(days=back)) if moment <= until]
            if found:
                return found[-1]
        return None

    def list_between(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """List the times from one until before another, in UTC and in order."""
        day = self._to_local(since).date() - timedelta(days=1)
        last = min(self._to_local(until).date() + timedelta(days=1), date(_LAST_YEAR, 12, 31))
        if self.years.spans:
            last = min(last, date(max(self.years.list_all(_FIRST_YEAR, _LAST_YEAR)), 12, 31))
        while day <= last:
            for moment in self._list_of_day(day):
                if since <= moment < until:
                    yield moment
            day += timedelta(days=1)

    def _list_of_day(self, day: date) -> list[datetime]:
        if not self._has_day(day):
            return []
        clock_times = (
            time(hour, minute, second)
            for hour in self.hours.list_all(0, 23)
            for minute in self.minutes.list_all(0, 59)
            for second in self.seconds.list_all(0, 59)
        )
        return [found for each in clock_times if (found := self._to_utc(datetime.combine(day, each)))]

    def _has_day(self, day: date) -> bool:
        return (
            (not self.weekdays or day.weekday() in self.weekdays)
            and (not self.months.spans or day.month in self.months.list_all(1, 12))
            and self.days.has_day(day)
            and (not self.years.spans or day.year in self.years.list_all(_FIRST_YEAR, _LAST_YEAR))
        )

    def _to_local(self, moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(self.timezone) if self.timezone else None)

    def _to_utc(self, local: datetime) -> datetime | None:
        """Return when a clock there shows a time; None where it never does, as the clocks go forward."""
        moment = (local.replace(tzinfo=ZoneInfo(self.timezone)) if self.timezone else local).astimezone(UTC)
        return moment if self._to_local(moment).replace(tzinfo=None) == local else None


def parse_calendar(text: str, timezone: str = "") -> CalendarTimes:
    """Read a calendar expression.

    Args:
        timezone: where the expression names none, such as ``Europe/Zurich``; empty for that of the machine.

    Raises:
        ValueError: it is none; the text says why, without a full stop.
    """
    words = text.split()
    if len(words) > 1 and is_timezone(words[-1]):
        if timezone:
            raise ValueError(f"names the time zone {words[-1]}, and {timezone} is another name for one")
        timezone = words.pop()
    if timezone and not is_timezone(timezone):
        raise ValueError(f"there is no time zone {timezone!r}")
    plain = " ".join(words)
    words = _SHORTHANDS.get(plain.lower(), plain).split()
    weekdays: frozenset[int] = frozenset()
    if words and words[0][0].isalpha():
        weekdays = _parse_weekdays(words.pop(0))
    day = words.pop(0) if words and ":" not in words[0] else "*-*-*"
    clock = words.pop(0) if words else "00:00:00"
    if words or not plain:
        raise ValueError("is not a time such as 05:15, 'Mon..Fri 05:15' or '*-*-01 06:00'")
    years, months, days = _parse_date(day)
    hours, minutes, seconds = _parse_clock(clock)
    found = CalendarTimes(
        text=plain,
        timezone=timezone,
        weekdays=weekdays,
        years=years,
        months=months,
        days=days,
        hours=hours,
        minutes=minutes,
        seconds=seconds,
    )
    if not years.spans and found.find_next(datetime(2026, 1, 1, tzinfo=UTC)) is None:
        raise ValueError("never comes")
    return found


def is_timezone(name: str) -> bool:
    """Whether this machine knows a time zone of this name."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+/-]*", name) or name.lower() in _SHORTHANDS:
        return False
    try:
        ZoneInfo(name)
    # What it raises for a directory of the database, and for a name that no file can have.
    except (ValueError, OSError, KeyError):
        return False
    return True


def _parse_weekdays(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, dots, last = part.partition("..")
        begin, end = _parse_weekday(first), _parse_weekday(last) if dots else _parse_weekday(first)
        if begin > end:
            raise ValueError(f"{part} runs past Sunday: write two ranges, such as Fri..Sun,Mon")
        found.update(range(begin, end + 1))
    return frozenset(found)


def _parse_weekday(text: str) -> int:
    for names in (DAYS, _LONG_DAYS):
        if text.lower() in names:
            return names.index(text.lower())
    raise ValueError(f"{text!r} is not a day of the week: write Mon, Tue, Wed, Thu, Fri, Sat or Sun")


def _parse_date(text: str) -> tuple[Numbers, Numbers, Numbers]:
    found = re.fullmatch(r"(?:(?P<year>[^-~]+)-)?(?P<month>[^-~]+)(?P<sign>[-~])(?P<day>[^-~]+)", text)
    if found is None:
        raise ValueError(f"{text!r} is not a day such as *-*-01 or 2026-11-30")
    years = _parse_numbers(found["year"] or "*", _FIRST_YEAR, _LAST_YEAR, "a year")
    days = _parse_numbers(found["day"], 1, 31, "a day", from_end=found["sign"] == "~")
    return years, _parse_numbers(found["month"], 1, 12, "a month"), days


def _parse_clock(text: str) -> tuple[Numbers, Numbers, Numbers]:
    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise ValueError(f"{text!r} is not a time such as 05:15")
    hours, minutes = _parse_numbers(parts[0], 0, 23, "an hour"), _parse_numbers(parts[1], 0, 59, "a minute")
    return hours, minutes, _parse_numbers(parts[2] if len(parts) == 3 else "00", 0, 59, "a second")


def _parse_numbers(text: str, low: int, high: int, what: str, *, from_end: bool = False) -> Numbers:
    """Read numbers with commas in between, ranges and steps.

    Args:
        what: one of them is, for messages.
    """
    if text == "*":
        return Numbers()
    if from_end:
        return _parse_from_end(text)
    spans = []
    for part in text.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            raise ValueError(f"{part!r} is not {what}")
        first, step = int(found["first"]), int(found["step"] or 1)
        last = int(found["last"]) if found["last"] else high if found["step"] else first
        if not low <= first <= last <= high or not step:
            raise ValueError(f"{part!r} is not {what}: from {low} to {high}")
        # A step that does not fit into its range counts for nothing.
        if found["step"] and first + step > high and not (found["last"] and step > last - first):
            raise ValueError(f"{part!r} is not {what}: {first} and {step} are more than {high}")
        spans.append((first, last, step))
    return Numbers(spans=tuple(spans))


def _parse_from_end(text: str) -> Numbers:
    """Read a day counted from the end of the month, or with ``/1`` all from it to the end.

    systemd takes more, and some of it differently in each version.
    """
    number, slash, step = text.partition("/")
    day = int(number) if re.fullmatch(r"\d{1,2}", number, re.ASCII) else 0
    if not 1 + bool(slash) <= day <= _SHORTEST_MONTH or (slash and step != "1"):
        raise ValueError(f"~{text} is not a day from the end of a month: write ~01, or ~07/1 for a week")
    return Numbers(spans=((1 if slash else day, day, 1),), from_end=True)
