"""What a run, a start and a record of the ledger look like: the names of their columns, and their values."""

from __future__ import annotations

from typing import Any

from almajob.alma.job_instances import Instance, parse_time
from almajob.alma.models import Job
from almajob.alma.status_codes import meaning
from almajob.errors import AlmajobError
from almajob.output.columns import (
    Alerts,
    Candidates,
    Counters,
    History,
    Length,
    Progress,
    Text,
    Time,
    YesNo,
    moment,
)
from almajob.runs.run import Run
from almajob.store.ledger_record import Certainty, Record, State

RUN_COLUMNS = (
    *("environment", "job_id", "job_name", "instance_id", "submit_time", "status", "description"),
    *("progress", "start_time", "end_time", "status_date", "counters", "alerts"),
    *("status_class", "passed", "seconds", "name", "submitted_by"),
)
BRIEF_COLUMNS = ("instance_id", "job_name", "status", "progress", "seconds", "passed")
"""Of RUN_COLUMNS what a table of several runs shows."""


def run_values(run: Run) -> tuple[Any, ...]:
    """Return a run's values in the order of RUN_COLUMNS."""
    instance = run.instance
    return (
        run.environment,
        Text(instance.job.id if instance.job else ""),
        Text(instance.job.name if instance.job else instance.name),
        Text(instance.id),
        Time(instance.submit_time),
        Text(instance.status.value),
        Text(run.description),
        Progress(instance.progress),
        Time(instance.start_time),
        Time(instance.end_time),
        Text(instance.status_date),
        Counters(instance.counters),
        Alerts(instance.alerts),
        meaning(instance.status.value).value if instance.status.value else "",
        YesNo(run.passed),
        Length(instance.seconds),
        Text(instance.name),
        Text(instance.submitted_by.value),
    )


START_COLUMNS = ("state", "certainty", "retry_safe", "run_key", *RUN_COLUMNS)
LEDGER_COLUMNS = (
    *("id", "environment", "job_id", "job_name", "run_key", "state", "certainty", "retry_safe"),
    *("instance_id", "created"),
)
RECORD_COLUMNS = (
    *LEDGER_COLUMNS,
    *("sent", "submit_time", "attempt", "tag", "institution", "holder", "trail", "candidates"),
)


def start_values(run: Run) -> tuple[Any, ...]:
    """Return the values of a start in the order of START_COLUMNS."""
    return (*_of_start(run.record), *run_values(run))


def not_started(environment: str, error: AlmajobError, run_key: str) -> tuple[Any, ...]:
    """Return the values of a start that led to no run, in the order of START_COLUMNS.

    Args:
        environment: its name.
        error: how it ended, with the ledger's record if there is one.
        run_key: where there is none: the one that was given.
    """
    record = error.record
    instance = Instance(
        record.instance_id if record else "",
        submit_time=parse_time(record.submit_time) if record else None,
        job=Job(record.job_id, record.job_name) if record else None,
    )
    state = State.NOT_STARTED if error.is_retry_safe else State.UNKNOWN
    without = (state.value, Certainty.NONE.value, YesNo(error.is_retry_safe), Text(run_key))
    known = _of_start(record) if record else without
    return (*known, *run_values(Run(instance, "", environment)))


def _of_start(record: Record | None) -> tuple[Any, ...]:
    if record is None:
        return ("", "", None, "")
    return (
        record.state.value,
        record.certainty.value,
        YesNo(record.is_retry_safe),
        Text(record.run_key),
    )


def ledger_values(record: Record) -> tuple[Any, ...]:
    """Return a record's values in the order of LEDGER_COLUMNS."""
    return (
        record.id,
        record.environment,
        Text(record.job_id),
        Text(record.job_name),
        Text(record.run_key),
        record.state.value,
        record.certainty.value,
        YesNo(record.is_retry_safe),
        Text(record.instance_id),
        moment(record.created_at),
    )


def record_values(record: Record) -> tuple[Any, ...]:
    """Return a record's values in the order of RECORD_COLUMNS."""
    return (
        *ledger_values(record),
        moment(record.sent_at),
        Time(parse_time(record.submit_time)),
        record.attempt,
        record.tag,
        Text(record.institution),
        Text(record.holder),
        History(record.trail),
        Candidates(record.candidates),
    )
