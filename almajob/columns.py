"""How values are shown: for people in tables, for programs in JSON, YAML and CSV."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cliff.columns import FormattableColumn

from almajob.alma.models import Counter
from almajob.runs.runs import Run
from almajob.visible import visible

Moment = datetime | str | None


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
            try:
                return self._value.astimezone().isoformat(" ", "seconds")
            except OverflowError:
                # The first or the last day of the calendar, in another zone.
                return str(self.machine_readable())
        return visible(self._value or "")

    def machine_readable(self) -> Any:
        if isinstance(self._value, datetime):
            return self._value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return self._value


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


def _counter(item: Counter) -> dict[str, str]:
    return {"code": item.type.value, "text": item.type.desc, "value": item.value}


RUN_COLUMNS = (
    *("environment", "job_id", "job_name", "instance_id", "submit_time", "status", "description"),
    *("progress", "start_time", "end_time", "status_date", "counters", "alerts"),
)


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
    )
