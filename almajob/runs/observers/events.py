"""What observers are called with: frozen values, which are kept as JSON until then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ObservedEnvironment:
    """The environment of a run.

    Attributes:
        name: of its section in the configuration file.
        kind: ``sandbox`` or ``production``; empty for a run of the time when that was not kept.
    """

    name: str
    kind: str = ""

    @property
    def is_production(self) -> bool:
        """Whether its kind is ``production``."""
        return self.kind == "production"


@dataclass(frozen=True, slots=True)
class ObservedRun:
    """A run, as the ledger knew it when the event was kept.

    Attributes:
        id: of the run in the ledger, as ``almajob runs list`` shows it; the same in all events of the run.
            Empty where the run was not started from here: a webhook message told of it.
        job_id: of its job.
        job_name: likewise.
        run_key: its run key; empty where the run was not started from here.
        instance_id: Alma's Process ID; empty until it is known.
        state: ``STARTED``, ``ADOPTED``, ``UNKNOWN``, ``ABSENT`` or ``AMBIGUOUS``; empty where the run was not
            started from here.
        certainty: of ``instance_id``: ``confirmed``, ``tagged``, ``inferred`` or ``none``.
        tag: that Alma shows in the run's name; empty where it has none.
        created_at: when the start was meant, UTC; None where the run was not started from here.
        submit_time: when Alma says that it was submitted, UTC; None where that is not known.
        notify: whom the start, or its saved run, wants notified besides: names of sections [notify:NAME].
    """

    id: str
    job_id: str
    job_name: str
    run_key: str
    instance_id: str = ""
    state: str = ""
    certainty: str = "none"
    tag: str = ""
    created_at: datetime | None = None
    submit_time: datetime | None = None
    notify: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        """Whether it was started from here, and is in the ledger."""
        return bool(self.id)


@dataclass(frozen=True, slots=True)
class ObservedVerdict:
    """How the end of a run is judged.

    Attributes:
        is_good: whether it is a success, by the configuration file and the options of the command that saw
            the end.
        message: the sentence that says why it is not; empty where it is.
        reason: more of it, such as counters and alerts, on one line or several; may be empty.
        is_nothing: whether there was nothing to do; None where nobody asked.
        hint: what to do or to type next, on one line or several; empty where it is good.
    """

    is_good: bool
    message: str = ""
    reason: str = ""
    is_nothing: bool | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ObservedCounter:
    """One line of a run's report.

    Attributes:
        code: of the counter, as ``--fail-if`` takes it.
        text: Alma's words for it.
        value: text, as Alma has it; mostly a number.
    """

    code: str
    text: str
    value: str


@dataclass(frozen=True, slots=True)
class ObservedAlert:
    """One of Alma's messages on a run.

    Attributes:
        code: of the message.
        text: the message.
    """

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events have.

    Attributes:
        id: names the event for good: a call that is repeated, as the process died in it, has the same one.
        at: when it happened, UTC.
        run: of which run.
        environment: where the run is.
    """

    id: str
    at: datetime
    run: ObservedRun
    environment: ObservedEnvironment


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRecorded(Event):
    """A start of which the run is known: Alma has confirmed it, or it was found.

    Attributes:
        reason: how it is known.
    """

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUnknown(Event):
    """A start of which nobody can tell whether Alma has made it; almajob looks for its run.

    Attributes:
        reason: why it is not known.
    """

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """A run that almajob has seen to have ended.

    Attributes:
        status: Alma's word, such as ``COMPLETED_SUCCESS``.
        description: of the status, by Alma's code table.
        verdict: whether that is a success.
        counters: the lines of its report.
        alerts: Alma's messages on it.
        seconds: how long it ran; None where that is not known.
        usual: how long runs of the job take, in seconds: the median of those that almajob has followed; None
            where there are none.
    """

    status: str
    verdict: ObservedVerdict
    description: str = ""
    counters: tuple[ObservedCounter, ...] = ()
    alerts: tuple[ObservedAlert, ...] = ()
    seconds: float | None = None
    usual: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Late(Event):
    """A run that goes on for much longer than is usual for its job, or a scheduled start that was not made.

    Attributes:
        seconds: for how long it has run; since when the start was due.
        usual: how long runs of the job take, in seconds: the median of those that almajob has followed; 0
            where there are none.
        limit: after how many seconds it counts as late, by ``late_after`` of the configuration file.
        saved_run: the saved run that has not started by the time of its schedule; empty for a run that goes
            on. ``run`` has no ids then.
        due: when it should have started; None for a run that goes on.
    """

    seconds: float
    usual: float
    limit: float = 0.0
    saved_run: str = ""
    due: datetime | None = None


EVENTS: Mapping[str, type[Event]] = {
    "start_recorded": StartRecorded,
    "start_unknown": StartUnknown,
    "run_ended": RunEnded,
    "late": Late,
}
"""The kinds of events, by the methods of an observer that are called with them."""
_MEMBERS: Mapping[str, type[Any]] = {
    "run": ObservedRun,
    "environment": ObservedEnvironment,
    "verdict": ObservedVerdict,
    "counters": ObservedCounter,
    "alerts": ObservedAlert,
}
_TIMES = ("at", "created_at", "submit_time", "due")


def encode_event(event: Event) -> dict[str, Any]:
    """Return an event in the form of JSON."""
    members: dict[str, Any] = _encode(asdict(event))
    return members


def _encode(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _encode(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


def decode_event(kind: str, raw: Mapping[str, Any]) -> Event:
    """Read what ``encode_event`` made; members that this almajob does not know are passed over.

    Args:
        kind: the name of a method.
    """
    event: Event = _decode(EVENTS[kind], raw)
    return event


def _decode(kind: Any, raw: Mapping[str, Any]) -> Any:
    known = [each.name for each in fields(kind) if each.name in raw]
    return kind(**{name: _decode_member(name, raw[name]) for name in known})


def _decode_member(name: str, value: Any) -> Any:
    if value is not None and name in _TIMES:
        return datetime.fromisoformat(value)
    if name not in _MEMBERS:
        return tuple(value) if isinstance(value, list) else value
    if isinstance(value, list):
        return tuple(_decode(_MEMBERS[name], each) for each in value)
    return _decode(_MEMBERS[name], value)
