"""Which listed run is ours: decided from values alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.job_instances import Instance
from almajob.alma.models import Code
from almajob.alma.pagination import Listing
from almajob.runs.evidence.match_instance import Finding, Trust, clocks_disagree, is_ahead, judge
from almajob.store.ledger.record import Certainty, Record, State, Transition
from tests.store.ledger.test_record import new

SENT = 1_000_000.0
TAG = "[aj:ABCDEFGH23]"
UNTAGGED = replace(
    new(trail=(Transition(State.PREPARED, SENT, ""), Transition(State.SENDING, SENT, ""))),
    sent_at=SENT,
    sent_error=1.0,
    baseline=("1",),
)
TAGGED = replace(UNTAGGED, tag=TAG)
SHOWN, UNPROVEN, MISSING = (Trust(known, may_infer=True) for known in (True, None, False))


def _run(run_id: str = "7", after: float = 1.0, name: str = "ERP", by: str = "exl_api") -> Instance:
    when = datetime.fromtimestamp(SENT + after, UTC)
    return Instance(run_id, name, Code("RUNNING"), submitted_by=Code(by), submit_time=when)


def _judge(
    record: Record, *runs: Instance, trust: Trust = SHOWN, is_last: bool = False, **more: Any
) -> Finding:
    listing = Listing(runs, more.pop("is_complete", True))
    return judge(record, listing, claimed=more.pop("claimed", ()), trust=trust, is_last=is_last)


def test_a_tag_is_proof() -> None:
    """Whatever else the listing shows, and even in one with gaps, or by a clock that is wrong."""
    ours = _run("8", name=f"Mine {TAG} - 2026-11-22 4:11 AM", after=-3600)
    found = _judge(TAGGED, _run("9"), ours, _run("7"), is_complete=False, trust=MISSING)
    assert (found.state, found.instances, found.certainty) == (State.ADOPTED, (ours,), Certainty.TAGGED)


def test_what_was_there_before_or_is_another_starts_is_not_ours() -> None:
    """Even with our tag."""
    assert _judge(TAGGED, _run("1", name=TAG), is_last=True).state is State.ABSENT
    assert _judge(UNTAGGED, _run("1"), is_last=True).state is State.ABSENT
    assert _judge(UNTAGGED, _run("7"), claimed={"7"}, is_last=True).state is State.ABSENT
    only = _judge(UNTAGGED, _run("7"), _run("8"), claimed={"7"})
    assert [item.id for item in only.instances] == ["8"]


def test_where_tags_show_nothing_else_can_be_ours() -> None:
    """Known from before, or seen in this listing."""
    assert _judge(TAGGED, _run(), is_last=True).state is State.ABSENT
    other = _run("8", name="Else [aj:ZZZZZZZZZZ]")
    assert _judge(TAGGED, _run(), other, trust=UNPROVEN, is_last=True).state is State.ABSENT


@pytest.mark.parametrize("shown", ["", "[aj:", TAG[:-1]])
def test_a_name_that_shows_too_little_of_a_tag_proves_nothing(shown: str) -> None:
    """Alma may cut names: the tag comes first, and what is less than a tag may be ours."""
    assert _judge(TAGGED, _run(name=shown)).state is not State.ABSENT
    assert not _judge(TAGGED, _run(name=shown), is_last=True).is_missing
    assert _judge(TAGGED, _run(name=f"{TAG} Exp")).certainty is Certainty.TAGGED


@pytest.mark.parametrize(
    ("hours", "disagree"), [(0, False), (-19, False), (21, True), (-48, True), (72, True)]
)
def test_earlier_starts_tell_whether_almas_clocks_agree(hours: int, disagree: bool) -> None:
    """The latest start of which both the Date header's time and the submit time are known decides."""
    submitted = datetime.fromtimestamp(SENT + hours * 3600, UTC).isoformat()
    known = replace(UNTAGGED, submit_time=submitted, certainty=Certainty.CONFIRMED)
    unknown = replace(UNTAGGED, trail=(Transition(State.PREPARED, SENT + 9, ""),))
    attached = replace(unknown, submit_time=submitted, sent_at=None)
    assert clocks_disagree([known, unknown, attached]) is disagree
    assert not clocks_disagree([unknown, attached])
    assert is_ahead(Listing((_run(after=hours * 3600),), True, SENT)) is (hours > 20)


