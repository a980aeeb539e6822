"""Whole lists: every page of the jobs, most of them at once; every page of a job's runs, one by one."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TypeVar

from almajob.alma.client import PAGE, Alma
from almajob.alma.http.response import Reading
from almajob.alma.http.session import ATTEMPTS
from almajob.alma.job_instances import Instance, Page
from almajob.alma.list_pages import MOST_PAGES, read_further_pages
from almajob.alma.models import Job, JobFilter
from almajob.text.busy import Busy, count_items, show_nothing

LOG = logging.getLogger(__name__)
T = TypeVar("T")

_PROCESS_ID = re.compile(r"[0-9]+")


def read_jobs(alma: Alma, wanted: JobFilter) -> tuple[list[Job], bool]:
    """Read every page of the job list.

    The list has no snapshot: while pages are read it can shift, so that one job comes twice and another
    not at all. Jobs are told apart by id; where fewer came than Alma counts, the pages are read once more.

    Returns:
        The jobs in Alma's order, and whether they are all there.
    """
    found: dict[str, Job] = {}
    total = 0
    with alma.busy(lambda: count_items("jobs", len(found), total)):
        for _round in range(2):
            first = alma.jobs_page(wanted, 0)
            further = read_further_pages(partial(alma.jobs_page, wanted), first, attrgetter("id"), MOST_PAGES)
            for page in chain([first], further):
                total = len(page.items) if page.total is None else page.total
                for job in page.items:
                    found.setdefault(job.id, job)
            if len(found) >= total:
                return list(found.values()), True
    LOG.warning(
        "Alma counts %d jobs and listed %d: the list changed while it was read. Try again with --refresh.",
        total,
        len(found),
    )
    return list(found.values()), False


@dataclass(frozen=True, slots=True)
class Listing:
    """A job's runs of some days.

    Attributes:
        instances: each once, the newest first, as Alma gives them.
        is_complete: whether as many came as Alma counts, none behind them, and Alma itself answered.
        is_cached: whether a cache on the way answered instead.
        clock: Alma's time when it began to answer, seconds since the epoch; None where it told none.
        clock_error: seconds by which that may be off.
    """

    instances: tuple[Instance, ...]
    is_complete: bool
    clock: float | None = None
    clock_error: float = 0.0
    is_cached: bool = False


def read_instances(
    alma: Alma,
    job_id: str,
    *,
    since: date,
    until: date,
    patience: float | None = None,
    attempts: int = ATTEMPTS,
) -> Listing:
    """Read every page of a job's runs.

    While pages are read, a new run moves the others on by one: some then come twice, and none is left out.
    Behind a last page that is full one more is read, as a count could end where a page does.

    Args:
        since, until: days of their submission, both included.
        patience: seconds for each call, where the usual time limit is more than it is worth.
        attempts: how often each is tried, where the caller comes back by itself.
    """
    found: dict[str, Instance] = {}
    total: int | None = 1
    offset = 0
    is_full = False
    first: Reading | None = None
    is_cached = False
    while total is not None and (offset < total or is_full) and offset < MOST_PAGES * PAGE:
        page, reading = alma.instances_page(
            job_id, since=since, until=until, offset=offset, patience=patience, attempts=attempts
        )
        first = first or reading
        is_cached |= reading.is_cached
        total = page.total
        offset += len(page.items)
        is_full = len(page.items) >= PAGE
        known = len(found)
        for instance in page.items:
            # One without a usable id is not there, so that the list has a gap.
            if _PROCESS_ID.fullmatch(instance.id):
                found.setdefault(instance.id, instance)
        if len(found) == known:
            # Alma counts more than it lists, or gives one page again and again.
            break
    assert first is not None
    # An answer that counts nothing may be anything; it proves no absence.
    is_complete = total is not None and len(found) >= total and not is_cached
    return Listing(tuple(found.values()), is_complete, first.clock, first.clock_error, is_cached)


def read_pages(page_at: Callable[[int], Page[T]], message: str, busy: Busy = show_nothing) -> Iterator[T]:
    """Read a list page by page, and give each item as soon as it is there.

    Args:
        page_at: reads the page that begins at an offset.
        message: is listed, for the message where fewer came than Alma counts.
        busy: shows people how far it is read, while a page is waited for.
    """
    offset = 0
    total: int | None = None
    for _page in range(MOST_PAGES):
        with busy(partial(count_items, message, offset, total)):
            page = page_at(offset)
        yield from page.items
        offset += len(page.items)
        total = page.total
        # A count that is less than what came says nothing.
        if not page.items or offset == total:
            break
    if total is not None and offset < total:
        LOG.warning("Alma counts %d %s and listed %d.", total, message, offset)
