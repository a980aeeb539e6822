"""Runs of which nobody has seen the end: each is looked at once, to find what is not well."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from almajob.alma.models import Job
from almajob.errors import AlmajobError
from almajob.jobs.history import with_job
from almajob.runs.ledger_queries import read_known
from almajob.runs.run import Run
from almajob.runs.run_reference import SHORT_WAIT
from almajob.runs.wait.follower import Follower
from almajob.runs.wait.lateness import LATE, find_lateness, find_usual
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Record, State
from almajob.system import clock as clocks

OLDEST = 7 * 86400.0
"""The age, in seconds, of a start whose run is not looked at any more."""
_BEING_SENT = 600.0
_CLOCKS_DIFFER = 60.0
ENDED_BADLY, LATE_RUN, UNKNOWN, UNSEEN = "ended badly", "late", "unknown whether started", "cannot be seen"
"""What may not be well."""


class Finding(NamedTuple):
    """A run with which something is not well.

    Attributes:
        what: ``ended badly``, ``late``, ``unknown whether started`` or ``cannot be seen``.
        seconds: for how long it has run; None where nobody knows.
        error: what says so; None where nothing more is to be said.
    """

    record: Record
    what: str
    run: Run | None = None
    seconds: float | None = None
    error: AlmajobError | None = None


def check(follower: Follower, look_at_each: Callable[[Sequence[str]], Iterable[Run]]) -> list[Finding]:
    """Look once at each run without an end, and return what is not well.

    Args:
        follower: judges ends, and knows the ledger.
        look_at_each: looks at runs, by their Process IDs.
    """
    now, here = clocks.system().now(), follower.environment
    with follower.ledger.read() as view:
        opened = [record for record in view.list_open() if record.environment == here]
        recent = [record for record in view.list_since(now - OLDEST) if record.environment == here]
    findings = [Finding(record, UNKNOWN) for record in opened if _is_unknown(record, now)]
    unended = [each for each in recent if each.has_run and not each.end_status and not _is_followed(each)]
    ids, jobs = [each.instance_id for each in unended], [each.job_id for each in unended]
    if not ids:
        return findings
    _known, durations = read_known(follower.ledger, ids, jobs, environment=here, now=now)
    for record, seen in zip(unended, look_at_each(ids), strict=True):
        found = _note(follower, record, seen, durations.get(record.job_id, ()))
        findings += [found] if found else []
    return findings


def _note(follower: Follower, record: Record, seen: Run, earlier: Sequence[float]) -> Finding | None:
    """Remember what is news of a run that was looked at, and return what is not well with it."""
    instance = seen.instance
    if not instance.status.value:
        return Finding(record, UNSEEN, seen, error=seen.verdict)
    run = replace(seen, instance=with_job(instance, Job(record.job_id, record.job_name)), record=record)
    if instance.has_ended:
        judged = follower.judge(replace(run, verdict=None))
        follower.unreported.keep_end(record, judged, find_usual(earlier))
        return (
            Finding(record, ENDED_BADLY, judged, instance.seconds, judged.verdict) if judged.verdict else None
        )
    sent = next((past.at for past in record.trail if past.state is State.SENDING), record.created_at)
    age = max(clocks.system().now() - sent, 0.0)
    lateness = find_lateness(age, earlier, follower.late_after(record.job_id, record.job_name))
    if lateness is None:
        return None
    if follower.ledger.is_observed:
        with suppress(LedgerUnusable):
            follower.ledger.announce_once(record, LATE, lateness, wait=SHORT_WAIT)
    return Finding(record, LATE_RUN, run, age)


def _is_unknown(record: Record, now: float) -> bool:
    """Whether a start may have been made; one that is being sent now will tell."""
    if record.state is State.SENDING:
        return now - record.trail[-1].at > _BEING_SENT
    return record.state is not State.PREPARED


def _is_followed(record: Record) -> bool:
    """Whether the process that made a start is there yet, and sees the end by its own measure."""
    found = re.fullmatch(r"process (\d+) on (.*)", record.holder, re.DOTALL)
    if found is None or found[2] != platform.node() or int(found[1]) == os.getpid():
        return False
    age = _read_age(int(found[1]))
    # A process that is younger has only its number.
    return age is not None and age + _CLOCKS_DIFFER > clocks.system().now() - record.created_at


def _read_age(process: int) -> float | None:
    """Return for how many seconds a process has been there; None where it is not, or nobody can tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        begun = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - begun
    except (OSError, ValueError, LookupError):
        return None
