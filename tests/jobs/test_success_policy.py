"""What counts as a good end."""

from __future__ import annotations

from typing import Any

import pytest

from almajob.alma.job_instances import Counter, Instance
from almajob.alma.models import Code, Job
from almajob.alma.status_codes import GOING_ON, STATUSES
from almajob.jobs.condition_parser import parse
from almajob.jobs.success_policy import Policy

GOOD = {"COMPLETED_SUCCESS", "COMPLETED_WARNING", "COMPLETED_NO_BULKS"}
ENDS = sorted(set(STATUSES) - GOING_ON)
JOB = Job("S1", "Publishing")


def _run(status: str, **more: Any) -> Instance:
    return Instance("77", status=Code(status), job=JOB, **more)


@pytest.mark.parametrize("status", [*ENDS, "BRAND_NEW", ""])
def test_by_default_success_passes_and_the_rest_does_not(status: str) -> None:
    """Warnings pass with a word; nothing to do passes; a word that nobody knows does not."""
    found = Policy().judge(_run(status, progress=100.0, end_time="x"), "as the table says")
    assert (found.error is None) is (
        status in {"COMPLETED_SUCCESS", "COMPLETED_WARNING", "COMPLETED_NO_BULKS"}
    )
    assert bool(found.remark) is (status == "COMPLETED_WARNING")
    if found.error is not None:
        assert found.error.exit_code == 3
        assert f"{status or 'no status'} (as the table says)" in str(found.error)


def test_alma_s_own_words_are_in_the_error() -> None:
    """As they are what a librarian can look up."""
    found = Policy().judge(_run("FAILED", alerts=(Code("a", "Look at the report."),)))
    assert "Look at the report." in str(found.error)
    assert "Monitor Jobs" in str(found.error)


@pytest.mark.parametrize("status", [*ENDS, "BRAND_NEW"])
def test_what_is_accepted_passes_and_is_said_so(status: str) -> None:
    """Besides what always does."""
    policy = Policy(frozenset({status}))
    assert policy.judge(_run(status)).error is None
    assert policy.judge(_run("COMPLETED_SUCCESS")).error is None
    if status not in GOOD:
        assert "which is accepted here" in policy.judge(_run(status)).remark


def test_what_a_job_accepts_counts_instead_of_the_environments() -> None:
    """By its id or its exact name."""
    for name in (JOB.id, JOB.name):
        policy = Policy(frozenset({"SKIPPED"}), {name: frozenset({"FAILED"})})
        assert policy.judge(_run("FAILED")).error is None
        assert policy.judge(_run("SKIPPED")).error is not None
        assert policy.judge(Instance("7", status=Code("SKIPPED"))).error is None


def test_a_success_is_none_where_a_condition_says_so() -> None:
    """The status alone does not say what became of the records."""
    counters = (Counter(Code("x.failed", "Failed"), "3"),)
    run = _run("COMPLETED_SUCCESS", counters=counters)
    failed = Policy(fail_if=(parse("failed == 0"), parse("failed > 0"))).judge(run)
    assert "ended with COMPLETED_SUCCESS, but failed > 0" in str(failed.error)
    assert Policy(fail_if=(parse("failed > 3"),)).judge(run).error is None
    unknown = Policy(fail_if=(parse("lost > 0"),)).judge(run)
    assert unknown.error is not None
    assert unknown.error.exit_code == 3
    assert "'lost > 0' cannot be judged" in str(unknown.error)
    assert "x.failed" in str(unknown.error)


def test_a_bad_status_is_told_before_any_counter() -> None:
    """The report of a failed run may have no counters at all."""
    found = Policy(fail_if=(parse("lost > 0"),)).judge(_run("FAILED"))
    assert "ended with FAILED" in str(found.error)
    assert "lost" not in str(found.error)


