"""How values are shown: for people in tables, for programs in JSON, YAML and CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from cliff.columns import FormattableColumn

from almajob.alma.status_codes import Meaning, meaning
from almajob.errors import AlmajobError, JobEndedBadly, StillRunning, one_line
from almajob.output.plain_values import IS_COLUMN, PLAIN_TYPES, has_sealed, refuse_sealed, to_plain
from almajob.output.table_layout import Shape
from almajob.text import time_format
from almajob.text.sanitize import sanitize

if TYPE_CHECKING:
    from almajob.runs.parameters.parameters import Given
    from almajob.store.ledger.record import Transition

T = TypeVar("T")
_PLAIN_STEPS = ("PREPARED", "SENDING")
"""The first two steps of a start, whose reasons are no more than their states."""


class Tone(Enum):
    """What a value means to people: a terminal shows each in a colour of its own."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    RUNNING = "running"


_TONES = {
    Meaning.WAITING: Tone.RUNNING,
    Meaning.RUNNING: Tone.RUNNING,
    Meaning.SUCCESS: Tone.GOOD,
    Meaning.NOTHING_TO_DO: Tone.GOOD,
    Meaning.WARNING: Tone.WARNING,
    Meaning.NEEDS_A_PERSON: Tone.WARNING,
    Meaning.CANCELLED: Tone.WARNING,
    Meaning.ERRORS: Tone.BAD,
    Meaning.FAILED: Tone.BAD,
}


class Cell(FormattableColumn[T]):
    """A value with its forms for people and for programs.

    Attributes:
        shape: what a table makes of it where there is too little room.
        least: how narrow it may become before a table leaves out a column instead.
        headings: what a table calls a column of such values, by the column's name.
    """

    shape: Shape = Shape.WRAPPED
    least: int = 16
    headings: ClassVar[Mapping[str, str]] = {}

    @property
    def tone(self) -> Tone | None:
        """What it means, where it means anything."""
        return None

    def forms(self) -> tuple[str, ...]:
        """Return its forms for people, from the longest to the shortest."""
        return (self.human_readable(),)


class Text(Cell[str]):
    """A text: None for programs where it is empty; with control characters spelled out for people.

    A table cuts its end off where there is too little room.
    """

    shape = Shape.CUT
    least = 12

    def human_readable(self) -> str:
        return sanitize(self._value)

    def machine_readable(self) -> Any:
        return self._value or None


class Name(Text):
    """A name that differs from others of its kind at the end: it keeps more room than other texts."""

    least = 32


class Identifier(Text):
    """What is typed or copied into the next command, ``Identifier("M44")``; a table never shortens it."""

    shape = Shape.WHOLE


class Sentence(Text):
    """What has to be read to its end: a table wraps it.

    Args:
        tone: what it means.
        least: how narrow its column may become.
    """

    shape = Shape.WRAPPED

    def __init__(self, value: str, tone: Tone | None = None, *, least: int = 14) -> None:
        super().__init__(value)
        self._tone = tone
        self.least = least

    @property
    def tone(self) -> Tone | None:
        return self._tone


class Status(Identifier):
    """A status of Alma's."""

    @property
    def tone(self) -> Tone | None:
        return _TONES.get(meaning(self._value))


class Word(Identifier):
    """A word of almajob's own, such as a state.

    Args:
        tones: what the words mean that mean anything.
    """

    def __init__(self, value: str, tones: Mapping[str, Tone]) -> None:
        super().__init__(value)
        self._tones = tones

    @property
    def tone(self) -> Tone | None:
        return self._tones.get(self._value)


class ProcessId(Identifier):
    """The id of a run, which Alma calls its Process ID."""

    headings: ClassVar[Mapping[str, str]] = {"instance_id": "process_id"}


class StartState(Identifier):
    """How far a start has come: plain words for people, the ledger's own for programs."""

    WORDS: ClassVar[Mapping[str, str]] = {
        "PREPARED": "not sent yet",
        "SENDING": "being sent",
        "STARTED": "started",
        "NOT_STARTED": "not started",
        "UNKNOWN": "unknown",
        "ADOPTED": "found in Alma",
        "ABSENT": "not found in Alma yet",
        "AMBIGUOUS": "several runs may be it",
    }
    headings: ClassVar[Mapping[str, str]] = {"state": "start"}
    _TONES: ClassVar[Mapping[str, Tone]] = {
        "PREPARED": Tone.RUNNING,
        "SENDING": Tone.RUNNING,
        "STARTED": Tone.GOOD,
        "ADOPTED": Tone.GOOD,
        "UNKNOWN": Tone.WARNING,
        "ABSENT": Tone.WARNING,
        "AMBIGUOUS": Tone.WARNING,
    }

    @property
    def tone(self) -> Tone | None:
        return self._TONES.get(self._value)

    def human_readable(self) -> str:
        return self.WORDS[self._value]


