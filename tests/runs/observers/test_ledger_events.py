"""Which changes of a record are events: each once in a record's life, in the order of what happened."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.job_instances import Instance
from almajob.alma.models import Code
from almajob.errors import JobEndedBadly
from almajob.runs.observers.events import EVENTS, decode_event, encode_event
from almajob.runs.observers.ledger_events import list_events
from almajob.runs.run import End, Run
from almajob.runs.wait.lateness import Lateness, find_lateness
from almajob.store.ledger.record import OPEN, Record, State
from tests.store.ledger.test_record import new, records

_UNKNOWN = {State.UNKNOWN, State.ABSENT, State.AMBIGUOUS}


def _ended(record: Record, *, is_good: bool = True) -> tuple[Record, End]:
    verdict = None if is_good else JobEndedBadly("It failed.", reason="2 errors.")
    instance = Instance("77", status=Code("COMPLETED_SUCCESS" if is_good else "FAILED"))
    ended = replace(record, end_status=instance.status.value)
    return ended, End(Run(instance, "Done", "sandbox", verdict))


@given(records(), st.data())
def test_whatever_way_a_record_takes_each_event_comes_once_and_in_order(
    record: Record, data: st.DataObject
) -> None:
    """However many of its steps are kept at a time, and however often it is kept again."""
    kept: Record | None = None
    found = []
    ends = data.draw(st.lists(st.integers(1, len(record.trail)), max_size=4))
    for end in sorted({*ends, len(record.trail)}):
        step = replace(record, trail=record.trail[:end], end_status="")
        for _again in range(2):
            found += [kind for kind, _event in list_events(kept, step, None)]
            kept = step
    if kept is not None and kept.has_run:
        for _again in range(2):
            ended, run = _ended(kept)
            found += [kind for kind, _event in list_events(kept, ended, run)]
            kept = ended
    states = {past.state for past in record.trail}
    expected = [
        *(["start_unknown"] if states & _UNKNOWN else []),
        *(["start_recorded", "run_ended"] if record.has_run else []),
    ]
    assert found == expected


@given(records())
def test_an_event_is_read_as_it_was_kept(record: Record) -> None:
    """As JSON; what a newer almajob has added to it is passed over."""
    bad = _ended(record, is_good=False)
    changes = [(None, record, None), (record, record, Lateness(200.0, 50.0)), (record, *bad)]
    for before, after, details in changes:
        for kind, event in list_events(before, after, details):
            assert isinstance(event, EVENTS[kind])
            raw = json.loads(json.dumps(encode_event(event)))
            assert decode_event(kind, raw) == event
            raw["run"]["of_tomorrow"] = raw["of_tomorrow"] = 1
            assert decode_event(kind, raw) == event


def test_times_are_utc_and_the_id_is_that_of_the_record_and_the_kind() -> None:
    """So that an event that comes twice can be told from another."""
    record = new().advance(State.SENDING, 5.0, "about to be sent").advance(State.STARTED, 6.0, "Alma said so")
    ((kind, event),) = list_events(None, record, None)
    assert (kind, event.id, event.at) == (
        "start_recorded",
        f"{record.id}:start_recorded",
        datetime.fromtimestamp(6.0, UTC),
    )


@pytest.mark.parametrize(
    ("age", "earlier", "usual"),
    [
        # Too few to tell.
        (9999.0, (10.0,) * 4, None),
        (9999.0, (), None),
        # Twice as long, and a minute longer at least.
        (199.0, (100.0,) * 5, None),
        (201.0, (100.0,) * 5, 100.0),
        (65.0, (10.0,) * 5, None),
        (71.0, (10.0,) * 5, 10.0),
        # One that took very long is no measure.
        (201.0, (100.0, 100.0, 100.0, 100.0, 9000.0), 100.0),
    ],
)
def test_a_run_is_late_after_twice_the_usual_time(
    age: float, earlier: tuple[float, ...], usual: float | None
) -> None:
    """Usual is the median of five earlier runs or more."""
    found = find_lateness(age, earlier)
    assert (found and found.usual) == usual


def test_every_state_that_is_open_once_it_was_sent_is_unknown() -> None:
    """The states that are announced as unknown are those of a start that may have been made."""
    assert OPEN - {State.PREPARED, State.SENDING} == _UNKNOWN