def test_a_part_that_is_true_is_told_and_one_that_cannot_be_judged_does_not_hide_it() -> None:
    """Whatever their order, and whether they stand in one condition or in several."""
    run = _run("COMPLETED_SUCCESS", counters=(Counter(Code("x.failed", "Failed"), "3"),))
    for fail_if in (("lost > 0", "failed > 0"), ("lost > 0 or failed > 0",), ("failed > 0 or lost > 0",)):
        found = Policy(fail_if=tuple(map(parse, fail_if))).judge(run)
        assert (found.is_certain, "but failed > 0." in str(found.error)) == (True, True)


@pytest.mark.parametrize(
    ("status", "nothing_if", "fail_if", "is_nothing", "is_good"),
    [
        ("COMPLETED_SUCCESS", "failed == 3", "failed > 0", True, True),
        ("COMPLETED_SUCCESS", "failed == 0", "failed > 0", False, False),
        ("COMPLETED_SUCCESS", "failed == 0", "failed > 3", False, True),
        ("COMPLETED_SUCCESS", "lost == 0", "failed > 3", None, False),
        ("COMPLETED_SUCCESS", "", "failed > 3", None, True),
        ("COMPLETED_WARNING", "failed == 3", "failed > 0", True, True),
        ("COMPLETED_NO_BULKS", "lost == 0", "failed > 0", True, True),
        ("COMPLETED_NO_BULKS", "failed == 0", "failed > 0", True, False),
        ("COMPLETED_NO_BULKS", "", "failed > 0", True, False),
        ("COMPLETED_NO_BULKS", "", "", True, True),
        ("COMPLETED_FAILED", "failed == 3", "", None, False),
        ("SKIPPED", "failed == 3", "failed > 0", True, True),
    ],
)
def test_nothing_to_do_is_judged_first_and_of_good_ends_only(
    status: str, nothing_if: str, fail_if: str, is_nothing: bool | None, is_good: bool
) -> None:
    """A note says so where it was asked for; a condition that cannot be judged is a failure, here too."""
    run = _run(status, counters=(Counter(Code("x.failed", "Failed"), "3"),))
    conditions = {"nothing_if": nothing_if, "fail_if": fail_if}
    asked = {name: (parse(text),) for name, text in conditions.items() if text}
    found = Policy(frozenset({"SKIPPED"}), **asked).judge(run)  # type: ignore[arg-type]
    assert (found.is_nothing, found.error is None) == (is_nothing, is_good)
    assert found.note.startswith("Nothing to do: ") is bool(is_nothing and is_good and nothing_if)


def test_the_options_that_say_the_same_can_be_pasted() -> None:
    """Quoted as a shell wants them; what the ini says needs none."""
    fail_if = (parse("Number of assets > 0"),)
    assert Policy(frozenset({"FAILED", "A"}), fail_if=fail_if).words() == (
        "--fail-if 'Number of assets > 0' --accept A,FAILED"
    )
    assert Policy(frozenset({"FAILED"}), is_of_ini=True).words() == ""
    nothing_if = (parse("a + b == 0 and c > 0"),)
    assert Policy(nothing_if=nothing_if).words() == "--nothing-if 'a + b == 0 and c > 0'"


def test_a_line_without_records_excuses_no_other_line() -> None:
    """Of several lines of a counter, one is enough to fail; only all of them say: nothing to do."""
    code = Code("x.processed", "Processed")
    failed = Counter(Code("x.failed", "Failed"), "5")
    policy = Policy(fail_if=(parse("failed > 0"),), nothing_if=(parse("processed == 0 and failed < 9"),))
    lines = (Counter(code, "0"), Counter(code, "12"), failed)
    found = policy.judge(_run("COMPLETED_SUCCESS", counters=lines))
    assert found.error is not None
    assert found.is_nothing is False
    found = policy.judge(_run("COMPLETED_SUCCESS", counters=(Counter(code, "0"), Counter(code, "0"), failed)))
    assert (found.error, found.is_nothing) == (None, True)
