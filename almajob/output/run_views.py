"""What a run, a start and a record of the ledger look like: the names of their columns, and their values."""

from __future__ import annotations

from collections.abc import Callable
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

_RUN: dict[str, Callable[[Run], Any]] = {
    "environment": lambda run: run.environment,
    "job_id": lambda run: Text(run.instance.job.id if run.instance.job else ""),
    "job_name": lambda run: Text(run.instance.job.name if run.instance.job else run.instance.name),
    "instance_id": lambda run: Text(run.instance.id),
    "submit_time": lambda run: Time(run.instance.submit_time),
    "status": lambda run: Text(run.instance.status.value),
    "description": lambda run: Text(run.description),
    "progress": lambda run: Progress(run.instance.progress),
    "start_time": lambda run: Time(run.instance.start_time),
    "end_time": lambda run: Time(run.instance.end_time),
    "status_date": lambda run: Text(run.instance.status_date),
    "counters": lambda run: Counters(run.instance.counters),
    "alerts": lambda run: Alerts(run.instance.alerts),
    "status_class": lambda run: meaning(status).value if (status := run.instance.status.value) else "",
    "passed": lambda run: YesNo(run.passed),
    "seconds": lambda run: Length(run.instance.seconds),
    "name": lambda run: Text(run.instance.name),
    "submitted_by": lambda run: Text(run.instance.submitted_by.value),
}
_LEDGER: dict[str, Callable[[Record], Any]] = {
    "id": lambda record: record.id,
    "environment": lambda record: record.environment,
    "job_id": lambda record: Text(record.job_id),
    "job_name": lambda record: Text(record.job_name),
    "run_key": lambda record: Text(record.run_key),
    "state": lambda record: record.state.value,
    "certainty": lambda record: record.certainty.value,
    "retry_safe": lambda record: YesNo(record.is_retry_safe),
    "instance_id": lambda record: Text(record.instance_id),
    "created": lambda record: moment(record.created_at),
}
_RECORD: dict[str, Callable[[Record], Any]] = {
    **_LEDGER,
    "sent": lambda record: moment(record.sent_at),
    "submit_time": lambda record: Time(parse_time(record.submit_time)),
    "attempt": lambda record: record.attempt,
    "tag": lambda record: record.tag,
    "institution": lambda record: Text(record.institution),
    "holder": lambda record: Text(record.holder),
    "trail": lambda record: History(record.trail),
    "candidates": lambda record: Candidates(record.candidates),
}
_START = ("state", "certainty", "retry_safe", "run_key")
"""What of a record is shown with its run."""
RUN_COLUMNS = tuple(_RUN)
BRIEF_COLUMNS = ("instance_id", "job_name", "status", "progress", "seconds", "passed")
"""Of RUN_COLUMNS what a table of several runs shows."""
START_COLUMNS = (*_START, *RUN_COLUMNS)
LEDGER_COLUMNS = tuple(_LEDGER)
RECORD_COLUMNS = tuple(_RECORD)


def run_values(run: Run) -> tuple[Any, ...]:
    """Return a run's values in the order of RUN_COLUMNS."""
    return tuple(value_of(run) for value_of in _RUN.values())


def start_values(run: Run) -> tuple[Any, ...]:
    """Return the values of a start in the order of START_COLUMNS."""
    start = [_LEDGER[name](run.record) for name in _START] if run.record else ["", "", None, ""]
    return (*start, *run_values(run))


def not_started(environment: str, error: AlmajobError, run_key: str) -> tuple[Any, ...]:
    """Return the values of a start that led to no run, in the order of START_COLUMNS.

    Args:
        error: how it ended, with the ledger's record if there is one.
        run_key: the one that was given, for where there is no record.
    """
    record = error.record
    if record:
        job, submitted = Job(record.job_id, record.job_name), parse_time(record.submit_time)
        instance = Instance(record.instance_id, submit_time=submitted, job=job)
        return start_values(Run(instance, "", environment, record=record))
    state = State.NOT_STARTED if error.is_retry_safe else State.UNKNOWN
    start = (state.value, Certainty.NONE.value, YesNo(error.is_retry_safe), Text(run_key))
    return (*start, *run_values(Run(Instance(""), "", environment)))


def ledger_values(record: Record) -> tuple[Any, ...]:
    """Return a record's values in the order of LEDGER_COLUMNS."""
    return tuple(value_of(record) for value_of in _LEDGER.values())


def record_values(record: Record) -> tuple[Any, ...]:
    """Return a record's values in the order of RECORD_COLUMNS."""
    return tuple(value_of(record) for value_of in _RECORD.values())
