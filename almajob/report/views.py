"""What a report looks like for programs: the names of its columns, a row for each environment."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from almajob.alma.models import Job
from almajob.output.columns import Alerts, Cell, Counters, ErrorFields, Identifier, Plain, Time, WordList
from almajob.output.table_layout import Shape
from almajob.report.facts import EnvironmentFacts, Failure, JobFacts
from almajob.report.missing import Missing
from almajob.report.outcomes import Listed, Outcome
from almajob.report.summary import format_share
from almajob.report.zones import name_zone
from almajob.store.ledger.record import Record


class Share(Cell[Any]):
    """A part of a whole, or None: ``Share(0.968)`` is ``96.8 %`` in a table and 0.968 in JSON."""

    shape = Shape.WHOLE

    def human_readable(self) -> str:
        return "" if self._value is None else format_share(self._value)

    def machine_readable(self) -> Any:
        return _round(self._value)


def _count(outcome: Outcome, facts: EnvironmentFacts) -> int:
    return facts.counts[outcome]


_REPORT: dict[str, Callable[[EnvironmentFacts], Any]] = {
    "environment": lambda facts: Identifier(facts.name),
    "kind": lambda facts: Identifier(facts.kind),
    "created": lambda facts: Time(facts.now),
    "since": lambda facts: Time(facts.period.since),
    "until": lambda facts: Time(facts.period.until or facts.now),
    "timezone": lambda facts: Identifier(name_zone(facts.zone, facts.now)),
    "filters": lambda facts: WordList(list(facts.filters)),
    "total": lambda facts: len(facts.runs),
    **{outcome.value: partial(_count, outcome) for outcome in Outcome},
    "success_rate": lambda facts: Share(facts.success_rate),
    "failures": lambda facts: Plain([_show_failure(each) for each in facts.failures]),
    "open_starts": lambda facts: Plain([_show_start(each) for each in facts.open_starts]),
    "did_not_run": lambda facts: Plain([_show_missing(each) for each in facts.missing]),
    "jobs": lambda facts: Plain([_show_job(each) for each in facts.jobs]),
    "runs": lambda facts: Plain([_show_run(each) for each in facts.runs]),
    "quota": lambda facts: Plain(_show_quota(facts)),
    "unread_jobs": lambda facts: Plain([_show_unread(each) for each in facts.unread]),
    "error": lambda facts: ErrorFields(facts.error),
}
REPORT_COLUMNS = tuple(_REPORT)
"""The columns that show an environment of a report; docs/json.md says what each has."""
BRIEF_COLUMNS = ("environment", "total", *(outcome.value for outcome in Outcome), "success_rate")
"""Of REPORT_COLUMNS what a table shows."""


def report_values(facts: EnvironmentFacts) -> tuple[Any, ...]:
    """Return the values of an environment in the order of REPORT_COLUMNS; of one that was not read, few."""
    shown = REPORT_COLUMNS if facts.error is None else ("environment", "error")
    return tuple(value_of(facts) if name in shown else None for name, value_of in _REPORT.items())


def _show_run(listed: Listed) -> dict[str, Any]:
    instance = listed.instance
    return {
        "instance_id": instance.id or None,
        "job_id": listed.job.id or None,
        "job_name": listed.job.name or None,
        "outcome": listed.outcome.value,
        "status": instance.status.value or None,
        "description": listed.run.description or None,
        "passed": listed.run.passed,
        "submit_time": _show_time(instance.submit_time),
        "start_time": _show_time(instance.start_time),
        "end_time": _show_time(instance.end_time),
        "seconds": listed.seconds,
        "usual_seconds": listed.usual,
        "submitted_by": instance.submitted_by.value or None,
    }


def _show_failure(failure: Failure) -> dict[str, Any]:
    instance = failure.listed.instance
    return {
        "instance_id": instance.id or None,
        "job_id": failure.listed.job.id or None,
        "job_name": failure.listed.job.name or None,
        "status": instance.status.value or None,
        "submit_time": _show_time(instance.submit_time),
        "end_time": _show_time(instance.end_time),
        "reasons": list(failure.reasons),
        "alerts": Alerts(instance.alerts).machine_readable(),
        "counters": Counters(instance.counters).machine_readable(),
        "next_steps": list(failure.steps),
    }


def _show_job(job: JobFacts) -> dict[str, Any]:
    last = job.last
    return {
        "job_id": job.job.id or None,
        "job_name": job.job.name or None,
        "total": len(job.runs),
        **{outcome.value: count for outcome, count in job.counts.items()},
        "last_instance_id": (last.instance.id or None) if last else None,
        "last_end": _show_time(last.instance.end_time) if last else None,
        "last_outcome": last.outcome.value if last else None,
        "success_rate": _round(job.success_rate),
        "median_seconds": job.median,
        "longest_seconds": job.longest,
        "trend": job.trend.word if job.trend else None,
        "trend_change": _round(job.trend.change) if job.trend else None,
        "longer_than_usual": job.is_late,
    }


def _show_start(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "job_id": record.job_id or None,
        "job_name": record.job_name or None,
        "run_key": record.run_key,
        "state": record.state.value,
        "retry_safe": record.is_retry_safe,
        "created": _show_time(record.trail[0].at),
        "reason": record.trail[-1].reason or None,
    }


def _show_unread(job: Job) -> dict[str, Any]:
    return {"job_id": job.id or None, "job_name": job.name or None}


def _show_missing(missing: Missing) -> dict[str, Any]:
    return {
        "job_id": missing.job.id or None,
        "job_name": missing.job.name or None,
        "saved_run": missing.saved_run or None,
        "basis": missing.basis,
        "usually": missing.usually,
        "expected": [_show_time(each) for each in missing.expected],
    }


def _show_quota(facts: EnvironmentFacts) -> dict[str, Any] | None:
    quota = facts.quota
    if quota is None:
        return None
    return {
        "state": quota.state,
        "calls_left": quota.calls_left,
        "calls_a_day": quota.calls_a_day,
        "percent_left": quota.percent_left,
        "as_of": _show_time(quota.as_of),
        "resets_at": _show_time(quota.resets_at),
    }


def _show_time(value: Any) -> Any:
    from almajob.output.columns import moment

    return (moment(value) if isinstance(value, float) else Time(value)).machine_readable()


def _round(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
