"""What did not run: by a schedule, or by habit, and never by guess."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.job_instances import Instance
from almajob.alma.models import Code, Job
from almajob.jobs.history import Period
from almajob.report.missing import find_missed_times, find_unusual_days
from almajob.report.outcomes import Listed, Outcome
from almajob.runs.wait.missed_starts import Expected
from tests.support.reported_runs import NOW, describe, make_record

JOB = Job("S1", "Nightly")
ZURICH = ZoneInfo("Europe/Zurich")
TODAY = date(2026, 11, 30)
DAY = timedelta(days=1)


def _listed(*times: datetime) -> list[Listed]:
    made = (Instance("1", status=Code("COMPLETED_SUCCESS"), submit_time=each, job=JOB) for each in times)
    return [Listed(describe(each), Outcome.GOOD) for each in made]


def _at(day: date, clock: time = time(5, 15), zone: tzinfo = ZURICH) -> datetime:
    return datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)


def _find(days: list[date], *, now: datetime = NOW, period: int = 30) -> list[tuple[str, list[date]]]:
    found = find_unusual_days(JOB, _listed(*map(_at, days)), Period(now - period * DAY), now, ZURICH)
    return [(each.usually, [moment.astimezone(ZURICH).date() for moment in each.expected]) for each in found]


def _days(count: int, *, without: tuple[int, ...] = (), weekdays: range = range(7)) -> list[date]:
    """List the last days, by how many days ago they were; today is none days ago."""
    days = (TODAY - ago * DAY for ago in range(count) if ago not in without)
    return [day for day in days if day.weekday() in weekdays]


def test_a_day_without_a_run_is_noticed() -> None:
    """Of a job that ran on the last seven days, or on the last three of the same day of the week."""
    assert _find(_days(12, without=(2,))) == [
        ("ran on each of the last 7 days, about 05:15", [TODAY - 2 * DAY])
    ]
    assert _find(_days(28, without=(0,), weekdays=range(1))) == [
        ("ran on each of the last 3 Mondays, about 05:15", [TODAY])
    ]
    (stopped,) = _find(_days(28, without=(0, 1, 2)))
    assert stopped[1] == [TODAY - 2 * DAY, TODAY - DAY, TODAY]


@pytest.mark.parametrize(
    "days",
    [
        [],
        _days(30),
        _days(30, weekdays=range(5)),
        _days(6, without=(0,)),
        _days(14, without=(0,), weekdays=range(1)),
        [TODAY - ago * DAY for ago in (0, 1, 3, 4, 5, 7, 8, 9, 10, 12, 14, 15, 16, 17, 20, 21, 23, 24)],
    ],
)
def test_nothing_is_said_of_what_is_not_usual(days: list[date]) -> None:
    """Weekends of a job of weekdays, too few days to know, and a job that runs now and then."""
    assert _find(days) == []


def test_today_is_missed_an_hour_after_the_usual_time() -> None:
    """Not in the morning of a job that runs at night; and as the clock there shows it, summer or winter."""
    days = _days(12, without=(0,))
    assert _find(days, now=_at(TODAY, time(6, 14))) == []
    assert [found for _usual, found in _find(days, now=_at(TODAY, time(6, 16)))] == [[TODAY]]


@given(st.sets(st.integers(0, 29)))
def test_what_is_missed_had_no_run(ago: set[int]) -> None:
    """Whatever ran: a day with a run is never said to have none, nor one outside the period."""
    days = [TODAY - each * DAY for each in ago]
    for _usual, found in _find(days, period=25):
        assert not set(found) & set(days)
        assert min(found) > TODAY - 25 * DAY
        assert found == sorted(found)


@given(st.lists(st.integers(0, 10_000), unique=True), st.lists(st.integers(0, 10_000), unique=True))
def test_a_time_of_a_schedule_is_missed_where_no_run_follows_it(due: list[int], ran: list[int]) -> None:
    """Until the next time; the last one until now."""
    moments = [NOW + each * timedelta(minutes=10) for each in sorted(due)]
    times = [NOW + each * timedelta(minutes=10) for each in sorted(ran)]
    ends = [*moments[1:], datetime.max.replace(tzinfo=UTC)]
    wanted = [
        begin
        for begin, end in zip(moments, ends, strict=False)
        if not any(begin <= each < end for each in times)
    ]
    found = find_missed_times([Expected("nightly", "05:15", "", "Nightly", moments)], _listed(*times), [])
    assert [list(each.expected) for each in found] == ([wanted] if wanted else [])


def test_a_start_in_doubt_is_not_missed() -> None:
    """It may have been made, and is listed as unknown; a job is known by its id, too."""
    record = make_record("Nightly", job_id="S1")
    due = [NOW - timedelta(hours=2)]
    for named in (("S1", "Nightly"), ("", "Nightly"), ("", "S1")):
        expected = [Expected("nightly", "05:15", *named, due)]
        assert find_missed_times(expected, [], [record]) == []
        assert len(find_missed_times(expected, [], [])) == 1
