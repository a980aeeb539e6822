"""Saved runs with a schedule that did not start by its time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from almajob.config.environments import text_of
from almajob.config.ini_sections import read_notify
from almajob.config.saved_runs import Saved
from almajob.config.settings import Settings
from almajob.runs.run_key import make_schedule_key
from almajob.runs.run_reference import SHORT_WAIT
from almajob.runs.saved_run import ID_AND_NAME
from almajob.runs.saved_schedule import expected_times, list_scheduled
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Record

GRACE = timedelta(minutes=10)
"""How long after its time a start is not late yet; the splay comes on top."""
_OLDEST = timedelta(days=7)


class MissedStart(NamedTuple):
    """A start that should have been made.

    Attributes:
        name: of the saved run.
        kind: of the environment.
        job_id: empty where the saved run names only the job's name, or what may be either.
        job_name: the job's name, or what the saved run calls it.
        run_key: that the start would have had.
        notify: whom the saved run wants to be notified.
        due: the time of the schedule.
        seconds: since then.
    """

    name: str
    environment: str
    kind: str
    job_id: str
    job_name: str
    run_key: str
    notify: tuple[str, ...]
    due: datetime
    seconds: float

    @property
    def id(self) -> str:
        """Names it for good."""
        return f"{self.environment}:{self.run_key}:late"


class Expected(NamedTuple):
    """When a saved run should have been started.

    Attributes:
        name: of the saved run.
        at: its schedule, as it was written.
        job_id: empty where the saved run names only the job's name, or what may be either.
        job_name: the job's name, or what the saved run calls it.
        due: the times of the schedule, in order.
    """

    name: str
    at: str
    job_id: str
    job_name: str
    due: list[datetime]


def list_expected(settings: Settings, environment: str, since: datetime, until: datetime) -> list[Expected]:
    """List when the saved runs of an environment should have been started, but for what is not late yet.

    Raises:
        ConfigurationError: a saved run is wrong.
    """
    found = []
    for saved, named, schedule in list_scheduled(settings, environment):
        due = expected_times(saved, named, since, until - GRACE - timedelta(seconds=schedule.splay))
        found.append(Expected(saved.name, schedule.at, *_read_job(saved, named), due))
    return found


def list_missed(settings: Settings, ledger: Ledger, environment: str, now: datetime) -> list[MissedStart]:
    """List the saved runs that were not started at the last time of their schedule.

    A start of the same job by other means counts as well: what matters is that the job ran.

    Args:
        environment: look at this one only; at all where not given.

    Raises:
        ConfigurationError: a saved run is wrong.
        LedgerUnusable: the ledger cannot be read.
    """
    found = []
    for saved, named, schedule in list_scheduled(settings, environment):
        latest = now - GRACE - timedelta(seconds=schedule.splay)
        due = expected_times(saved, named, now - _OLDEST, latest)[-1:]
        kind = settings.environment(named).kind
        missed = [_make_start(saved, named, kind, each, now) for each in due]
        with ledger.read() as view:
            found += [each for each in missed if not _is_made(each, view.list_since(each.due.timestamp()))]
    return found


def announce_missed(ledger: Ledger, missed: Iterable[MissedStart]) -> None:
    """Announce each start that was not made to observers, once."""
    for each in missed if ledger.is_observed else ():
        with suppress(LedgerUnusable):
            ledger.announce_other(each.id, each, wait=SHORT_WAIT)


def _make_start(saved: Saved, environment: str, kind: str, due: datetime, now: datetime) -> MissedStart:
    job_id, job_name = _read_job(saved, environment)
    return MissedStart(
        name=saved.name,
        environment=environment,
        kind=kind,
        job_id=job_id,
        job_name=job_name,
        run_key=make_schedule_key(saved.name, due),
        notify=tuple(read_notify(saved.of(environment))),
        due=due,
        seconds=(now - due).total_seconds(),
    )


def _read_job(saved: Saved, environment: str) -> tuple[str, str]:
    """Return the id of a saved run's job, where it is certain to be one, and its name."""
    job = text_of(saved.of(environment), "job")
    both = re.fullmatch(ID_AND_NAME, job)
    return (both[1], both[2]) if both else ("", job)


def _is_made(start: MissedStart, records: Iterable[Record]) -> bool:
    names = {start.job_id, start.job_name} - {""}
    return any(
        record.environment == start.environment
        and (record.has_run or record.is_open)
        and (record.run_key == start.run_key or bool(names & {record.job_id, record.job_name}))
        for record in records
    )
