"""The next run of a job: what its list must be to be believed, and which days are asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, cast

import pytest

from almajob.alma.client import Alma
from almajob.alma.http.response import Reading
from almajob.alma.job_instances import Instance, Page
from almajob.errors import NotAlma
from almajob.runs.wait.next_run import NextRun
from tests.support.clocks import FastClock

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()


class _Lists:
    """An Alma with one list of runs."""

    def __init__(self) -> None:
        self.runs: list[Instance] = []
        self.lacking = 0
        self.is_cached = False
        self.clock: float | None = NOW
        self.days: list[tuple[date, date]] = []

    def instances_page(
        self, job_id: str, *, since: date, until: date, **asked: Any
    ) -> tuple[Page[Instance], Reading]:
        offset = asked.pop("offset")
        assert (job_id, asked) == ("S1", {"patience": 30.0, "attempts": 1})
        self.days.append((since, until))
        page = Page(tuple(self.runs[offset:]), len(self.runs) + self.lacking)
        return page, Reading({}, self.clock, 0.5, self.is_cached)


def test_a_list_that_may_lack_something_proves_nothing() -> None:
    """Neither one with gaps nor one that a proxy kept: a run of it could be taken for a new one."""
    lists, time = _Lists(), FastClock(start=NOW)
    alma, awaited = cast(Alma, lists), NextRun("S1", time.clock)
    lists.runs = [Instance("1", submit_time=datetime.fromtimestamp(NOW - 60, UTC))]
    for lists.lacking, lists.is_cached in ((1, False), (0, True)):
        with pytest.raises(NotAlma, match="gaps"):
            awaited.look(alma, 30.0)
    lists.is_cached = False
    assert awaited.look(alma, 30.0) == (None, None)
    time.advance(600)
    lists.clock = NOW + 600
    new = Instance("2", submit_time=datetime.fromtimestamp(NOW + 590, UTC))
    lists.runs.insert(0, new)
    assert awaited.look(alma, 30.0) == (new, 10.0)


def test_the_days_are_those_of_almas_clock() -> None:
    """A day more on both sides, in whatever zone Alma counts; found out once where this clock is wrong."""
    lists, time = _Lists(), FastClock(start=NOW - 400 * 86400)
    awaited = NextRun("S1", time.clock)
    for _look in range(2):
        awaited.look(cast(Alma, lists), 30.0)
    assert len(lists.days) == 3
    assert lists.days[1] == lists.days[2]
    since, until = lists.days[2]
    assert since < date(2026, 11, 22) < until
