"""Times and lengths of time in words: local or UTC, always with the offset, and how long ago that was."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_STEPS = ((86400.0, "day"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def format_utc(moment: datetime) -> str:
    """Write a time for programs: ISO 8601, UTC, milliseconds, ``Z``; one without a zone counts as local.

    As it is where that is before the first day of the calendar, or after its last.
    """
    try:
        moment = moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return moment.isoformat(timespec="milliseconds")
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_local(seconds: float) -> datetime:
    """Return the local time of a moment, in seconds since the epoch, with its offset.

    In UTC where TZ is a day or more off, as nothing is.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    try:
        return moment.astimezone()
    except (OverflowError, ValueError):
        return moment


def format_time(moment: datetime, *, now: float, utc: bool = False) -> str:
    """Write a time for people: ``2026-11-22 19:20:01+01:00 (3 min ago)``.

    The offset tells the two hours of a night in which the clock goes back apart. ``now`` is in seconds since
    the epoch; ``utc`` means UTC instead of this machine's zone.
    """
    try:
        shown = moment.astimezone(UTC if utc else None).isoformat(" ", "seconds")
    except (OverflowError, ValueError):
        # The first or the last day of the calendar in another zone; a TZ that is a day off.
        return format_utc(moment)
    return f"{shown} ({format_ago(now - moment.timestamp())})"


def shorten_time(shown: str) -> tuple[str, ...]:
    """Return shorter forms of what ``format_time`` wrote, the longest first.

    Without how long ago that was, then without the seconds, then without the offset.
    """
    time, _, _ = shown.partition(" (")
    found = re.fullmatch(r"(\S+ [0-9]{2}:[0-9]{2}):[0-9]{2}(.*)", time)
    return (time, f"{found[1]}{found[2]}", found[1]) if found else (time,)


def format_ago(seconds: float) -> str:
    """Format how long ago something was, or in how long it will be: ``3 min ago``, ``in 5 h``."""
    length = abs(seconds)
    for step, unit in _STEPS:
        count = int(length // step)
        if count:
            name = f"{unit}s" if unit == "day" and count > 1 else unit
            return f"in {count} {name}" if seconds < 0 else f"{count} {name} ago"
    return "just now"


def format_duration(seconds: float) -> str:
    """Write a length of time: ``3.8 s``, ``12 min 04 s``, ``2 h 05 min``, ``3 days 4 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    days, hours, minutes = whole // 86400, whole % 86400 // 3600, whole % 3600 // 60
    if days:
        return f"{days} day{'s' if days > 1 else ''} {hours} h"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {whole % 60:02d} s"
