"""Times and lengths of time, read as people write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

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
        text: ``90s``, ``30m``, ``12h``, ``7d``, ``2w``, ``2026-11-01`` or ``2026-11-01T08:00``.
        now: seconds since the epoch.
        ends_day: whether a day stands for its end.

    Raises:
        ValueError: it is none of them.
    """
    text = text.strip()
    # Digits without a unit are a day, 20261101.
    ago = parse_duration(text, ("s", "m", "h", "d", "w"))
    try:
        if ago is not None:
            return datetime.fromtimestamp(now, UTC) - timedelta(seconds=ago)
        day = _parse_day(text)
        if day is not None:
            return datetime.combine(day + timedelta(days=ends_day), time.min).astimezone()
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise ValueError(
            "must be a length of time such as 7d or 12h, a day such as 2026-11-01, or a time such as "
            "2026-11-01T08:00"
        ) from None


def _parse_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
