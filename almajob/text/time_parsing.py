"""Times and lengths of time, read as people write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

_WORDS = {
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("week", "weeks"), "w"),
}
_DAYS_AGO = {"today": 0, "yesterday": 1}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FIRST_YEAR, _LAST_YEAR = 1000, 9000
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_duration(text: str, units: tuple[str, ...]) -> float | None:
    """Read a length of time such as ``90``, ``15m``, ``24h`` or ``7d`` in seconds; None where it is none.

    Args:
        units: which of s, m, h, d and w may follow the number; an empty one where none need follow.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z]?)", text.strip(), re.ASCII)
    return float(found[1]) * _SECONDS[found[2]] if found and found[2] in units else None


def parse_moment(text: str, now: float, *, ends_day: bool = False) -> datetime:
    """Read a length of time before now, a local day, or a time.

    Args:
        text: ``90s``, ``30m``, ``12h``, ``7d`` or ``7days``, ``2w``, ``today``, ``yesterday``, ``monday``
            (today, or the last one), ``2026-11-01`` or ``2026-11-01T08:00``.
        now: seconds since the epoch.
        ends_day: whether a day stands for its end.

    Raises:
        ValueError: it is none of them, or at an end of the calendar.
    """
    text = text.strip()
    # Digits without a unit are a day, 20261101.
    ago = parse_duration(_shorten_unit(text), ("s", "m", "h", "d", "w"))
    try:
        if ago is not None:
            found = datetime.fromtimestamp(now, UTC) - timedelta(seconds=ago)
        elif (day := _parse_day(text, now)) is not None:
            found = datetime.combine(day + timedelta(days=ends_day), time.min)
        else:
            found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(
            "must be a length of time such as 7d or 12h, a day such as yesterday, monday or 2026-11-01, or a "
            "time such as 2026-11-01T08:00"
        ) from None
    # At the ends of the calendar the day before, or the time in another zone, cannot be written.
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise ValueError(f"must be between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return found if ago is not None else found.astimezone()


def _shorten_unit(text: str) -> str:
    """Write ``7 days`` as ``7d``."""
    found = re.fullmatch(r"([\d.]+)\s*([a-z]+)", text.lower(), re.ASCII)
    return f"{found[1]}{_WORDS[found[2]]}" if found and found[2] in _WORDS else text


def _parse_day(text: str, now: float) -> date | None:
    word = text.lower()
    if word in _DAYS_AGO or word in _WEEKDAYS:
        today = datetime.fromtimestamp(now, UTC).astimezone().date()
        ago = _DAYS_AGO[word] if word in _DAYS_AGO else (today.weekday() - _WEEKDAYS.index(word)) % 7
        return today - timedelta(days=ago)
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
