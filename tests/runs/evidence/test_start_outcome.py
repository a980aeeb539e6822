"""What an answer proves: certain only on positive evidence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.job_instances import Submission
from almajob.errors import (
    AlmaError,
    AlmaFailed,
    AlmajobError,
    AlmaRefused,
    BrokenOff,
    CallsUsedUp,
    KeyRefused,
    NotAlma,
    NotSent,
    QuotaUsedUp,
    ReadOnly,
    Unreachable,
)
from almajob.runs.evidence.start_outcome import (
    REFUSAL_CODES,
    THRESHOLD_CODES,
    is_perhaps_a_copys,
    is_threshold,
    judge,
)
from almajob.store.ledger.record import State


def _said(code: str, http_status: int = 400, kind: type[AlmaError] = AlmaRefused) -> AlmaError:
    return kind("No.", code=code, text="Some text.", tracking_id="E01", http_status=http_status)


def test_a_link_to_a_run_of_the_job_proves_a_start() -> None:
    """With the time that Alma's sentence tells."""
    found = judge("S1", Submission("77", "S1", "Job no. 77 triggered on Sun, 05 Oct 2025 09:11:32 GMT"))
    assert (found.state, found.instance_id) == (State.STARTED, "77")
    assert found.submit_time == datetime(2025, 10, 5, 9, 11, 32, tzinfo=UTC)


@pytest.mark.parametrize(
    "answer",
    [
        Submission("77", "S2", "Job no. 77"),
        Submission("77", "S0", "Job no. 77"),
        Submission("", "", "Job no. 77"),
        Submission("", "S1", ""),
    ],
)
def test_an_answer_that_names_no_run_of_the_job_proves_nothing(answer: Submission) -> None:
    """Alma accepted something; which run it is must be found out."""
    assert judge("S1", answer).state is State.UNKNOWN


@pytest.mark.parametrize("run_id", ["77", ""])
def test_an_older_answer_proves_nothing(run_id: str) -> None:
    """As a cache on the way kept it; nor does one that names a run which was there before."""
    old = Submission(run_id, "S1", "Job no. 77", is_replayed=True)
    assert judge("S1", old).state is State.UNKNOWN
    assert judge("S1", old).reason == "the answer is an older one" + (", of run 77" if run_id else "")
    fresh = Submission("77", "S1", "Job no. 77")
    assert judge("S1", fresh, known={"76"}).state is State.STARTED
    assert judge("S1", fresh, known={"76", "77"}).state is State.UNKNOWN


@pytest.mark.parametrize("code", sorted(REFUSAL_CODES))
def test_only_a_refusal_that_another_run_explains_may_be_of_a_copy(code: str) -> None:
    """Where it proves that nothing was started, and whichever of its codes says so."""
    is_overlap = code in {"402222", "402223", "60347", "PER_SECOND_THRESHOLD"}
    assert is_perhaps_a_copys(judge("S1", _said(code))) is is_overlap
    both = _said("402228")
    both.codes = ("402228", code)
    assert is_perhaps_a_copys(judge("S1", both)) is is_overlap
    assert not is_perhaps_a_copys(judge("S1", _said(code, 500)))
    assert not is_perhaps_a_copys(judge("S1", NotSent("No.")))
    assert not is_perhaps_a_copys(judge("S1", Submission("77", "S1", "")))


@pytest.mark.parametrize(
    ("codes", "names_run"), [(("402228", "402224"), False), (("402228",), True), ((), False)]
)
def test_a_refusal_that_says_more_proves_nothing(codes: tuple[str, ...], names_run: bool) -> None:
    """A second error that nobody has listed, or a run; nor does one without a code."""
    refused = _said("402228")
    refused.codes, refused.names_run = codes, names_run
    assert judge("S1", refused).state is State.UNKNOWN


