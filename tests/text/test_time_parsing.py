"""Times and lengths of time as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.text.time_parsing import parse_duration, parse_moment

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("1.5h", 5400), ("7d", 604_800), ("2w", 1_209_600), (" 5s ", 5)],
)
def test_a_length_is_a_number_and_its_unit(text: str, seconds: float) -> None:
    """In seconds; blanks around it are no part of it."""
    assert parse_duration(text, ("", "s", "m", "h", "d", "w")) == seconds


@pytest.mark.parametrize(
    "text", ["", "m", "soon", "-1m", "1h30m", "7 d", "1M", "1y", "nan", "1e3m", "٣m", "7", "1w"]
)
def test_what_has_no_unit_that_may_be_is_no_length(text: str) -> None:
    """Nor is what only looks like a number; whether one may stand alone is said by who reads it."""
    assert parse_duration(text, ("s", "m", "h", "d")) is None


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("7d", "2026-11-15T12:00Z", "2026-11-15T12:00Z"),
        ("7 days", "2026-11-15T12:00Z", "2026-11-15T12:00Z"),
        ("1week", "2026-11-15T12:00Z", "2026-11-15T12:00Z"),
        ("90 Minutes", "2026-11-22T10:30Z", "2026-11-22T10:30Z"),
        ("today", "2026-11-21T23:00Z", "2026-11-22T23:00Z"),
        ("Yesterday", "2026-11-20T23:00Z", "2026-11-21T23:00Z"),
        ("90s", "2026-11-22T11:58:30Z", "2026-11-22T11:58:30Z"),
        ("2w", "2026-11-08T12:00Z", "2026-11-08T12:00Z"),
        # The day on which the clock goes back has 25 hours.
        ("2026-10-25", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),
        ("20261025", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),
        ("2026-W44-7", "2026-10-31T23:00Z", "2026-11-01T23:00Z"),
        ("2026-11-01T08:00", "2026-11-01T07:00Z", "2026-11-01T07:00Z"),
        ("2026-11-01 08:00+00:00", "2026-11-01T08:00Z", "2026-11-01T08:00Z"),
    ],
)
def test_a_time_may_be_written_in_many_ways(berlin: None, text: str, begins: str, ends: str) -> None:
    """A length of time before now, a local day with its last hour, or a time."""
    assert parse_moment(text, NOW.timestamp()) == datetime.fromisoformat(begins)
    assert parse_moment(text, NOW.timestamp(), ends_day=True) == datetime.fromisoformat(ends)


@pytest.mark.parametrize("text", ["", "7", "tomorrow", "2026-13-01", "2026-02-30", "999999w", "7 d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """With what one looks like."""
    with pytest.raises(ValueError, match="such as 7d or 12h"):
        parse_moment(text, NOW.timestamp())


@pytest.mark.parametrize("text", ["0001-01-01", "0001-01-01T00:00+23:59", "0999-12-31", "9999-12-31T23:00"])
def test_a_time_at_an_end_of_the_calendar_is_refused(text: str) -> None:
    """Nobody can say what it is in another time zone."""
    with pytest.raises(ValueError, match="between the years 1000 and 9000"):
        parse_moment(text, NOW.timestamp())


@given(st.text())
def test_anything_is_a_time_or_an_error(text: str) -> None:
    """Never anything else."""
    for ends_day in (False, True):
        try:
            assert parse_moment(text, NOW.timestamp(), ends_day=ends_day).tzinfo is not None
        except ValueError as error:
            assert "such as 7d" in str(error)


def test_a_day_is_a_day_of_this_place(berlin: None) -> None:
    """After midnight it is another day than in UTC; when the clock goes back it has 25 hours."""
    now = datetime(2026, 10, 25, 23, 30, tzinfo=UTC).timestamp()
    assert parse_moment("today", now) == datetime(2026, 10, 25, 23, tzinfo=UTC)
    assert parse_moment("yesterday", now) == datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert parse_moment("yesterday", now, ends_day=True) == datetime(2026, 10, 25, 23, tzinfo=UTC)
