"""A job's runs as Alma remembers them, cut exactly to the times that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from almajob.alma.client import PAGE, Alma
from almajob.alma.job_instances import Instance, Page
from almajob.alma.models import Job
from almajob.alma.pagination import read_pages

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Which runs are wanted.

    Attributes:
        since: submitted then or later; None for any time.
        until: submitted before; None for any time.
        status: only with this one; empty for any.
    """

    since: datetime | None = None
    until: datetime | None = None
    status: str = ""

    def has(self, instance: Instance) -> bool:
        """Whether a run is one of them; one without a readable time is not left out."""
        if self.status and instance.status.value != self.status:
            return False
        when = instance.submit_time
        if not isinstance(when, datetime):
            return True
        return (self.since is None or self.since <= when) and (self.until is None or when < self.until)


def read_history(
    alma: Alma,
    job_id: str,
    wanted: Period,
    *,
    limit: int = 0,
    is_wanted: Callable[[Instance], bool] = lambda _run: True,
) -> list[Instance]:
    """List a job's runs, those that have not ended on top, then the newest first.

    Alma filters by days, and in whose time zone is not documented: it is asked for a day more on both sides.

    Args:
        limit: how many, at most; 0 for all. Those that have not ended are never left out, as far as Alma
            lists them within the pages that are read for this.
        is_wanted: whether a run of the period is wanted.
    """
    first = _day(wanted.since, -_DAY)
    last = _day(wanted.until, _DAY)

    def page_at(offset: int) -> Page[Instance]:
        return alma.instances_page(job_id, since=first, until=last, status=wanted.status, offset=offset)[0]

    found: dict[str, Instance] = {}
    newest_first = True
    before: datetime | None = None
    for read, instance in enumerate(read_pages(page_at, "runs", alma.busy), start=1):
        when = instance.submit_time
        if isinstance(when, datetime):
            newest_first = newest_first and (before is None or when <= before)
            before = when
        if wanted.has(instance) and is_wanted(instance):
            found.setdefault(instance.id, instance)
        # That the newest come first is what Alma does, and documented nowhere.
        if limit and newest_first and len(found) >= limit and read % PAGE == 0:
            break
    return put_in_order(found.values(), limit)


def with_job(instance: Instance, job: Job | None) -> Instance:
    """Return an instance with its job, where Alma's answer leaves that out."""
    known = instance.job is not None and instance.job.id
    return instance if known or job is None else replace(instance, job=job)


def put_in_order(found: Iterable[Instance], limit: int) -> list[Instance]:
    """Put runs in order: those that have not ended, then the newest first.

    Args:
        limit: how many, at most; 0 for all. Those that have not ended are never left out.
    """
    newest_first = sorted(found, key=_place_in_time, reverse=True)
    running = [item for item in newest_first if not item.has_ended]
    ended = [item for item in newest_first if item.has_ended]
    return running + (ended[: max(limit - len(running), 0)] if limit else ended)


def _day(moment: datetime | None, shift: timedelta) -> date | None:
    try:
        return None if moment is None else moment.astimezone(UTC).date() + shift
    except OverflowError:
        return None


def _place_in_time(instance: Instance) -> tuple[float, int, str]:
    """Return what runs are sorted by: of those that were submitted at once, Alma counts on in their ids."""
    when = instance.submit_time
    return when.timestamp() if isinstance(when, datetime) else 0.0, len(instance.id), instance.id