@pytest.mark.parametrize("code", sorted(REFUSAL_CODES))
def test_a_listed_refusal_proves_that_nothing_was_started(code: str) -> None:
    """But not with HTTP 500: then something else went wrong."""
    assert judge("S1", _said(code)).state is State.NOT_STARTED
    assert judge("S1", _said(code, 500)).state is State.UNKNOWN
    assert is_threshold(_said(code)) is (code in THRESHOLD_CODES)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (399, State.UNKNOWN),
        (400, State.NOT_STARTED),
        (401, State.NOT_STARTED),
        (499, State.NOT_STARTED),
        (500, State.UNKNOWN),
        (501, State.UNKNOWN),
        (200, State.UNKNOWN),
    ],
)
def test_a_refusal_comes_with_a_status_of_refusals(status: int, state: State) -> None:
    """From 400 to 499; with any other, something else went on."""
    assert judge("S1", _said("402216", status)).state is state


def test_what_is_known_of_an_outcome_is_told_in_one_sentence() -> None:
    """With what Alma itself said, where it said something."""
    assert judge("S1", Submission("77", "S1", "")).reason == "Alma named run 77"
    assert judge("S1", Submission("", "", "")).reason == "Alma accepted the request without naming the run"
    assert (
        judge("S1", BrokenOff("It broke.", reason="The  line\nwas cut.")).reason
        == "It broke. The line was cut"
    )
    assert judge("S1", _said("402216")).reason == "No [402216 Some text.; HTTP 400; tracking id E01]"


def test_the_job_is_compared_by_its_text() -> None:
    """Ids that are the same text prove a start, wherever they were read."""
    job_id = "".join(["S", "1"])
    assert judge(job_id, Submission("77", "".join(["S", "1"]), "")).state is State.STARTED


def test_refusals_that_pass_are_refusals() -> None:
    """Every code that says "later" also says "not now"."""
    assert THRESHOLD_CODES < REFUSAL_CODES
    assert is_threshold(CallsUsedUp("x"))
    assert not is_threshold(NotSent("x"))
    assert not is_threshold(_said("402216"))


@given(code=st.text(max_size=12), status=st.integers(100, 599))
def test_no_other_code_proves_anything(code: str, status: int) -> None:
    """Whatever Alma may think of."""
    if code not in REFUSAL_CODES:
        assert judge("S1", _said(code, status)).state is State.UNKNOWN


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ReadOnly("a line of the ini"), State.NOT_STARTED),
        (CallsUsedUp("x"), State.NOT_STARTED),
        (NotSent("x"), State.NOT_STARTED),
        (BrokenOff("x"), State.UNKNOWN),
        (NotAlma("x"), State.UNKNOWN),
        (Unreachable("x"), State.UNKNOWN),
        (AlmajobError("x"), State.UNKNOWN),
        (_said("UNAUTHORIZED", kind=KeyRefused), State.NOT_STARTED),
        (_said("", 401, kind=KeyRefused), State.UNKNOWN),
        (_said("DAILY_THRESHOLD", 429, kind=QuotaUsedUp), State.NOT_STARTED),
        (_said("GENERAL_ERROR", 500, kind=AlmaFailed), State.UNKNOWN),
    ],
)
def test_failures_prove_what_they_prove(error: AlmajobError, state: State) -> None:
    """Only what failed before the first byte certainly did not arrive."""
    found = judge("S1", error)
    assert (found.state, found.error) == (state, error)


@pytest.mark.parametrize(
    "sentence",
    [
        "Job no. 77",
        "Job no. 77 triggered on Sunday",
        "",
        f"triggered on Sun, 05 Oct 2025 09:11:32 +{'9' * 20}",
    ],
)
def test_a_sentence_that_cannot_be_read_is_no_failure(sentence: str) -> None:
    """The start is confirmed all the same."""
    found = judge("S1", Submission("77", "S1", sentence))
    assert (found.state, found.instance_id, found.submit_time) == (State.STARTED, "77", None)
