"""Which facts are events: what the ledger keeps for observers, together with the fact itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from almajob.alma.job_instances import parse_time
from almajob.runs.observers.events import (
    Event,
    Late,
    ObservedAlert,
    ObservedCounter,
    ObservedEnvironment,
    ObservedRun,
    ObservedVerdict,
    RunEnded,
    StartRecorded,
    StartUnknown,
)
from almajob.runs.run import End, Run
from almajob.runs.wait.lateness import LATE, Lateness
from almajob.runs.wait.missed_starts import MissedStart
from almajob.store.ledger.record import Record, State
from almajob.system import clock as clocks

_UNKNOWN = frozenset({State.UNKNOWN, State.ABSENT, State.AMBIGUOUS})


def list_events(before: Record | None, after: Record, details: Any) -> Iterator[tuple[str, Event]]:
    """Return the events that a change of a record is, in order, each with the method that is called with it.

    Args:
        before: the record as it was kept; None where it was not.
        details: an ``End`` that was seen, or a ``Lateness``; anything else says nothing.
    """
    was = frozenset(past.state for past in before.trail) if before else frozenset()
    found = [(past.state, past) for past in after.trail if past.state not in was]
    # Whatever is not known of a start is news once.
    unknown = [past for state, past in found if state in _UNKNOWN and not was & _UNKNOWN]
    if unknown:
        yield (
            "start_unknown",
            StartUnknown(reason=unknown[0].reason, **_make_shared(after, "start_unknown", unknown[0].at)),
        )
    if after.has_run and not (before and before.has_run):
        last = after.trail[-1]
        yield (
            "start_recorded",
            StartRecorded(reason=last.reason, **_make_shared(after, "start_recorded", last.at)),
        )
    if isinstance(details, End) and after.end_status and not (before and before.end_status):
        yield "run_ended", _make_run_ended(after, details)
    if isinstance(details, Lateness):
        yield LATE, Late(**details._asdict(), **_make_shared(after, LATE, clocks.system().now()))


class OtherEnd(NamedTuple):
    """The end of a run that the ledger does not have, as nobody started it from here.

    Attributes:
        run: as it was seen to have ended, with its verdict.
        kind: of its environment.
    """

    run: Run
    kind: str


def list_other_events(details: Any) -> Iterator[tuple[str, Event]]:
    """Return the events that something is which is of no record, each with the method that is called with it.

    Args:
        details: an ``OtherEnd`` or a ``MissedStart``; anything else says nothing.
    """
    if isinstance(details, OtherEnd):
        yield "run_ended", _make_other_end(details)
    if isinstance(details, MissedStart):
        yield LATE, _make_missed(details)


def _make_missed(missed: MissedStart) -> Late:
    return Late(
        id=missed.id,
        at=_to_utc(clocks.system().now()),
        run=ObservedRun(
            id="",
            job_id=missed.job_id,
            job_name=missed.job_name,
            run_key=missed.run_key,
            instance_id="",
            notify=missed.notify,
        ),
        environment=ObservedEnvironment(missed.environment, missed.kind),
        seconds=missed.seconds,
        usual=0.0,
        saved_run=missed.name,
        due=missed.due.astimezone(UTC),
    )


def _make_other_end(end: OtherEnd) -> RunEnded:
    instance, job = end.run.instance, end.run.instance.job
    submitted = instance.submit_time
    run = ObservedRun(
        id="",
        job_id=job.id if job else "",
        job_name=job.name if job else instance.name,
        run_key="",
        instance_id=instance.id,
        submit_time=submitted if isinstance(submitted, datetime) else None,
    )
    shared = {
        "id": f"{end.run.environment}:{instance.id}:run_ended",
        "at": _to_utc(clocks.system().now()),
        "run": run,
        "environment": ObservedEnvironment(end.run.environment, end.kind),
    }
    return _describe_end(End(end.run), shared)


def _make_run_ended(record: Record, end: End) -> RunEnded:
    return _describe_end(end, _make_shared(record, "run_ended", clocks.system().now()))


def _describe_end(end: End, shared: Mapping[str, Any]) -> RunEnded:
    run = end.run
    instance, error = run.instance, run.verdict
    verdict = ObservedVerdict(
        error is None,
        error.message if error else "",
        error.reason if error else "",
        run.is_nothing,
        error.hint if error else "",
    )
    return RunEnded(
        status=instance.status.value,
        description=run.description,
        verdict=verdict,
        counters=tuple(
            ObservedCounter(counter.type.value, counter.type.desc, counter.value)
            for counter in instance.counters
        ),
        alerts=tuple(ObservedAlert(alert.value, alert.desc) for alert in instance.alerts),
        seconds=instance.seconds,
        usual=end.usual,
        **shared,
    )


def _make_shared(record: Record, kind: str, at: float) -> dict[str, Any]:
    """Return what all kinds of events have."""
    submitted = parse_time(record.submit_time)
    run = ObservedRun(
        id=record.id,
        job_id=record.job_id,
        job_name=record.job_name,
        run_key=record.run_key,
        instance_id=record.instance_id,
        state=record.state.value,
        certainty=record.certainty.value,
        tag=record.tag,
        created_at=_to_utc(record.created_at),
        submit_time=submitted if isinstance(submitted, datetime) else None,
        notify=record.notify,
    )
    environment = ObservedEnvironment(record.environment, record.kind)
    return {"id": f"{record.id}:{kind}", "at": _to_utc(at), "run": run, "environment": environment}


def _to_utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
