"""What is told of a start that is in doubt: what is known, and what to type."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from almajob.errors import EarlierStartUnknown, OutcomeUnknown
from almajob.runs.evidence.match_instance import ABSENT_FOR_GOOD
from almajob.runs.evidence.unknown_outcome import (
    describe_ongoing,
    earlier_outcome_unknown,
    is_twice,
    outcome_unknown,
)
from almajob.store.ledger.record import Candidate, Record, State, Transition
from tests.store.ledger.test_record import new

SENT = 1_760_000_000.0
"""2025-10-09T08:53:20Z"""
TRAIL = ((State.PREPARED, "meant"), (State.SENDING, "about to be sent"))


def _record(*steps: tuple[State, str], **more: Any) -> Record:
    trail = tuple(Transition(state, SENT, reason) for state, reason in (*TRAIL, *steps))
    return new(id="r7", environment="lab", trail=trail, **more)


def _candidates(count: int) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(str(70 + number), "ERP", f"2025-10-09T09:0{number}", "x") for number in range(count)
    )


UNSEEN = _record((State.UNKNOWN, "HTTP 502"), sent_at=SENT)
ABSENT = _record((State.UNKNOWN, "HTTP 502"), (State.ABSENT, "Alma shows none"), sent_at=SENT)
AMBIGUOUS = _record((State.UNKNOWN, "HTTP 502"), (State.AMBIGUOUS, "two fit"), candidates=_candidates(2))
TWICE = _record((State.STARTED, "Alma named it"), instance_id="70", candidates=_candidates(2))


def test_what_alma_does_not_show_is_looked_for_by_the_same_command() -> None:
    """The story so far, and both ways to settle it; nothing is promised for a time that nobody knows."""
    told = outcome_unknown(UNSEEN)
    assert (type(told), told.record) == (OutcomeUnknown, UNSEEN)
    assert str(told).splitlines() == [
        "It is unknown whether 'ERP' (S1) was started.",
        "  It was sent. HTTP 502.",
        "  Repeat the same command: it looks for the run, and starts nothing until that is settled.",
        "  So does: almajob --env lab runs settle r7",
        "  If you know it from Alma: almajob --env lab runs resolve r7 --adopt PROCESS_ID, or --not-started",
    ]


@pytest.mark.parametrize(
    ("after", "at"), [(0.0, "11:54"), (39.0, "11:54"), (40.0, "11:55"), (101.0, "11:56")]
)
def test_what_stays_absent_is_told_with_its_end(berlin: None, after: float, at: str) -> None:
    """An hour after the first list without it, and a minute, by the local clock."""
    assert ABSENT_FOR_GOOD == 3600
    assert ABSENT.sent_at is not None
    assert outcome_unknown(replace(ABSENT, missing_at=ABSENT.sent_at + after)).reason == (
        "It was sent. HTTP 502. Alma shows none. "
        f"If it still does not at {at} +0200, the run counts as not started."
    )


def test_the_story_is_told_in_sentences() -> None:
    """Whatever a reason begins or ends with: a host's name keeps its letters."""
    record = _record((State.UNKNOWN, "alma.example broke off."), (State.AMBIGUOUS, "one run fits, but why"))
    assert outcome_unknown(record).reason.startswith(
        "It was sent. alma.example broke off. One run fits, but why."
    )


def test_no_end_is_told_of_a_start_whose_time_is_not_known() -> None:
    """Or that is not known to be absent."""
    never_sent = _record((State.UNKNOWN, "x"), (State.ABSENT, "Alma shows none"))
    assert outcome_unknown(never_sent).reason == "It was sent. X. Alma shows none."


def test_a_start_of_which_nothing_is_known_is_told_so() -> None:
    """Its process died while it was sent."""
    assert outcome_unknown(_record()).reason == "It was sent. What happened then is not known."


def test_what_fits_is_told_to_a_person() -> None:
    """Each run with its time, and what to type for either answer."""
    assert str(outcome_unknown(AMBIGUOUS)).splitlines() == [
        "It is unknown whether 'ERP' (S1) was started.",
        "  It was sent. HTTP 502. Two fit. "
        "Candidates: 70 (submitted 2025-10-09T09:00), 71 (submitted 2025-10-09T09:01).",
        "  Look at them in Alma, Admin > Monitor Jobs. If one of them is it:",
        "  almajob --env lab runs resolve r7 --adopt PROCESS_ID",
        "  If none is: almajob --env lab runs resolve r7 --not-started",
    ]


@pytest.mark.parametrize(
    ("count", "shown", "more"),
    [(4, 4, ""), (5, 5, ""), (6, 5, ", and 1 more"), (8, 5, ", and 3 more"), (12, 5, ", and 7 more")],
)
def test_only_some_of_many_are_shown(count: int, shown: int, more: str) -> None:
    """Five, and how many there are besides."""
    told = outcome_unknown(_record((State.AMBIGUOUS, "many fit"), candidates=_candidates(count)))
    listed = ", ".join(f"7{number} (submitted 2025-10-09T09:0{number})" for number in range(shown))
    assert told.reason == f"It was sent. Many fit. Candidates: {listed}{more}."


def test_two_runs_of_one_request_are_told() -> None:
    """Which one is taken for ours, and that the other may have to be undone."""
    told = outcome_unknown(TWICE)
    assert told.message == "Alma started 'ERP' (S1) more than once from one request: runs 70, 71."
    assert told.reason == "Run 70 is taken for this one."
    assert told.record is TWICE


@pytest.mark.parametrize(
    ("record", "twice"),
    [
        (TWICE, True),
        (AMBIGUOUS, False),
        (_record((State.STARTED, "x"), candidates=_candidates(1)), False),
        (_record((State.STARTED, "x")), False),
    ],
)
def test_two_candidates_are_two_runs_only_where_one_is_known(record: Record, twice: bool) -> None:
    """Else they are what could be it."""
    assert is_twice(record) is twice


def test_another_start_of_the_job_is_refused() -> None:
    """Nothing of it was sent, and it is the earlier one's command that looks."""
    told = earlier_outcome_unknown(UNSEEN)
    assert (type(told), told.exit_code, told.record) == (EarlierStartUnknown, 5, None)
    assert told.message == "Nothing was sent: the outcome of an earlier start of 'ERP' (S1) is unknown."
    assert told.reason == "Its run key is 'k'. It was sent. HTTP 502."
    assert told.hint.startswith("Repeat its command: it looks for the run")


def test_a_job_describe_ongoing() -> None:
    """One, or several."""
    assert describe_ongoing() == describe_ongoing(1) == "The job goes on in Alma."
    assert describe_ongoing(2) == "The 2 jobs go on in Alma."
