"""How values are shown: to people and to programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.job_instances import Action, Counter, Instance
from almajob.alma.models import Code
from almajob.output.columns import (
    Actions,
    Alerts,
    Counters,
    GivenParameters,
    History,
    Progress,
    RequestBody,
    Status,
    Time,
    Tone,
    Verdict,
)
from almajob.output.run_views import RUN_COLUMNS, run_values
from almajob.runs.parameters.parameters import Given
from almajob.runs.run import Run
from almajob.store.ledger.record import State, Transition


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_a_time_reads_back_from_what_programs_get(moment: datetime) -> None:
    """ISO 8601, UTC, Z, to the millisecond."""
    shown = Time(moment).machine_readable()
    assert shown.endswith("Z")
    assert abs((datetime.fromisoformat(shown) - moment).total_seconds()) < 0.001
    people = Time(moment).human_readable().partition(" (")[0]
    assert datetime.fromisoformat(people).utcoffset() is not None


@pytest.mark.parametrize(
    ("value", "people", "programs"), [(None, "", None), ("2025-10-05Z", "2025-10-05Z", "2025-10-05Z")]
)
def test_what_is_no_time_is_shown_as_it_came(value: str | None, people: str, programs: str | None) -> None:
    """Or not at all."""
    assert (Time(value).human_readable(), Time(value).machine_readable()) == (people, programs)


@pytest.mark.parametrize(
    ("value", "people", "programs"),
    [(None, "", "null"), (0.0, "0 %", "0"), (101.3, "101.3 %", "101.3"), (100.0, "100 %", "100")],
)
def test_progress_is_shown_as_alma_counts_it(value: float | None, people: str, programs: str) -> None:
    """Whole numbers without a point."""
    assert Progress(value).human_readable() == people
    assert json.dumps(Progress(value).machine_readable()) == programs


def test_a_step_says_nothing_twice() -> None:
    """Programs get the reason of each step; people only of those whose state does not say it."""
    steps = ((State.PREPARED, "checked, nothing sent yet"), (State.SENDING, "about to be sent"))
    shown = History(
        [Transition(state, 1.0, why) for state, why in (*steps, (State.UNKNOWN, "no answer came"))]
    )
    lines = [line.partition(")  ")[2] for line in shown.human_readable().splitlines()]
    assert lines == ["not sent yet", "being sent", "unknown  no answer came"]
    reasons = [step["reason"] for step in shown.machine_readable()]
    assert reasons == ["checked, nothing sent yet", "about to be sent", "no answer came"]


def test_reports_are_lines_for_people_and_objects_for_programs() -> None:
    """A counter without a description shows its code."""
    counters = Counters(
        (Counter(Code("a", "Records"), "1"), Counter(Code("FTP has failed.", ""), "By hand."))
    )
    assert counters.human_readable() == "Records: 1\nFTP has failed.: By hand."
    assert counters.machine_readable()[1] == {"code": "FTP has failed.", "text": None, "value": "By hand."}
    actions = Actions((Action(Code("CREATE_SET"), Code("NOT_ADDED", ""), 3),))
    assert actions.human_readable() == "NOT_ADDED: 3"
    alerts = Alerts((Code("a", "Well done."), Code("b", "")))
    assert alerts.human_readable() == "Well done.\nb"
    assert alerts.machine_readable() == [{"code": "a", "text": "Well done."}, {"code": "b", "text": None}]


def test_parameters_are_lines_for_people_and_objects_for_programs() -> None:
    """With their sources, and what they stand instead of; what cannot be seen is spelled out."""
    shown = GivenParameters((Given("a", "x\x1b", "f.xml, line 2"), Given("b", "", "--param", instead_of="y")))
    assert shown.human_readable() == "a = x\\x1b  (f.xml, line 2)\nb = (empty)  (--param, instead of 'y')"
    assert shown.machine_readable()[1] == {"name": "b", "value": "", "source": "--param", "instead_of": "y"}


@pytest.mark.parametrize(
    ("body", "people", "programs"),
    [
        ({}, "{}", "{}"),
        ({"parameter": [{"a": 1}]}, '{"parameter": [\n  {"a": 1}\n]}', '{"parameter": [{"a": 1}]}'),
        (b"<job>\n\t<x>\x1b</x>\n</job>", "<job>\n  <x>\\x1b</x>\n</job>", "<job>\n\t<x>\x1b</x>\n</job>"),
    ],
)
def test_a_body_has_a_parameter_a_line_for_people(body: Any, people: str, programs: str) -> None:
    """Programs get it as it is sent."""
    assert (RequestBody(body).human_readable(), RequestBody(body).machine_readable()) == (people, programs)


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False), st.datetimes(timezones=st.just(UTC)))
def test_any_run_can_be_shown_to_people_and_programs(text: str, progress: float, moment: datetime) -> None:
    """The first and the last day of the calendar too; no control character reaches a terminal."""
    run = Run(
        Instance(
            text,
            name=text,
            status=Code(text, text),
            progress=progress,
            submit_time=moment,
            end_time=text,
            status_date=text,
            alerts=(Code(text, text),),
            counters=(Counter(Code(text, text), text), Counter(Code("c.jobs.bibExport.link"), text)),
            actions=(Action(Code(text), Code(text, text), 3), Action(Code(), Code(text), None)),
        ),
        text,
        "lab",
    )
    people = [str(value) for value in run_values(run)]
    assert len(people) == len(RUN_COLUMNS)
    assert not {"\x1b", "\x07", "\u202e"} & set("".join(people))
    machine = [getattr(value, "machine_readable", lambda value=value: value)() for value in run_values(run)]
    assert json.loads(json.dumps(machine, allow_nan=False)) == machine


@pytest.mark.parametrize(
    ("status", "tone"),
    [
        ("COMPLETED_SUCCESS", Tone.GOOD),
        ("COMPLETED_NO_BULKS", Tone.GOOD),
        ("COMPLETED_WARNING", Tone.WARNING),
        ("USER_ABORTED", Tone.WARNING),
        ("COMPLETED_FAILED", Tone.BAD),
        ("FAILED", Tone.BAD),
        ("QUEUED", Tone.RUNNING),
        ("FINALIZING", Tone.RUNNING),
        # What Alma may have tomorrow.
        ("HIBERNATING", None),
        ("", None),
    ],
)
def test_a_status_has_the_tone_of_what_it_means(status: str, tone: Tone | None) -> None:
    """Whatever a job's success policy makes of it; that is the tone of ``passed``."""
    assert Status(status).tone is tone
    assert [Verdict(passed).tone for passed in (True, False, None)] == [Tone.GOOD, Tone.BAD, None]


def test_a_time_has_shorter_forms() -> None:
    """Without how long ago it was, without its seconds, without its offset."""
    longest, *shorter = Time(datetime(2026, 11, 22, 18, 20, 1, tzinfo=UTC)).forms()
    assert longest.endswith("ago)") or "(in " in longest
    assert [len(each) for each in shorter] == [25, 22, 16]
    assert all(longest.startswith(each[:16]) for each in shorter)
    assert Time(None).forms() == ("",)
    assert Time("2025-10-05Z").forms() == ("2025-10-05Z",)
