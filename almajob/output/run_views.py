"""What a run, a start and a record of the ledger look like: the names of their columns, and their values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from almajob.alma.job_instances import Instance, parse_time
from almajob.alma.models import Job
from almajob.alma.status_codes import meaning
from almajob.errors import AlmajobError
from almajob.output.columns import (
    Actions,
    Alerts,
    Candidates,
    Certainty,
    Counters,
    ErrorFields,
    History,
    Holder,
    Identifier,
    Length,
    ProcessId,
    Progress,
    SafeToRepeat,
    StartState,
    Status,
    Text,
    Time,
    Verdict,
    WordList,
    YesNo,
    moment,
)
from almajob.runs.run import Run
from almajob.runs.top.page import GoingOn
from almajob.store.ledger.record import Record, State

_RUN: dict[str, Callable[[Run], Any]] = {
    "environment": lambda run: Identifier(run.environment),
    "job_id": lambda run: Identifier(run.instance.job.id if run.instance.job else ""),
    "job_name": lambda run: Text(run.instance.job.name if run.instance.job else run.instance.name),
    "instance_id": lambda run: ProcessId(run.instance.id),
    "submit_time": lambda run: Time(run.instance.submit_time),
    "status": lambda run: Status(run.instance.status.value),
    "description": lambda run: Text(run.description),
    "progress": lambda run: Progress(run.instance.progress),
    "start_time": lambda run: Time(run.instance.start_time),
    "end_time": lambda run: Time(run.instance.end_time),
    "status_date": lambda run: Text(run.instance.status_date),
    "counters": lambda run: Counters(run.instance.counters),
    "alerts": lambda run: Alerts(run.instance.alerts),
    "status_class": lambda run: Identifier(
        meaning(status).value if (status := run.instance.status.value) else ""
    ),
    "passed": lambda run: Verdict(run.passed),
    "seconds": lambda run: Length(run.instance.seconds),
    "name": lambda run: Text(run.instance.name),
    "submitted_by": lambda run: Text(run.instance.submitted_by.value),
    "actions": lambda run: Actions(run.instance.actions),
    "result_files": lambda run: WordList(run.instance.result_files),
    "nothing": lambda run: YesNo(run.is_nothing),
    "error": lambda run: ErrorFields(run.verdict),
}
_LEDGER: dict[str, Callable[[Record], Any]] = {
    "id": lambda record: Identifier(record.id),
    "environment": lambda record: Identifier(record.environment),
    "job_id": lambda record: Identifier(record.job_id),
    "job_name": lambda record: Text(record.job_name),
    "run_key": lambda record: Identifier(record.run_key),
    "state": lambda record: StartState(record.state.value),
    "certainty": lambda record: Certainty(record.certainty.value),
    "retry_safe": lambda record: SafeToRepeat(record.is_retry_safe),
    "instance_id": lambda record: ProcessId(record.instance_id),
    "created": lambda record: moment(record.created_at),
    "end_status": lambda record: Status(record.end_status),
    "seconds": lambda record: Length(record.lasted),
}
_RECORD: dict[str, Callable[[Record], Any]] = {
    **_LEDGER,
    "sent": lambda record: moment(record.sent_at),
    "submit_time": lambda record: Time(parse_time(record.submit_time)),
    "attempt": lambda record: record.attempt,
    "tag": lambda record: Identifier(record.tag),
    "institution": lambda record: Identifier(record.institution),
    "holder": lambda record: Holder(record.holder),
    "trail": lambda record: History(record.trail),
    "candidates": lambda record: Candidates(record.candidates),
}
_START = ("state", "certainty", "retry_safe", "run_key")
"""What of a record is shown with its run."""
RUN_COLUMNS = tuple(_RUN)
"""The columns that show a run, in the order of ``run_values``; docs/json.md says what each has."""
BRIEF_COLUMNS = ("instance_id", "job_name", "status", "progress", "seconds", "passed")
"""Of RUN_COLUMNS what a table of several runs shows."""
LEAST_NEEDED = ("progress", "passed", "seconds")
"""Of BRIEF_COLUMNS what a narrow table leaves out first."""
_OF_RUN_IN_TOP = (
    *("environment", "job_id", "job_name", "instance_id", "status", "status_class", "progress"),
    *("submit_time", "end_time", "submitted_by", "passed"),
)
_OF_START_IN_TOP = ("environment", "job_id", "job_name", "id", "run_key", "state", "created")
_TOP = (*_OF_RUN_IN_TOP, "run_id", "run_key", "state", "created", "seconds", "usual_seconds", "late")
TOP_COLUMNS = ("phase", *_TOP)
"""The columns of ``almajob top``; docs/json.md says what each has."""
START_COLUMNS = (*_START, *RUN_COLUMNS)
LEDGER_COLUMNS = tuple(_LEDGER)
LEDGER_LEAST_NEEDED = (
    *("retry_safe", "certainty", "run_key", "job_id", "seconds", "created", "environment", "instance_id"),
    *("end_status", "job_name"),
)
"""Of LEDGER_COLUMNS what a narrow table leaves out first."""
RECORD_COLUMNS = tuple(_RECORD)


def run_values(run: Run) -> tuple[Any, ...]:
    """Return a run's values in the order of ``RUN_COLUMNS``."""
    return tuple(value_of(run) for value_of in _RUN.values())


def start_values(run: Run) -> tuple[Any, ...]:
    """Return the values of a start in the order of START_COLUMNS."""
    start = [_LEDGER[name](run.record) if run.record else None for name in _START]
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
        return start_values(Run(instance, "", environment, error, record=record))
    state = State.NOT_STARTED if error.is_retry_safe else State.UNKNOWN
    start = (StartState(state.value), Certainty("none"), SafeToRepeat(error.is_retry_safe))
    return (*start, Identifier(run_key), *run_values(Run(Instance(""), "", environment, error)))


def ledger_values(record: Record) -> tuple[Any, ...]:
    """Return a record's values in the order of LEDGER_COLUMNS."""
    return tuple(value_of(record) for value_of in _LEDGER.values())


def record_values(record: Record) -> tuple[Any, ...]:
    """Return a record's values in the order of RECORD_COLUMNS."""
    return tuple(value_of(record) for value_of in _RECORD.values())


def going_on_values(seen: GoingOn) -> tuple[Any, ...]:
    """Return the values of a run that goes on in the order of TOP_COLUMNS."""
    lengths = {"seconds": Length(_whole(seen.age)), "usual_seconds": Length(_whole(seen.usual))}
    return _top_values("running", {**_top_run(seen.run), **lengths, "late": YesNo(seen.is_late)})


def ended_values(run: Run) -> tuple[Any, ...]:
    """Return the values of a run that has ended in the order of TOP_COLUMNS."""
    lengths = {"seconds": Length(run.instance.seconds), "usual_seconds": Length(None)}
    return _top_values("ended", {**_top_run(run), **lengths})


def unclear_values(record: Record) -> tuple[Any, ...]:
    """Return the values of a start whose outcome is not known in the order of TOP_COLUMNS."""
    values = {name: _LEDGER[name](record) for name in _OF_START_IN_TOP}
    lengths = {"seconds": Length(None), "usual_seconds": Length(None)}
    return _top_values("unknown", {**values, **lengths, "run_id": values.pop("id")})


def _top_run(run: Run) -> dict[str, Any]:
    return {name: _RUN[name](run) for name in _OF_RUN_IN_TOP}


def _top_values(phase: str, values: Mapping[str, Any]) -> tuple[Any, ...]:
    return (Identifier(phase), *(values.get(name) for name in _TOP))


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else math.floor(seconds)
