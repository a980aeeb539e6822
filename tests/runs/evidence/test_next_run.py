"""Which run began after a wait for it: by Alma's clock, whatever else is wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from almajob.alma.job_instances import Instance
from almajob.alma.pagination import Listing
from almajob.runs.evidence.next_run import find_next, note_beginning

NOW = 1_800_000_000.0


def _run(run_id: str, at: float | None) -> Instance:
    return Instance(run_id, submit_time=None if at is None else datetime.fromtimestamp(NOW + at, UTC))


def _list(*runs: Instance, clock: float | None = 0.0) -> Listing:
    return Listing(tuple(runs), True, None if clock is None else NOW + clock, 0.5)


OLD = _run("1", -3600)


@pytest.mark.parametrize(
    ("submitted", "counts"),
    [
        (600.0, True),
        (0.0, True),
        # Half a second is what Alma's clock may be off.
        (-0.4, True),
        # It began before, and was only hidden from the first list.
        (-0.6, False),
        (-59.0, False),
        # Nothing is hidden so long: Alma's submit times are behind its clock, and prove nothing.
        (-61.0, True),
        (-7200.0, True),
        (None, True),
    ],
)
def test_a_run_that_the_first_list_had_not(submitted: float | None, counts: bool) -> None:
    """It counts unless it may have been hidden from that."""
    beginning = note_beginning(_list(OLD), 0.0)
    found = find_next(beginning, _list(_run("2", submitted), OLD, clock=700.0))
    assert (found is not None) is counts


def test_what_was_there_before_never_counts() -> None:
    """However often it is listed; also where Alma tells no time."""
    for clock in (0.0, None):
        beginning = note_beginning(_list(OLD, clock=clock), 0.0)
        assert find_next(beginning, _list(OLD, clock=clock)) is None
        new = _run("2", 5.0)
        assert find_next(beginning, _list(new, OLD, clock=clock)) is new


def test_a_first_list_that_comes_late_may_have_the_run() -> None:
    """Alma was down for ten minutes after the wait had begun."""
    listing = _list(_run("3", -60), _run("2", -540), _run("1", -660))
    found = find_next(note_beginning(listing, 600.0), listing)
    assert found is not None
    assert found.id == "2"


def test_submit_times_that_are_ahead_prove_nothing() -> None:
    """A run of the first list that seems to be of the future was there before."""
    listing = _list(_run("1", 80_000))
    beginning = note_beginning(listing, 0.0)
    assert find_next(beginning, listing) is None
    new = _run("2", 80_600)
    assert find_next(beginning, _list(new, listing.instances[0], clock=600.0)) is new
