"""Metrics as Prometheus reads them: what is told of jobs, starts and calls, and how it is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from almajob.alma.job_instances import Counter, Instance
from almajob.alma.models import Code, Job
from almajob.jobs.success_policy import Policy
from almajob.output.metrics import (
    End,
    Listening,
    Sample,
    end_of_record,
    end_of_report,
    format_metrics,
    list_job_samples,
    list_listener_samples,
    list_start_samples,
)
from almajob.store.ledger.record import State
from tests.store.ledger.test_record import new

JOB = Job("S1", 'ERP "export"\\ \n\u20ac')
BEGUN = datetime(2026, 11, 22, 5, tzinfo=UTC)
ENDED = BEGUN + timedelta(seconds=90.5)


def _report(status: str, **more: object) -> Instance:
    made = Instance("7", status=Code(status), job=JOB, submit_time=BEGUN, end_time=ENDED)
    return replace(made, **more)  # type: ignore[arg-type]


def _values(ends: list[End | None], *counters: str) -> dict[tuple[str, str], float]:
    found = [end for end in ends if end]
    samples = list_job_samples("sandbox", found, counters)
    named = ((each, each.labels.get("class") or each.labels.get("counter") or "") for each in samples)
    return {(each.name.removeprefix("almajob_job_last_"), more): each.value for each, more in named}


def test_the_last_end_counts_and_the_last_success() -> None:
    """Whether the ledger knows them, or a message has told."""
    policy = Policy()
    record = replace(new(), job_id="S1", end_status="COMPLETED_SUCCESS", lasted=60.0)
    record = replace(record, submit_time=(BEGUN - timedelta(days=1)).isoformat())
    values = _values([end_of_report(_report("FAILED"), policy), end_of_record(record, policy)])
    assert values["end_timestamp_seconds", ""] == ENDED.timestamp()
    assert values["success_timestamp_seconds", ""] == BEGUN.timestamp() - 86400 + 60
    assert [values["end_state", name] for name in ("good", "warning", "bad")] == [0, 0, 1]
    assert values["duration_seconds", ""] == 90.5


def test_what_the_configuration_accepts_is_a_warning() -> None:
    """As in a wait: a success, and worth a remark."""
    accepting = Policy(accept=frozenset({"COMPLETED_FAILED"}))
    for status, policy, wanted in (
        ("COMPLETED_FAILED", accepting, "warning"),
        ("COMPLETED_WARNING", Policy(), "warning"),
        ("COMPLETED_FAILED", Policy(), "bad"),
        ("COMPLETED_SUCCESS", Policy(), "good"),
    ):
        assert _values([end_of_report(_report(status), policy)])["end_state", wanted] == 1


def test_counters_are_those_that_were_chosen() -> None:
    """Numbers only; what is no number, and what the report lacks, is left out."""
    counters = (Counter(Code("c.jobs.asset_failed"), "3"), Counter(Code("x.words"), "no file"))
    end = end_of_report(_report("COMPLETED_SUCCESS", counters=counters), Policy())
    values = _values([end], "asset_failed", "words", "missing")
    assert {more: value for (name, more), value in values.items() if name == "counter"} == {"asset_failed": 3}


def test_a_report_without_times_says_nothing() -> None:
    """Nor does a record whose end nobody has seen."""
    assert end_of_report(_report("FAILED", end_time=None), Policy()) is None
    assert end_of_report(_report("FAILED", job=None), Policy()) is None
    assert end_of_record(new(), Policy()) is None


def test_starts_without_an_outcome_are_counted() -> None:
    """Those that have not been sent are in no doubt."""
    prepared = new()
    sending = prepared.advance(State.SENDING, prepared.created_at, "now")
    values = [sample.value for sample in list_start_samples("sandbox", [prepared, sending])]
    assert values == [2, 1]


def test_a_listener_that_never_heard_anything_has_no_time() -> None:
    """A zero would be read as 1970."""
    silent = Listening("sandbox", False, None, 3, ())
    assert [sample.value for sample in list_listener_samples(silent)] == [0, 3]
    heard = Listening("sandbox", True, 5.5, 0, ())
    assert [sample.value for sample in list_listener_samples(heard)] == [1, 0, 5.5]


def test_labels_are_escaped_and_values_of_a_metric_stand_together() -> None:
    """Quotes, backslashes and line ends; half a surrogate is none."""
    labels = {"environment": "sandbox", "job_id": "S1", "job": JOB.name + "\udc80"}
    text = format_metrics(
        [
            Sample("almajob_job_last_end_timestamp_seconds", labels, 1.5),
            Sample("almajob_starts_open", {"environment": "a"}, 2),
            Sample("almajob_job_last_end_timestamp_seconds", {**labels, "job_id": "S2"}, float("inf")),
        ]
    )
    job = 'job="ERP \\"export\\"\\\\ \\n\u20ac?"'
    assert text.splitlines()[2:] == [
        f'almajob_job_last_end_timestamp_seconds{{environment="sandbox",job_id="S1",{job}}} 1.5',
        f'almajob_job_last_end_timestamp_seconds{{environment="sandbox",job_id="S2",{job}}} NaN',
        "# HELP almajob_starts_open Starts that are being made, or whose outcome is unknown.",
        "# TYPE almajob_starts_open gauge",
        'almajob_starts_open{environment="a"} 2',
    ]
