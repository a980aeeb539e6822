"""Which counters of a report say why it is no good one, and what is offered as the next step."""

from __future__ import annotations

import pytest

from almajob.alma.job_instances import Counter, Instance
from almajob.alma.models import Code, Job
from almajob.jobs.bad_end import find_failures, list_next_steps, list_reasons


def _counter(code: str, text: str, value: str) -> Counter:
    return Counter(Code(code, text), value)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("c.jobs.publishing.failed.publishing", "Unpublished failed records"),
        ("import_research_assets_files.asset_failed", ""),
        ("c.jobs.md_import.records_not_imported", "Records not imported"),
        ("label.recordsNotUpdated", ""),
        ("x", "Number of users rejected"),
        ("x", "Skipped records"),
        ("x", "Items with errors"),
        ("x", "Records missing in the repository"),
        ("FTP has failed.", ""),
    ],
)
def test_a_counter_of_failures_is_told_unless_it_is_zero(code: str, text: str) -> None:
    """By its words or by its code, whichever says so."""
    assert find_failures([_counter(code, text, "3")])
    assert not find_failures([_counter(code, text, zero) for zero in ("0", " 0 ", "0.0")])


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("label.new.records", "New Records"),
        ("c.jobs.users.notified", "Users notified"),
        ("x", "Notes added"),
        ("x", "Terror attacks catalogued"),
        ("x", "Records without errors"),
        ("x", "Number of records processed"),
    ],
)
def test_what_went_well_is_no_reason(code: str, text: str) -> None:
    """However large it is."""
    assert not find_failures([_counter(code, text, "500")])


def test_three_at_most_and_messages_first() -> None:
    """Then the largest numbers; a message needs no value."""
    found = find_failures(
        [
            _counter("a", "Items failed", "2"),
            _counter("b", "Users rejected", "1,200"),
            _counter("c", "Records skipped", "30"),
            _counter("The server is not reachable.", "", ""),
        ]
    )
    assert [counter.type.value for counter in found] == ["The server is not reachable.", "b", "c"]
    instance = Instance("77", counters=tuple(found), alerts=(Code("a", "Look\nhere."),))
    assert list_reasons(instance) == [
        "Alerts: Look here.",
        "Counters: The server is not reachable.; Users rejected: 1,200; Records skipped: 30",
    ]
    assert list_reasons(Instance("77")) == []


def test_accepting_is_offered_only_where_it_may_be_meant() -> None:
    """An abort is no end that somebody wants to accept for good."""
    for status, is_offered in (
        ("COMPLETED_FAILED", True),
        ("SKIPPED", True),
        ("FAILED", False),
        ("USER_ABORTED", False),
        ("COMPLETED_SUCCESS", False),
    ):
        instance = Instance("77", status=Code(status), job=Job("S1", "Publishing"))
        steps = list_next_steps(instance, program="almajob --env x", has_key=False)
        assert any(f"--accept {status}" in step for step in steps) is is_offered
