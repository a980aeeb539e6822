"""A job's runs as Alma remembers them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from almajob.alma.client import PAGE, Alma
from almajob.alma.http.response import Reading
from almajob.alma.job_instances import Instance, Page
from almajob.alma.models import Code
from almajob.jobs.history import Period, read_history
from almajob.text.busy import show_nothing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Shelf:
    """An Alma with runs of one job; remembers what it was asked."""

    def __init__(self, runs: list[Instance]) -> None:
        self.runs = runs
        self.asked: list[dict[str, Any]] = []
        self.busy = show_nothing

    def instances_page(self, job_id: str, **asked: Any) -> tuple[Page[Instance], Reading]:
        self.asked.append(asked)
        offset = asked["offset"]
        return Page(tuple(self.runs[offset : offset + PAGE]), len(self.runs)), Reading({})


def _run(number: int, hours_ago: float, status: str = "COMPLETED_SUCCESS") -> Instance:
    return Instance(str(number), status=Code(status), submit_time=NOW - timedelta(hours=hours_ago))


def _ids(runs: list[Instance]) -> list[str]:
    return [run.id for run in runs]


def _listed(shelf: Shelf, wanted: Period | None = None, limit: int = 0) -> list[Instance]:
    return read_history(cast(Alma, shelf), "S1", wanted or Period(), limit=limit)


def test_what_goes_on_is_on_top_then_the_newest() -> None:
    """Whatever the order in which Alma lists them."""
    shelf = Shelf([_run(1, 1), _run(2, 2, "RUNNING"), _run(3, 30), _run(4, 4, "QUEUED"), _run(5, 5)])
    assert _ids(_listed(shelf)) == ["2", "4", "1", "5", "3"]
    assert shelf.asked == [{"since": None, "until": None, "status": "", "offset": 0}]


def test_what_goes_on_is_never_left_out() -> None:
    """The limit is for those that have ended."""
    shelf = Shelf([_run(1, 1), _run(2, 2), _run(3, 3, "RUNNING"), _run(4, 4, "RUNNING")])
    assert _ids(_listed(shelf, limit=1)) == ["3", "4"]
    assert _ids(_listed(shelf, limit=3)) == ["3", "4", "1"]


def test_no_more_pages_are_read_than_are_needed() -> None:
    """Where the newest come first; where they do not, all are."""
    runs = [_run(number, number) for number in range(250)]
    shelf = Shelf(runs)
    assert _ids(_listed(shelf, limit=20)) == [str(number) for number in range(20)]
    assert len(shelf.asked) == 1
    upside_down = Shelf(runs[::-1])
    assert _ids(_listed(upside_down, limit=20)) == [str(number) for number in range(20)]
    assert len(upside_down.asked) == 3


def test_days_are_asked_for_widely_and_cut_exactly() -> None:
    """As it is not documented in whose time zone Alma counts days."""
    runs = [_run(number, number) for number in range(72)]
    shelf = Shelf(runs)
    wanted = Period(NOW - timedelta(hours=24), NOW - timedelta(hours=1))
    assert _ids(_listed(shelf, wanted)) == [str(number) for number in range(2, 25)]
    assert shelf.asked[0]["since"] == date(2026, 11, 20)
    assert shelf.asked[0]["until"] == date(2026, 11, 23)


def test_a_status_is_asked_for_and_checked() -> None:
    """A run may have ended while the pages were read."""
    shelf = Shelf([_run(1, 1, "FAILED"), _run(2, 2, "RUNNING")])
    assert _ids(_listed(shelf, Period(status="FAILED"))) == ["1"]
    assert shelf.asked[0]["status"] == "FAILED"


def test_a_run_that_comes_twice_is_listed_once() -> None:
    """Pages shift while they are read."""
    shelf = Shelf([_run(number // 2, number) for number in range(300)])
    assert _ids(_listed(shelf)) == [str(number) for number in range(150)]


def test_a_run_without_a_readable_time_is_not_left_out() -> None:
    """It cannot be told that it is none of them."""
    shelf = Shelf([_run(1, 1), Instance("2", status=Code("FAILED"), submit_time="yesterday")])
    assert _ids(_listed(shelf, Period(NOW - timedelta(days=1)))) == ["1", "2"]
