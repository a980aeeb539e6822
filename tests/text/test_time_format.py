"""Times and lengths of time, in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.text.time_format import format_ago, format_duration, format_time, format_utc

NOON = datetime(2026, 11, 22, 12, 0, 1, 500_000, tzinfo=UTC)


def test_people_get_local_time_with_its_offset(berlin: None) -> None:
    """And how long ago that was; in UTC where they want it; programs get UTC."""
    now = NOON.timestamp() + 200
    assert format_time(NOON, now=now) == "2026-11-22 13:00:01+01:00 (3 min ago)"
    assert format_time(NOON, now=now, utc=True) == "2026-11-22 12:00:01+00:00 (3 min ago)"
    assert format_utc(NOON) == "2026-11-22T12:00:01.500Z"


def test_the_two_hours_of_a_night_are_told_apart(berlin: None) -> None:
    """By the offset: half past two came twice."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    now = first.timestamp() + 7200
    assert format_time(first, now=now) == "2026-10-25 02:30:00+02:00 (2 h ago)"
    assert format_time(first + timedelta(hours=1), now=now) == "2026-10-25 02:30:00+01:00 (1 h ago)"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "just now"),
        (1, "1 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86400, "1 day ago"),
        (-7200, "in 2 h"),
        (-200000, "in 2 days"),
    ],
)
def test_how_long_ago(seconds: float, told: str) -> None:
    """In one word, rounded down."""
    assert format_ago(seconds) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (3.8, "3.8 s"),
        (9.96, "10 s"),
        (59.9, "1 min 00 s"),
        (724, "12 min 04 s"),
        (7500, "2 h 05 min"),
        (86400, "1 day 0 h"),
        (273600, "3 days 4 h"),
    ],
)
def test_lengths_of_time(seconds: float, told: str) -> None:
    """In two words."""
    assert format_duration(seconds) == told


@given(st.datetimes(timezones=st.timezones()), st.floats(0, 1e11), st.booleans())
def test_any_time_can_be_told(moment: datetime, now: float, utc: bool) -> None:
    """The first and the last day of the calendar, too."""
    try:
        written = format_utc(moment)
    except OverflowError:
        return
    assert written.endswith("Z")
    assert format_time(moment, now=now, utc=utc)