class Certainty(Identifier):
    """How it is known which run is the one: plain words for people, the ledger's own for programs."""

    WORDS: ClassVar[Mapping[str, str]] = {
        "confirmed": "Alma named it",
        "tagged": "it has the tag",
        "inferred": "only it fits",
        "none": "",
    }
    headings: ClassVar[Mapping[str, str]] = {"certainty": "known_because"}

    def human_readable(self) -> str:
        return self.WORDS[self._value]


class Holder(Text):
    """The process that sent a start."""

    headings: ClassVar[Mapping[str, str]] = {"holder": "sent_by"}


class ErrorFields(Cell[AlmajobError | None]):
    """What went wrong: an object for programs; for people the message, where nothing else shows it."""

    def human_readable(self) -> str:
        if self._value is None or isinstance(self._value, JobEndedBadly | StillRunning):
            return ""
        return one_line(self._value.message)

    def machine_readable(self) -> Any:
        return None if self._value is None else self._value.to_json()


class Plain(Cell[Any]):
    """Any other value: nothing for people where there is none, JSON's own forms for programs."""

    def __init__(self, value: Any) -> None:
        super().__init__(to_plain(value))

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        """Numbers are whole."""
        return Shape.WRAPPED if isinstance(self._value, (dict, list)) else Shape.WHOLE

    def human_readable(self) -> str:
        plain = self._value
        if plain is None:
            return ""
        return sanitize(plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False))


class Time(Cell[Any]):
    """A time: local with its offset for people, ISO 8601 UTC with ``Z`` for programs.

    One without a zone counts as local. A day is shown as it is, and so is what Alma sent in another form.

    Attributes:
        in_utc: whether people get UTC, too, in this process.
    """

    in_utc: ClassVar[bool] = False
    shape = Shape.WHOLE

    def human_readable(self) -> str:
        if isinstance(self._value, datetime):
            from almajob.system import clock as clocks

            return time_format.format_time(self._value, now=clocks.system().now(), utc=Time.in_utc)
        return sanitize(str(self._value or ""))

    def forms(self) -> tuple[str, ...]:
        shown = self.human_readable()
        return (shown, *time_format.shorten_time(shown)) if isinstance(self._value, datetime) else (shown,)

    def machine_readable(self) -> Any:
        if isinstance(self._value, datetime):
            return time_format.format_utc(self._value)
        return to_plain(self._value) or None


class Length(Cell[Any]):
    """A length of time in seconds, or None: ``Length(90)`` is ``1 min 30 s`` in a table and 90 in JSON."""

    shape = Shape.WHOLE
    # A column of words is not headed by a unit.
    headings: ClassVar[Mapping[str, str]] = {"seconds": "duration", "usual_seconds": "usual"}

    def human_readable(self) -> str:
        return "" if self._value is None else time_format.format_duration(self._value)


class Fields(Cell[Any]):
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


class WordList(Cell[Any]):
    """Several words: ``WordList(["a", "b"])`` is ``a, b`` in a table, and an array in JSON."""

    @property
    def least(self) -> int:  # type: ignore[override]
        """The longest word, and a comma."""
        return max((len(word) + 1 for word in self._value), default=0)

    def human_readable(self) -> str:
        return sanitize(", ".join(self._value))

    def machine_readable(self) -> Any:
        return list(self._value)


class Lines(Cell[Sequence[str]]):
    """Several texts, a line each: an array in JSON."""

    def human_readable(self) -> str:
        return "\n".join(map(sanitize, self._value))

    def machine_readable(self) -> Any:
        return list(self._value)


class YesNo(Cell[bool | None]):
    """Yes or no for people, true or false for programs; None as long as nobody can tell."""

    shape = Shape.WHOLE

    def human_readable(self) -> str:
        return "" if self._value is None else "yes" if self._value else "no"


class SafeToRepeat(YesNo):
    """Whether it is certain that nothing was started."""

    headings: ClassVar[Mapping[str, str]] = {"retry_safe": "safe_to_repeat"}


class Verdict(YesNo):
    """Whether something went well."""

    @property
    def tone(self) -> Tone | None:
        return None if self._value is None else Tone.GOOD if self._value else Tone.BAD


class History(Cell[Any]):
    """What a start went through, a line each."""

    headings: ClassVar[Mapping[str, str]] = {"trail": "history"}

    def human_readable(self) -> str:
        return "\n".join(map(_format_transition, self._value))

    def machine_readable(self) -> Any:
        return [
            {
                "state": step.state.value,
                "at": moment(step.at).machine_readable(),
                "reason": step.reason or None,
            }
            for step in self._value
        ]


