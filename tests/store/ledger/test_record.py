"""A record of the ledger: only lawful steps, and read exactly as it was written."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.store.ledger.record import (
    FINAL,
    FIRST,
    NEXT,
    OPEN,
    Candidate,
    Certainty,
    IllegalTransition,
    Record,
    State,
    Transition,
    alma_of,
    checksum,
    is_lawful,
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
TIME = st.floats(0, 4e9)
CANDIDATES = st.lists(st.builds(Candidate, TEXT, TEXT, TEXT, TEXT), max_size=3)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Any record that almajob could have written."""
    states = [draw(st.sampled_from(sorted(FIRST)))]
    while NEXT[states[-1]] and draw(st.sampled_from((True, False))):
        states.append(draw(st.sampled_from(sorted(NEXT[states[-1]]))))
    return Record(
        id=draw(TEXT),
        environment="sandbox",
        institution=draw(TEXT),
        job_id="M44",
        job_name=draw(TEXT),
        run_key=draw(TEXT),
        is_named=draw(st.booleans()),
        attempt=draw(st.integers(1, 9)),
        parameters=draw(TEXT),
        tag=draw(TEXT),
        trail=tuple(Transition(state, draw(TIME), draw(TEXT)) for state in states),
        baseline=tuple(draw(st.lists(TEXT, max_size=3))),
        sent_at=draw(st.none() | TIME),
        instance_id=draw(TEXT),
        certainty=draw(st.sampled_from(Certainty)),
        candidates=tuple(draw(CANDIDATES)),
        is_told=draw(st.booleans()),
    )


def new(state: State = State.PREPARED, **more: Any) -> Record:
    """Make the record of a start."""
    fields: dict[str, Any] = {
        "id": "r1",
        "environment": "sandbox",
        "institution": "01X",
        "job_id": "S1",
        "job_name": "ERP",
        "run_key": "k",
        "is_named": True,
        "attempt": 1,
        "parameters": "0",
        "tag": "",
        "trail": (Transition(state, 1.0, "meant"),),
    }
    return Record(**{**fields, **more})


@pytest.mark.parametrize(
    ("state", "instance_id", "outcome"),
    [
        (State.STARTED, "77", "run 77"),
        (State.ADOPTED, "77", "run 77"),
        (State.PREPARED, "", "not started"),
        (State.NOT_STARTED, "", "not started"),
        (State.SENDING, "", "outcome unknown"),
        (State.UNKNOWN, "", "outcome unknown"),
        (State.ABSENT, "", "outcome unknown"),
        (State.AMBIGUOUS, "", "outcome unknown"),
    ],
)
def test_an_outcome_is_worded_for_people(state: State, instance_id: str, outcome: str) -> None:
    """It names the run, and says "not started" only where that is certain."""
    assert new(state, instance_id=instance_id).outcome == outcome


@given(record=records())
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    """Through JSON and back."""
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record


@given(before=st.sampled_from(State), after=st.sampled_from(State))
def test_only_lawful_steps_are_taken(before: State, after: State) -> None:
    """All others raise, and a trail with one is not read."""
    path = _path_to(before)
    record = new(trail=tuple(Transition(state, 1.0, "") for state in path))
    if after in NEXT[before]:
        moved = record.advance(after, 2.0, "why", instance_id="77")
        assert (moved.state, moved.instance_id, moved.trail[-1]) == (
            after,
            "77",
            Transition(after, 2.0, "why"),
        )
        return
    with pytest.raises(IllegalTransition):
        record.advance(after, 2.0, "why")
    forged = record.to_json()
    forged["trail"] = [*forged["trail"], {"state": after, "at": 2.0, "reason": ""}]
    with pytest.raises(ValueError, match="do not follow"):
        Record.from_json(forged)


def _path_to(state: State) -> list[State]:
    paths = [[first] for first in FIRST]
    while True:
        for path in paths:
            if path[-1] is state:
                return path
        paths = [[*path, following] for path in paths for following in NEXT[path[-1]]]


def test_the_states_are_those_of_the_manual() -> None:
    """A start begins as PREPARED or found; what is open can end; what has ended does not change."""
    assert {State.STARTED, State.NOT_STARTED, State.UNKNOWN} == NEXT[State.SENDING]
    assert all(not NEXT[state] for state in set(State) - OPEN)
    assert not is_lawful([])
    assert not is_lawful([State.SENDING])


@pytest.mark.parametrize("state", State)
def test_only_what_was_certainly_not_started_may_be_tried_again(state: State) -> None:
    """PREPARED and NOT_STARTED."""
    record = new(trail=tuple(Transition(item, 1.0, "") for item in _path_to(state)))
    assert record.is_retry_safe is (state in (State.PREPARED, State.NOT_STARTED))
    assert record.has_run is (state in (State.STARTED, State.ADOPTED))


def test_what_has_ended_is_not_open() -> None:
    """STARTED, NOT_STARTED and ADOPTED; all else is still to be found out."""
    assert {State.STARTED, State.NOT_STARTED, State.ADOPTED} == FINAL
    for state in State:
        record = new(trail=tuple(Transition(item, 1.0, "") for item in _path_to(state)))
        assert record.is_open is (state not in FINAL)


def test_a_record_begins_with_nothing_known() -> None:
    """Neither when it was sent, nor which run it is; it was meant when its trail begins."""
    record = new()
    assert (record.sent_at, record.sent_error, record.lasted) == (None, 0.0, None)
    assert (record.is_told, record.certainty, record.candidates) == (False, Certainty.NONE, ())
    later = record.advance(State.SENDING, 7.0, "x").advance(State.UNKNOWN, 9.0, "y")
    assert later.created_at == record.created_at == 1.0


@pytest.mark.parametrize(
    ("kept", "name"),
    [(new(), "trail"), (new().trail[0], "at"), (Candidate("1", "a", "b", "c"), "id")],
)
def test_what_was_written_cannot_be_changed(kept: Any, name: str) -> None:
    """Only by a step, which makes another record."""
    with pytest.raises(FrozenInstanceError):
        setattr(kept, name, "x")


@pytest.mark.parametrize(
    "change",
    [{"trail": []}, {"trail": [{}]}, {"trail": "x"}, {"certainty": "sure"}, {"baseline": 1}, {"new": 1}],
)
def test_what_is_no_record_is_not_read(change: dict[str, Any]) -> None:
    """A ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"."):
        Record.from_json({**new().to_json(), **change})


def test_a_checksum_is_of_the_content_alone() -> None:
    """Not of the order of members."""
    assert checksum({"a": 1, "b": 2}) == checksum({"b": 2, "a": 1}) != checksum({"a": 1, "b": 3})


def test_an_alma_is_known_by_its_address_and_key() -> None:
    """Whatever its section is called; the demo has neither."""
    assert alma_of("sandbox:address:key") == alma_of("a:b:address:key") == "address:key"
    assert alma_of("demo") == "demo"
