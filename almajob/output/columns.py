"""How values are shown: for people in tables, for programs in JSON, YAML and CSV."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from cliff.columns import FormattableColumn

from almajob.text import time_format
from almajob.text.sanitize import sanitize

if TYPE_CHECKING:
    from almajob.runs.parameters.parameters import Given

T = TypeVar("T")


class _Column(FormattableColumn[T]):
    """A value with its two forms; any two of them can be put into an order, None last."""

    def __lt__(self, other: object) -> bool:
        return isinstance(other, _Column) and self._order() < other._order()

    def _order(self) -> tuple[int, Any]:
        value = self.machine_readable()
        if value is None:
            return 2, ""
        return (0, value) if isinstance(value, (int, float)) else (1, json.dumps(value, ensure_ascii=False))


class Text(_Column[str]):
    """A text from Alma: as it is for programs, with control characters spelled out for people."""

    def human_readable(self) -> str:
        return sanitize(self._value)


class Plain(_Column[Any]):
    """Any other value: nothing for people where there is none, JSON's own forms for programs."""

    def human_readable(self) -> str:
        plain = self.machine_readable()
        if plain is None:
            return ""
        return sanitize(plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False))

    def machine_readable(self) -> Any:
        return _plain_json(self._value)


class Time(_Column[Any]):
    """A time: local with its offset for people, ISO 8601 UTC with ``Z`` for programs.

    What Alma sent in another form is shown as it came.

    Attributes:
        in_utc: whether people get UTC, too, in this process.
    """

    in_utc: ClassVar[bool] = False

    def human_readable(self) -> str:
        if isinstance(self._value, datetime):
            from almajob.system import clock as clocks

            return time_format.format_time(self._value, now=clocks.system().now(), utc=Time.in_utc)
        return sanitize(self._value or "")

    def machine_readable(self) -> Any:
        return time_format.format_utc(self._value) if isinstance(self._value, datetime) else self._value


class Length(_Column[Any]):
    """A length of time, or None: in words for people, in seconds for programs."""

    def human_readable(self) -> str:
        return "" if self._value is None else time_format.format_duration(self._value)


class Fields(_Column[Any]):
    """Members that Alma does not document: ``name: value`` for people, as they came for programs."""

    def human_readable(self) -> str:
        from almajob.alma.models import Code

        lines = []
        for name, value in self._value.items():
            code = Code.from_json(value)
            lines.append(f"{name}: {code.desc or code.value or json.dumps(value, ensure_ascii=False)}")
        return "\n".join(map(sanitize, lines))

    def machine_readable(self) -> Any:
        return dict(self._value)


class WordList(_Column[Any]):
    """Several words: a text for people, an array for programs."""

    def human_readable(self) -> str:
        return sanitize(", ".join(self._value))

    def machine_readable(self) -> Any:
        return list(self._value)


class YesNo(_Column[bool | None]):
    """Yes or no for people, true or false for programs; None as long as nobody can tell."""

    def human_readable(self) -> str:
        return "" if self._value is None else "yes" if self._value else "no"


class History(_Column[Any]):
    """What a start went through, a line each."""

    def human_readable(self) -> str:
        return "\n".join(
            f"{moment(step.at).human_readable()}  {step.state}  {sanitize(step.reason)}"
            for step in self._value
        )

    def machine_readable(self) -> Any:
        return [
            {"state": step.state.value, "at": moment(step.at).machine_readable(), "reason": step.reason}
            for step in self._value
        ]


class Candidates(_Column[Any]):
    """Runs that may be the one that was started, a line each."""

    def human_readable(self) -> str:
        return "\n".join(
            sanitize(f"{item.id}  {item.submit_time}  by {item.submitted_by}  {item.name}")
            for item in self._value
        )

    def machine_readable(self) -> Any:
        from almajob.alma.job_instances import parse_time

        return [
            {
                "instance_id": item.id,
                "name": item.name,
                "submit_time": Time(parse_time(item.submit_time)).machine_readable(),
                "submitted_by": item.submitted_by,
            }
            for item in self._value
        ]


class GivenParameters(_Column[Any]):
    """The parameters of a start as they are sent, a line each, and where each was given."""

    def human_readable(self) -> str:
        return "\n".join(sanitize(_format_parameter(item)) for item in self._value)

    def machine_readable(self) -> Any:
        return [
            {"name": item.name, "value": item.value, "source": item.source, "instead_of": item.instead_of}
            for item in self._value
        ]


class RequestBody(_Column[Any]):
    """The body of a request: a parameter a line for people, as it is sent for programs."""

    def human_readable(self) -> str:
        if isinstance(self._value, bytes):
            return sanitize(self._value.decode().expandtabs(2), keep="\n")
        listed = [json.dumps(item, ensure_ascii=False) for item in self._value.get("parameter", ())]
        return sanitize('{"parameter": [\n  ' + ",\n  ".join(listed) + "\n]}" if listed else "{}", keep="\n")

    def machine_readable(self) -> str:
        value = self._value
        return value.decode() if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False)


class Progress(_Column[Any]):
    """Per cent, as Alma counts them: 101.3 occurs."""

    def human_readable(self) -> str:
        return "" if self._value is None else f"{self._value:g} %"

    def machine_readable(self) -> Any:
        value = self._value
        return int(value) if value is not None and value == int(value) else value


class Counters(_Column[Any]):
    """The lines of a report: a text and a value, which may be words."""

    def human_readable(self) -> str:
        return "\n".join(
            sanitize(f"{item.type.desc or item.type.value}: {item.value}") for item in self._value
        )

    def machine_readable(self) -> Any:
        return [
            {"code": item.type.value, "text": item.type.desc, "value": item.value} for item in self._value
        ]


class Alerts(_Column[Any]):
    """Alma's messages on how a run ended."""

    def human_readable(self) -> str:
        return "\n".join(sanitize(item.desc or item.value) for item in self._value)

    def machine_readable(self) -> Any:
        return [{"code": item.value, "text": item.desc} for item in self._value]


def as_column(value: Any) -> Any:
    """Return a value of a result one of the forms above, or let it be a number."""
    if isinstance(value, FormattableColumn) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    forms: dict[type, type[_Column[Any]]] = {str: Text, bool: YesNo, datetime: Time}
    return forms.get(type(value), Plain)(value)


def _plain_json(value: Any) -> Any:
    """Make of a value what JSON has a form for; of what it has none for, a text."""
    if isinstance(value, Mapping):
        return {str(name): _plain_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain_json(item) for item in value]
    if isinstance(value, datetime):
        return time_format.format_utc(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int)) else str(value)


def _format_parameter(item: Given) -> str:
    instead = "" if item.instead_of is None else f", instead of {item.instead_of!r}"
    where = f"  ({item.source}{instead})" if item.source else ""
    return f"{item.name} = {item.value or '(empty)'}{where}"


def moment(seconds: float | None) -> Time:
    """Show seconds since the epoch as a time."""
    try:
        return Time(None if seconds is None else datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return Time(str(seconds))
