"""Which answers may be older ones: by an Age header, or by a Date that goes back."""

from __future__ import annotations

import pytest

from almajob.alma.http.response import DateCheck, came_from_cache

NOON = 1_760_000_000.0


@pytest.mark.parametrize(
    ("age", "is_cached"),
    [(None, False), ("", False), ("0", False), ("00", False), ("1", True), ("3600", True)],
)
def test_an_age_says_that_a_cache_answered(age: str | None, is_cached: bool) -> None:
    """One of 0 comes with answers that were just made, too."""
    assert came_from_cache(age) is is_cached


def test_an_answer_from_before_the_last_one_is_late() -> None:
    """Again and again, as a cache gives it; hosts that differ by less than a minute are not."""
    dates = DateCheck()
    assert not dates.is_late(NOON, 0.0)
    assert not dates.is_late(NOON - 59.0, 1.0)
    assert not dates.is_late(None, 1.0)
    for second in range(2, 300, 20):
        assert dates.is_late(NOON - 3600.0, float(second))
    assert not dates.is_late(NOON + 300.0, 300.0)


def test_one_clock_that_is_ahead_does_not_make_all_others_late() -> None:
    """What goes on as time does is believed after two answers, or when the other one is ten minutes old."""
    dates = DateCheck()
    assert not dates.is_late(NOON + 9_999_999.0, 0.0)
    assert dates.is_late(NOON, 1.0)
    assert dates.is_late(NOON + 1.0, 2.0)
    assert not dates.is_late(NOON + 5.0, 6.0)
    assert not dates.is_late(NOON + 6.0, 7.0)
    dates = DateCheck()
    assert not dates.is_late(NOON + 9_999_999.0, 0.0)
    assert not dates.is_late(NOON, 601.0)
