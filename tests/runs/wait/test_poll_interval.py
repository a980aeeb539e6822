"""How long to wait before the next look."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.runs.wait.poll_interval import pause, retry_pause

AGES = st.floats(0, 1e7)
CHANCES = st.floats(0, 1)


@given(AGES, CHANCES)
def test_the_pause_is_a_tenth_of_the_age(age: float, chance: float) -> None:
    """Give or take a tenth, from 5 seconds once the run is 6 seconds old, and never above 300."""
    found = pause(age, lambda: chance)
    wanted = min(max(age / 10, min(5, 2 + age / 2)), 300)
    assert wanted * 0.9 <= found <= min(wanted * 1.1, 300) + 1e-9


@pytest.mark.parametrize(
    ("age", "earlier", "wanted"),
    [
        (0, (), 2),
        (2, (), 3),
        (6, (), 5),
        (0, (40.0, 30.0, 90.0), 15),
        (10, (40.0, 30.0), 5),
        (0, (86400.0,), 60),
        (0, (3.0,), 2),
        (7200, (40.0,), 300),
    ],
)
def test_earlier_runs_say_when_the_first_look_pays(
    age: float, earlier: tuple[float, ...], wanted: float
) -> None:
    """Half of the shortest, a minute at most: a run that fails at once is seen to."""
    assert pause(age, lambda: 0.5, earlier) == wanted


def test_looks_that_fail_are_spaced_out() -> None:
    """Twice as long each time, and never above 300 seconds."""
    assert [retry_pause(count, lambda: 0.5) for count in (1, 2, 3, 6, 7, 10_000)] == [
        5,
        10,
        20,
        160,
        300,
        300,
    ]


@pytest.mark.parametrize(("length", "most"), [(1800, 52), (28_800, 145), (86_400, 340)])
def test_a_long_job_costs_few_calls(length: float, most: int) -> None:
    """At most 52, 145 and 340 looks for 30 minutes, 8 and 24 hours, whatever the dice say."""
    for seed in range(300):
        chance = random.Random(seed).random
        age, looks = 0.0, 1
        while age < length:
            age += pause(age, chance)
            looks += 1
        assert looks <= most
