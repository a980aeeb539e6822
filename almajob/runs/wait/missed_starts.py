"""Saved runs with a schedule that did not start by its time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from almajob.config.environments import text_of
from almajob.config.saved_runs import Saved
from almajob.config.settings import Settings
from almajob.runs.run_key import make_schedule_key
from almajob.runs.saved_run import ID_AND_NAME
from almajob.runs.saved_schedule import expected_times, list_scheduled
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import Record

GRACE = timedelta(minutes=10)
"""How long after its time a start is not late yet; the splay comes on top."""
_OLDEST = timedelta(days=7)


class MissedStart(NamedTuple):
    """A start that should have been made.

    Attributes:
        name: of the saved run.
        job: as the saved run names it.
        due: the time of the schedule.
        seconds: since then.
    """

    name: str
    environment: str
    job: str
    due: datetime
    seconds: float


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
        with ledger.read() as view:
            missed = [
                each for each in due if not _is_started(saved, named, each, view.list_since(each.timestamp()))
            ]
        job = text_of(saved.of(named), "job")
        found += [MissedStart(saved.name, named, job, each, (now - each).total_seconds()) for each in missed]
    return found


def _is_started(saved: Saved, environment: str, due: datetime, records: Iterable[Record]) -> bool:
    job = text_of(saved.of(environment), "job")
    both = re.fullmatch(ID_AND_NAME, job)
    names = {job, *(both.groups() if both else ())}
    key = make_schedule_key(saved.name, due)
    return any(
        record.environment == environment
        and (record.has_run or record.is_open)
        and (record.run_key == key or bool(names & {record.job_id, record.job_name}))
        for record in records
    )