class Candidates(Cell[Any]):
    """Runs that may be the one that was started, a line each."""

    headings: ClassVar[Mapping[str, str]] = {"candidates": "may_be"}

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
                "name": item.name or None,
                "submit_time": Time(parse_time(item.submit_time)).machine_readable(),
                "submitted_by": item.submitted_by or None,
            }
            for item in self._value
        ]


class GivenParameters(Cell[Any]):
    """The parameters of a start as they are sent, a line each, and where each was given."""

    def human_readable(self) -> str:
        return "\n".join(sanitize(_format_parameter(item)) for item in self._value)

    def machine_readable(self) -> Any:
        return [
            {"name": item.name, "value": item.value, "source": item.source, "instead_of": item.instead_of}
            for item in self._value
        ]


class RequestBody(Cell[Any]):
    """The body of a request: a parameter a line for people, as it is sent for programs."""

    def human_readable(self) -> str:
        if isinstance(self._value, bytes):
            return sanitize(self._value.decode().expandtabs(2), keep="\n")
        listed = [json.dumps(item, ensure_ascii=False) for item in self._value.get("parameter", ())]
        return sanitize('{"parameter": [\n  ' + ",\n  ".join(listed) + "\n]}" if listed else "{}", keep="\n")

    def machine_readable(self) -> str:
        value = self._value
        return value.decode() if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False)


class Progress(Cell[Any]):
    """Per cent, as Alma counts them: 101.3 occurs."""

    shape = Shape.WHOLE

    def human_readable(self) -> str:
        return "" if self._value is None else f"{self._value:g} %"

    def machine_readable(self) -> Any:
        value = self._value
        return int(value) if value is not None and value == int(value) else value


class Counters(Cell[Any]):
    """The lines of a report: a text and a value, which may be words."""

    def human_readable(self) -> str:
        return "\n".join(
            sanitize(f"{item.type.desc or item.type.value}: {item.value}") for item in self._value
        )

    def machine_readable(self) -> Any:
        return [
            {"code": item.type.value or None, "text": item.type.desc or None, "value": item.value or None}
            for item in self._value
        ]


class Actions(Cell[Any]):
    """How many records each population of an import has."""

    def human_readable(self) -> str:
        return "\n".join(
            sanitize(f"{counter.type.desc or counter.type.value}: {counter.value}")
            for counter in (item.as_counter for item in self._value)
        )

    def machine_readable(self) -> Any:
        return [
            {
                "type": item.type.value or None,
                "population": item.population.value or None,
                "text": item.population.desc or None,
                "members": item.members,
            }
            for item in self._value
        ]


class Alerts(Cell[Any]):
    """Alma's messages on how a run ended."""

    def human_readable(self) -> str:
        return "\n".join(sanitize(item.desc or item.value) for item in self._value)

    def machine_readable(self) -> Any:
        return [{"code": item.value or None, "text": item.desc or None} for item in self._value]


_HEADED = (Length, ProcessId, StartState, Certainty, Holder, SafeToRepeat, History, Candidates)
HEADINGS = {column: heading for kind in _HEADED for column, heading in kind.headings.items()}
"""What tables call the columns whose names are for programs; ``-c`` takes both."""


_FORMS: dict[type, type[Cell[Any]]] = {str: Text, bool: YesNo, datetime: Time}


def as_column(value: Any) -> Any:
    """Return a value of a result as one of the forms above, or as a number.

    Raises:
        TypeError: it may hold a secret, or something in it may.
    """
    kind = type(value)
    form = _FORMS.get(kind)
    if form is not None:
        return form(value)
    if IS_COLUMN[kind]:
        inner = getattr(value, "_value", None)
        if type(inner) not in PLAIN_TYPES:
            refuse_sealed(inner)
            if has_sealed(inner):
                # Its form for programs may leave out what is secret.
                to_plain(value.machine_readable())
        return value
    if kind is int:
        return value
    if isinstance(value, Enum | str | int):
        return as_column(to_plain(value))
    if isinstance(value, timedelta):
        return Length(to_plain(value))
    return Time(value) if isinstance(value, date) else Plain(value)


def _format_transition(step: Transition) -> str:
    """Write a step of a start on a line; its reason is left out where the state says as much."""
    reason = "" if step.state in _PLAIN_STEPS else sanitize(step.reason)
    return "  ".join(filter(None, (moment(step.at).human_readable(), StartState.WORDS[step.state], reason)))


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
