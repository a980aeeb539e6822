"""How values are shown: for people in tables, for programs in JSON, YAML and CSV."""

from __future__ import annotations

import json
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from cliff.columns import FormattableColumn

from almajob import times
from almajob.alma.models import Code, Counter, Instance, Job, parse_time
from almajob.alma.statuses import meaning
from almajob.errors import AlmajobError
from almajob.runs import clock as clocks
from almajob.runs.run import Run
from almajob.store.record import Candidate, Certainty, Record, State, Step
from almajob.visible import visible

Moment = datetime | str | None
_UTC: ContextVar[bool] = ContextVar("utc", default=False)


class Text(FormattableColumn[str]):
    """A text from Alma: as it is for programs, with control characters spelled out for people."""

    def human_readable(self) -> str:
        return visible(self._value)


class Time(FormattableColumn[Any]):
    """A time: local with its offset for people, ISO 8601 UTC with ``Z`` for programs.

    What Alma sent in another form is shown as it came.
    """

    def human_readable(self) -> str:
        if isinstance(self._value, datetime):
            return times.human(self._value, now=clocks.system().now(), utc=_UTC.get())
        return visible(self._value or "")

    def machine_readable(self) -> Any:
        return times.machine(self._value) if isinstance(self._value, datetime) else self._value


def show_utc(is_wanted: bool) -> None:
    """Say whether times are shown in UTC to people, too."""
    _UTC.set(is_wanted)


class Length(FormattableColumn[Any]):
    """A length of time, or None: in words for people, in seconds for programs."""

    def human_readable(self) -> str:
        return "" if self._value is None else times.length(self._value)


class Fields(FormattableColumn[Any]):
    """Members that Alma does not document: ``name: value`` for people, as they came for programs."""

    def human_readable(self) -> str:
        return "\n".join(visible(f"{name}: {_plain(value)}") for name, value in self._value.items())

    def machine_readable(self) -> Any:
        return dict(self._value)


class Words(FormattableColumn[Any]):
    """Several words: a text for people, an array for programs."""

    def human_readable(self) -> str:
        return visible(", ".join(self._value))

    def machine_readable(self) -> Any:
        return list(self._value)


class Yes(FormattableColumn[bool | None]):
    """Yes or no for people, true or false for programs; None as long as nobody can tell."""

    def human_readable(self) -> str:
        return "" if self._value is None else "yes" if self._value else "no"


class Trail(FormattableColumn[Any]):
    """What a start went through, a line each."""

    def human_readable(self) -> str:
        return "\n".join(
            f"{_moment(step.at).human_readable()}  {step.state}  {visible(step.reason)}"
            for step in self._value
        )

    def machine_readable(self) -> Any:
        return [_step(step) for step in self._value]


class Candidates(FormattableColumn[Any]):
    """Runs that may be the one that was started, a line each."""

    def human_readable(self) -> str:
        return "\n".join(
            visible(f"{item.id}  {item.submit_time}  by {item.submitted_by}  {item.name}")
            for item in self._value
        )

    def machine_readable(self) -> Any:
        return [_candidate(item) for item in self._value]


class Progress(FormattableColumn[Any]):
    """Per cent, as Alma counts them: 101.3 occurs."""

    def human_readable(self) -> str:
        return "" if self._value is None else f"{self._value:g} %"

    def machine_readable(self) -> Any:
        value = self._value
        return int(value) if value is not None and value == int(value) else value


class Counters(FormattableColumn[Any]):
    """The lines of a report: a text and a value, which may be words."""

    def human_readable(self) -> str:
        return "\n".join(
            visible(f"{item.type.desc or item.type.value}: {item.value}") for item in self._value
        )

    def machine_readable(self) -> Any:
        return [_counter(item) for item in self._value]


class Alerts(FormattableColumn[Any]):
    """Alma's messages on how a run ended."""

    def human_readable(self) -> str:
        return "\n".join(visible(item.desc or item.value) for item in self._value)

    def machine_readable(self) -> Any:
        return [{"code": item.value, "text": item.desc} for item in self._value]


def _plain(value: object) -> str:
    code = Code.from_json(value)
    return code.desc or code.value or json.dumps(value, ensure_ascii=False)


def _moment(seconds: float | None) -> Time:
    """Show seconds since the epoch as a time."""
    try:
        return Time(None if seconds is None else datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return Time(str(seconds))


def _step(step: Step) -> dict[str, Any]:
    return {"state": step.state.value, "at": _moment(step.at).machine_readable(), "reason": step.reason}


def _candidate(item: Candidate) -> dict[str, Any]:
    return {
        "instance_id": item.id,
        "name": item.name,
        "submit_time": Time(parse_time(item.submit_time)).machine_readable(),
        "submitted_by": item.submitted_by,
    }


def _counter(item: Counter) -> dict[str, str]:
    return {"code": item.type.value, "text": item.type.desc, "value": item.value}


RUN_COLUMNS = (
    *("environment", "job_id", "job_name", "instance_id", "submit_time", "status", "description"),
    *("progress", "start_time", "end_time", "status_date", "counters", "alerts"),
    *("status_class", "passed", "seconds", "name", "submitted_by"),
)
BRIEF_COLUMNS = ("instance_id", "job_name", "status", "progress", "submit_time", "seconds", "passed")
"""Of RUN_COLUMNS what a table of several runs shows."""


def run_values(run: Run) -> tuple[Any, ...]:
    """Give a run's values in the order of RUN_COLUMNS."""
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
        Yes(run.passed),
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
    """Give the values of a start in the order of START_COLUMNS."""
    return (*_of_start(run.record), *run_values(run))


def not_started(environment: str, error: AlmajobError, run_key: str) -> tuple[Any, ...]:
    """Give the values of a start that led to no run, in the order of START_COLUMNS.

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
    without = (state.value, Certainty.NONE.value, Yes(error.is_retry_safe), Text(run_key))
    known = _of_start(record) if record else without
    return (*known, *run_values(Run(instance, "", environment)))


def _of_start(record: Record | None) -> tuple[Any, ...]:
    if record is None:
        return ("", "", None, "")
    return (
        record.state.value,
        record.certainty.value,
        Yes(record.is_retry_safe),
        Text(record.run_key),
    )


def ledger_values(record: Record) -> tuple[Any, ...]:
    """Give a record's values in the order of LEDGER_COLUMNS."""
    return (
        record.id,
        record.environment,
        Text(record.job_id),
        Text(record.job_name),
        Text(record.run_key),
        record.state.value,
        record.certainty.value,
        Yes(record.is_retry_safe),
        Text(record.instance_id),
        _moment(record.created),
    )


def record_values(record: Record) -> tuple[Any, ...]:
    """Give a record's values in the order of RECORD_COLUMNS."""
    return (
        *ledger_values(record),
        _moment(record.sent_at),
        Time(parse_time(record.submit_time)),
        record.attempt,
        record.tag,
        Text(record.institution),
        Text(record.holder),
        Trail(record.trail),
        Candidates(record.candidates),
    )