def test_where_nobody_knows_whether_tags_show_a_person_decides() -> None:
    """But not before Alma has had its time, and never by a guess."""
    assert _judge(TAGGED, _run(), trust=UNPROVEN).state is None
    found = _judge(TAGGED, _run(), trust=UNPROVEN, is_last=True)
    assert (found.state, [item.id for item in found.candidates]) == (State.AMBIGUOUS, ["7"])


@pytest.mark.parametrize("record", [UNTAGGED, TAGGED])
def test_the_only_run_that_fits_is_taken_where_that_is_allowed(record: Record) -> None:
    """For a run without a tag, or where tags are known not to show."""
    found = _judge(record, _run(), trust=MISSING)
    assert (found.state, found.certainty) == (State.ADOPTED, Certainty.INFERRED)
    careful = Trust(False, may_infer=False)
    assert _judge(record, _run(), trust=careful).state is None
    asked = _judge(record, _run(), trust=careful, is_last=True)
    assert (asked.state, len(asked.candidates)) == (State.AMBIGUOUS, 1)


@pytest.mark.parametrize(
    ("runs", "more"),
    [
        ((_run("7"), _run("8")), {}),
        ((_run("7", after=-60),), {}),
        ((_run("7", by=""),), {}),
        ((replace(_run("7"), submit_time=None),), {}),
        ((_run("7"),), {"is_complete": False}),
        ((_run("7", name="ERP [aj:ABCDEFGH23]"), _run("8")), {}),
    ],
    ids=["two", "too early", "by nobody knows whom", "at nobody knows what time", "gaps", "looks tagged"],
)
def test_doubt_is_left_to_a_person(runs: tuple[Instance, ...], more: dict[str, Any]) -> None:
    """Never adopted, and never called absent."""
    assert _judge(UNTAGGED, *runs, **more).state is None
    found = _judge(UNTAGGED, *runs, **more, is_last=True)
    assert found.state is State.AMBIGUOUS
    assert [item.id for item in found.candidates] == [item.id for item in runs]


@pytest.mark.parametrize("by", ["jdoe", "System", "API2"])
def test_runs_of_others_do_not_fit(by: str) -> None:
    """Staff, the system: what was not started by the API was not started here."""
    assert _judge(UNTAGGED, _run(by=by), is_last=True).state is State.ABSENT


def test_a_listing_with_gaps_proves_no_absence() -> None:
    """Nor does one that comes before Alma has had its time."""
    assert _judge(UNTAGGED, is_complete=False, is_last=True).state is None
    assert _judge(UNTAGGED).state is None
    assert _judge(UNTAGGED, is_last=True).state is State.ABSENT


RUNS = st.lists(
    st.builds(
        _run,
        st.sampled_from("123456789"),
        st.floats(-7200, 7200),
        st.sampled_from(("ERP", f"x {TAG}", "x [aj:ZZZZZZZZZZ]")),
        st.sampled_from(("exl_api", "API", "jdoe", "")),
    ),
    max_size=6,
    unique_by=lambda item: item.id,
)


@given(
    record=st.sampled_from((UNTAGGED, TAGGED)),
    runs=RUNS,
    tags_show=st.sampled_from((True, None, False)),
    claimed=st.sets(st.sampled_from("123456789")),
    is_last=st.booleans(),
    is_complete=st.booleans(),
)
def test_without_leave_nothing_is_taken_but_by_its_tag(
    record: Record,
    runs: list[Instance],
    tags_show: bool | None,
    claimed: set[str],
    is_last: bool,
    is_complete: bool,
) -> None:
    """As in production; nor is anything called absent that could be ours."""
    trust = Trust(tags_show, may_infer=False)
    listing = Listing(tuple(runs), is_complete)
    found = judge(record, listing, claimed=claimed, trust=trust, is_last=is_last)
    for item in found.instances:
        assert record.tag
        assert record.tag in item.name
        assert item.id not in claimed
        assert item.id not in record.baseline
    if found.state is State.ABSENT:
        assert is_complete
        assert is_last
        assert not any(
            record.tag and record.tag in item.name and item.id not in {*claimed, "1"} for item in runs
        )
