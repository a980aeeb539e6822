"""Lengths of time as people write them."""

from __future__ import annotations

import pytest

from almajob.text.time_parsing import parse_duration


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
