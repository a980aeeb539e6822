"""What people read of a run: a subject and a text for people, and the same as facts for programs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from almajob.alma.status_codes import Meaning, meaning
from almajob.errors import one_line
from almajob.runs.observers.events import Event, Late, ObservedRun, RunEnded, StartRecorded, StartUnknown
from almajob.text.sanitize import sanitize
from almajob.text.time_format import format_duration, format_utc

KINDS = ("start", "good", "warning", "bad", "unknown", "late")
"""Of what somebody may be notified, as ``on`` of a section has it."""
_TITLES = {
    "start": "Started",
    "good": "Ended well",
    "warning": "Ended with warnings",
    "bad": "FAILED",
    "unknown": "UNKNOWN whether started",
    "late": "LATE",
}
_GOOD = frozenset({Meaning.SUCCESS, Meaning.NOTHING_TO_DO})
_MOST_LINES = 50
_LONGEST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class Notification:
    """What people are notified of: an event of a run.

    Attributes:
        id: names it for good: one that is sent again, as nobody knows whether it arrived, has the same one.
        kind: ``start``, ``good``, ``warning``, ``bad``, ``unknown`` or ``late``.
        subject: one line.
        text: enough to act on, of several lines.
        facts: the same for programs, in the form of JSON.
    """

    id: str
    kind: str
    subject: str
    text: str
    facts: Mapping[str, Any]


def classify(event: Event) -> str:
    """Return the kind of a notification about an event."""
    if isinstance(event, RunEnded):
        if not event.verdict.is_good:
            return "bad"
        return "good" if meaning(event.status) in _GOOD else "warning"
    if isinstance(event, StartUnknown):
        return "unknown"
    return "late" if isinstance(event, Late) else "start"


def make_notification(event: Event, ini_file: str = "") -> Notification:
    """Make the notification about an event.

    Args:
        ini_file: the configuration file that a command must name; empty where it need not.
    """
    kind, run = classify(event), event.run
    subject = _shorten(f"{_TITLES[kind]}: {_name_job(run)} ({event.environment.name})")
    program = ["almajob", *(["--ini-file", ini_file] if ini_file else []), "--env", event.environment.name]
    lines = [_word_fact(event, kind), "", *_list_details(event)]
    steps = _list_steps(event, shlex.join(program))
    text = "\n".join([*lines, "", "What to do:", *(f"  {step}" for step in steps)])
    facts = {**_list_facts(event, kind), "subject": subject, "text": text}
    return Notification(event.id, kind, subject, text, facts)


def _name_job(run: ObservedRun) -> str:
    return one_line(run.job_name or run.job_id)


def _shorten(subject: str) -> str:
    line = sanitize(one_line(subject))
    return line if len(line) <= _LONGEST_SUBJECT else f"{line[: _LONGEST_SUBJECT - 1]}…"


def _word_fact(event: Event, kind: str) -> str:
    job = f"The job {_name_job(event.run)}"
    match event:
        case RunEnded():
            return event.verdict.message or f"{job} {_TITLES[kind].lower()}."
        case StartUnknown():
            return f"It is unknown whether {job[0].lower()}{job[1:]} was started: {_sentence(event.reason)}"
        case Late(saved_run=saved, due=due) if due is not None:
            return f"The saved run {one_line(saved)} was due at {_show_time(due)}, and has not started."
        case Late():
            compared = f"usually takes {format_duration(event.usual)}"
            if not event.usual:
                compared = f"was to end within {format_duration(event.limit)}"
            return f"{job} has run for {format_duration(event.seconds)}, and {compared}. It goes on in Alma."
        case StartRecorded():
            return f"{job} was started: {_sentence(event.reason)}"
    return f"{job}: {kind}."


def _sentence(reason: str) -> str:
    return f"{one_line(reason).rstrip('.')}."


def _list_details(event: Event) -> Iterator[str]:
    run = event.run
    yield f"Job:          {_name_job(run)}{f' ({one_line(run.job_id)})' if run.job_id else ''}"
    kind = f" ({event.environment.kind})" if event.environment.kind != event.environment.name else ""
    yield f"Environment:  {one_line(event.environment.name)}{kind if event.environment.kind else ''}"
    if run.instance_id:
        yield f"Process ID:   {one_line(run.instance_id)}"
    yield f"Run key:      {one_line(run.run_key)}"
    if run.submit_time is not None:
        yield f"Submitted:    {_show_time(run.submit_time)}"
    if not isinstance(event, RunEnded):
        return
    yield f"Status:       {event.status}{f' ({one_line(event.description)})' if event.description else ''}"
    if event.seconds is not None:
        usual = f" (usually {format_duration(event.usual)})" if event.usual is not None else ""
        yield f"Took:         {format_duration(event.seconds)}{usual}"
    if event.verdict.is_nothing:
        yield "There was nothing to do."
    yield from _list_some("Alerts", [one_line(alert.text or alert.code) for alert in event.alerts])
    counters = [
        f"{one_line(counter.text or counter.code).rstrip('.:')}: {one_line(counter.value)}"
        for counter in event.counters
    ]
    yield from _list_some("Counters", counters)


def _list_some(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"{title}:"
        yield from (f"  {line}" for line in lines[:_MOST_LINES])
    if len(lines) > _MOST_LINES:
        yield f"  and {len(lines) - _MOST_LINES} more"


def _list_steps(event: Event, program: str) -> list[str]:
    if isinstance(event, RunEnded) and event.verdict.hint:
        return [one_line(line) for line in event.verdict.hint.splitlines()]
    if isinstance(event, StartUnknown):
        return [
            f"almajob looks for the run. What it has found: {program} runs show {event.run.id}",
            f"To look once more: {program} runs settle {event.run.id}",
        ]
    if isinstance(event, RunEnded):
        return [f"Nothing. Its report: {program} status {event.run.instance_id}"]
    if isinstance(event, Late) and event.saved_run:
        return [
            "To see its last result: almajob schedule list",
            "A start that was made elsewhere, with another ledger, is not known here.",
            f"To start it now: {program} run --saved {shlex.quote(event.saved_run)} --scheduled --wait",
        ]
    return [f"To see how it is doing: {program} status {event.run.instance_id}"]


def _show_time(moment: datetime) -> str:
    return moment.astimezone().isoformat(" ", "seconds")


def _list_facts(event: Event, kind: str) -> dict[str, Any]:
    run = event.run
    facts: dict[str, Any] = {
        "id": event.id,
        "kind": kind,
        "at": format_utc(event.at),
        "environment": event.environment.name,
        "environment_kind": event.environment.kind or None,
        "job_id": run.job_id,
        "job_name": run.job_name,
        "run_id": run.id,
        "run_key": run.run_key,
        "instance_id": run.instance_id or None,
        "state": run.state,
        "certainty": run.certainty,
        "submit_time": format_utc(run.submit_time) if run.submit_time else None,
    }
    if isinstance(event, RunEnded):
        verdict = event.verdict
        facts |= {
            "status": event.status,
            "description": event.description or None,
            "passed": verdict.is_good,
            "nothing": verdict.is_nothing,
            "message": verdict.message or None,
            "reason": verdict.reason or None,
            "counters": [
                {"code": each.code, "text": each.text, "value": each.value} for each in event.counters
            ],
            "alerts": [{"code": each.code, "text": each.text} for each in event.alerts],
            "seconds": event.seconds,
            "usual_seconds": event.usual,
        }
    elif isinstance(event, Late):
        facts |= {
            "seconds": event.seconds,
            "usual_seconds": event.usual or None,
            "saved_run": event.saved_run or None,
            "due": format_utc(event.due) if event.due else None,
        }
    elif isinstance(event, StartUnknown | StartRecorded):
        facts["reason"] = event.reason or None
    return facts
