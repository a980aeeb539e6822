"""The runs of many jobs, with as few calls as can be: of what is kept, only what is new is asked for."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import chain, islice
from typing import NamedTuple

from almajob.alma.client import Alma
from almajob.alma.job_instances import Instance
from almajob.alma.list_pages import MOST_PAGES
from almajob.alma.models import Job
from almajob.alma.status_codes import is_good
from almajob.errors import AlmaFailed, AlmajobError, AlmaRefused, CallsUsedUp, PartlyDone
from almajob.jobs.history import Period, put_in_order, read_history, with_job
from almajob.jobs.kept_runs import JobRuns, KeptRuns, Row, is_settled, make_row, submitted_at
from almajob.system import clock as clocks
from almajob.text.busy import count_items

LOG = logging.getLogger(__name__)

LAG = 3600.0
"""Seconds after which a run that was submitted is listed for sure; until then it is looked for again."""
_BELIEVED = 86400.0
"""Seconds for which what Alma said of the past is believed, as its job list is."""
_OLD = 30 * 86400.0
_RESERVED = 100
"""Calls of the day that are left to starts where several jobs are read."""
_REMEMBERED = 50
"""Runs of which the usual duration is made."""
_SHOWN = 5
_ALWAYS = float("-inf")


class EndRecords(NamedTuple):
    """What a webhook listener knows.

    Attributes:
        since: all ends since then are there, in seconds since the epoch by this machine's clock.
        heard_at: when Alma sent the last message.
        ends: the runs that have ended, and some that did so before.
    """

    since: float
    heard_at: float
    ends: Sequence[Instance]


class Unread(NamedTuple):
    """A job whose runs were not read, and why."""

    job: Job
    error: AlmajobError


@dataclass
class FoundRuns:
    """The runs of some jobs.

    Attributes:
        runs: those that have not ended, then the newest first.
        durations: how long runs of each job took that ended well, in seconds, by the job's id; the newest
            first, also of runs that were not asked for.
        unread: the jobs whose runs could not be read, in the order in which they were asked for.
        unasked: how many jobs were not asked for, as a webhook listener knows their runs.
    """

    runs: list[Instance] = field(default_factory=list)
    durations: dict[str, list[float]] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    unasked: int = 0

    @property
    def verdict(self) -> AlmajobError | None:
        """Return what ends a command that has shown the runs; None where all jobs were read."""
        if not self.unread:
            return None
        first = self.unread[0].error
        named = ", ".join(f"{each.job.name} ({each.job.id})" for each in self.unread[:_SHOWN])
        more = f" and {len(self.unread) - _SHOWN} more" if len(self.unread) > _SHOWN else ""
        jobs = "1 job" if len(self.unread) == 1 else f"{len(self.unread)} jobs"
        return PartlyDone(
            f"The runs of {jobs} were not read: {named}{more}.",
            reason=first.message,
            hint=first.hint,
            alma=first.alma,
        )


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of each job.

    Attributes:
        wanted: which runs.
        limit: how many runs are enough; 0 for all.
        is_wanted: whether a run of the period is wanted.
        records: what a webhook listener knows, where only runs that have ended are wanted.
    """

    wanted: Period
    limit: int
    is_wanted: Callable[[Instance], bool]
    records: EndRecords | None

    @property
    def since(self) -> float:
        return self.wanted.since.timestamp() if self.wanted.since else _ALWAYS

    @property
    def until(self) -> float:
        return self.wanted.until.timestamp() if self.wanted.until else math.inf

    def has(self, run: Instance) -> bool:
        """Whether a run is one of them."""
        return self.wanted.has(run) and self.is_wanted(run)

    def is_enough(self, runs: Iterable[Instance]) -> bool:
        """Whether there are as many runs as are wanted."""
        return bool(self.limit) and sum(1 for _ in islice(filter(self.has, runs), self.limit)) >= self.limit

    def take(self, newest_first: Iterable[Instance]) -> Iterator[Instance]:
        """Take the first runs of a list: those that may be wanted, and those that usual durations need."""
        count = 0
        for place, run in enumerate(newest_first):
            if place >= _REMEMBERED and (self.limit and count >= self.limit):
                return
            count += self.has(run)
            yield run


def read_runs(
    alma: Alma,
    kept: KeptRuns,
    jobs: Sequence[Job],
    wanted: Period,
    *,
    limit: int = 0,
    is_wanted: Callable[[Instance], bool] = lambda _run: True,
    records: EndRecords | None = None,
) -> FoundRuns:
    """Read the runs of some jobs: those that are kept, and from Alma those that are new.

    The jobs that ran last are asked for first, and those that have not run for long last. A job that cannot
    be read keeps no other from being read; where Alma fails altogether, or hardly a call is left for the
    day, the rest is not asked for.

    Args:
        limit: how many of each job, and of all, at most; 0 for all. Those that have not ended are not left
            out.
        is_wanted: whether a run of the period is wanted, such as one that ended well.
        records: what a webhook listener knows, where only runs that have ended are wanted: a job all of whose
            ends it knows is not asked for.

    Raises:
        AlmajobError: none of them could be read.
    """
    question = _Question(wanted, limit, is_wanted, records)
    known = {job.id: kept.find(job.id) for job in jobs}
    ends = _group_ends(records)
    found, seen, asked = FoundRuns(), list[Instance](), 0
    stopped: AlmajobError | None = None

    def count() -> str:
        return count_items("the runs of jobs", asked, len(jobs))

    with alma.busy(count) if len(jobs) > 1 else nullcontext():
        for job in _put_newest_first(jobs, known):
            runs = _find_kept(job, known[job.id], question, ends.get(job.id, ()))
            if runs is None:
                stopped = stopped or (_refuse_last_calls(alma) if len(jobs) > 1 else None)
                try:
                    if stopped is not None:
                        raise stopped
                    runs = _ask(alma, kept, job, known[job.id], question)
                except AlmajobError as error:
                    found.unread.append(Unread(job, error))
                    # What Alma says of one job, it need not say of another.
                    stopped = stopped if isinstance(error, AlmaRefused | AlmaFailed) else error
                    continue
            elif records is not None:
                found.unasked += 1
            found.durations[job.id] = _list_durations(runs)
            seen += filter(question.has, runs)
            asked += 1
    if jobs and len(found.unread) == len(jobs):
        raise found.unread[0].error
    found.runs = put_in_order(seen, limit)
    return found


def _group_ends(records: EndRecords | None) -> Mapping[str, Sequence[Instance]]:
    found: dict[str, list[Instance]] = {}
    for run in records.ends if records else ():
        if run.job is not None:
            found.setdefault(run.job.id, []).append(run)
    return found


def _put_newest_first(jobs: Sequence[Job], known: Mapping[str, JobRuns | None]) -> list[Job]:
    """Put the jobs that ran last first, those of which nothing is known next, and those long ago last."""
    old = clocks.system().now() - _OLD

    def rank(job: Job) -> tuple[int, float]:
        of_job = known[job.id]
        if of_job is None:
            return 1, 0.0
        return (0 if of_job.newest > old else 2), -of_job.newest

    return sorted(dict.fromkeys(jobs), key=rank)


def _refuse_last_calls(alma: Alma) -> AlmajobError | None:
    """Return why no more jobs are asked for today; None where there are calls enough."""
    left = alma.calls_left
    if left is None or left > _RESERVED:
        return None
    return CallsUsedUp(
        f"Alma has {left:,} API calls left for today.",
        reason=f"The last {_RESERVED} are left to what starts jobs.",
        hint="Name fewer jobs or one, or try again tomorrow. almajob quota shows what is known.",
    )


def _find_kept(
    job: Job, known: JobRuns | None, question: _Question, ends: Sequence[Instance]
) -> list[Instance] | None:
    """Return what is kept of a job's runs, where Alma need not be asked; else None."""
    if known is None or not _reaches(known, job, question):
        return None
    records, age = question.records, time.time() - known.asked_at
    if age < 0:
        # It was asked while the clock was wrong.
        return None
    if records is not None and records.since <= known.asked_at:
        return _join(_take_settled(known, job, question), ends, known.list_unsettled(job))
    if question.until <= known.until and age < _BELIEVED:
        return list(_take_settled(known, job, question))
    return None


def _take_settled(known: JobRuns, job: Job, question: _Question) -> Iterator[Instance]:
    return question.take(known.list_settled(job, question.since, least=_REMEMBERED))


def _reaches(known: JobRuns, job: Job, question: _Question) -> bool:
    """Whether what is kept goes back as far as it is asked for, or has runs enough."""
    return known.since <= question.since or question.is_enough(known.list_settled(job))


def _join(*parts: Iterable[Instance]) -> list[Instance]:
    """Return the runs of several lists, each once, as it stands in the first of them."""
    found: dict[str, Instance] = {}
    for run in chain.from_iterable(parts):
        found.setdefault(run.id, run)
    return list(found.values())


def _list_durations(runs: Iterable[Instance]) -> list[float]:
    took = ((run, run.seconds) for run in runs if is_good(run.status.value))
    newest_first = sorted(
        ((submitted_at(run) or 0.0, seconds) for run, seconds in took if seconds is not None), reverse=True
    )
    return [seconds for _at, seconds in newest_first[:_REMEMBERED]]


def _ask(alma: Alma, kept: KeptRuns, job: Job, known: JobRuns | None, question: _Question) -> list[Instance]:
    """Ask Alma for a job's runs: for those that are new, or for all that are wanted; and keep them."""
    if known is not None and _reaches(known, job, question):
        found = _ask_for_new(alma, job, known, question)
        if found is not None:
            runs, changed = found
            if changed is not None:
                kept.keep(job.id, changed)
            return runs
        LOG.debug("Alma lists other runs of %s than are kept: all are read again.", job.id)
    is_long_ago = question.until < clocks.system().now() - _OLD
    if question.wanted.status or is_long_ago:
        # Less is read so, but what is read is no range of times.
        return [
            with_job(run, job)
            for run in read_history(
                *(alma, job.id, question.wanted), limit=question.limit, is_wanted=question.is_wanted
            )
        ]
    listing = _read_listing(alma, job, question.since, question)
    changed = _add(None, listing)
    if changed is not None:
        kept.keep(job.id, changed)
    return list(listing.runs.values())


def _ask_for_new(
    alma: Alma, job: Job, known: JobRuns, question: _Question
) -> tuple[list[Instance], JobRuns | None] | None:
    """Read the runs behind those that are kept, and the newest that is: it shows that Alma is the same.

    Returns:
        All runs, and what is to be kept of them; None where what is kept cannot be believed, as in a sandbox
        that was copied anew from production.
    """
    since = min(known.until, known.rows[0].submitted) if known.rows else known.until
    listing = _read_listing(alma, job, since, None)
    read = {(run.id, submitted_at(run)) for run in listing.runs.values()}
    first = max(since, listing.since)
    settled = {(row.id, row.submitted) for row in known.rows if first <= row.submitted < known.until}
    if settled != {(run_id, at) for run_id, at in read if at is not None and first <= at < known.until}:
        return None
    runs = _join(_take_settled(known, job, question), listing.runs.values())
    return runs, _add(known, listing)


class _Listing(NamedTuple):
    """What Alma lists of a job.

    Attributes:
        runs: by their Process IDs.
        since: all that were submitted then or later are there.
        clock: Alma's time when it began to answer, or a little less.
        asked_at: when it was asked, by this machine's clock.
        is_sure: whether it proves that there are no others.
    """

    runs: dict[str, Instance]
    since: float
    clock: float
    asked_at: float
    is_sure: bool


def _read_listing(alma: Alma, job: Job, since: float, question: _Question | None) -> _Listing:
    """Read the pages of a job's runs until all that were submitted since a time are there.

    That the newest come first is what Alma does, and documented nowhere: as long as they do, the pages
    behind need not be read.

    Args:
        question: tells when there are enough; None where all are needed.
    """
    asked_at = time.time()
    first_day = _day_before(since)
    runs: dict[str, Instance] = {}
    offset, total, clock = 0, None, None
    is_sure, is_sorted = True, True
    newest, oldest, begin = _ALWAYS, math.inf, since
    for _page in range(MOST_PAGES):
        with alma.busy(partial(count_items, "runs", offset, total), is_minor=True):
            page, reading = alma.instances_page(job.id, since=first_day, offset=offset)
        if offset == 0:
            clock = None if reading.clock is None else reading.clock - reading.clock_error
        is_sure = is_sure and not reading.is_replayed
        for run in page.items:
            at = submitted_at(run)
            if at is None or not run.id:
                is_sure = False
            else:
                is_sorted = is_sorted and at <= oldest
                oldest, newest = min(oldest, at), max(newest, at)
            runs.setdefault(run.id, with_job(run, job))
        offset += len(page.items)
        total = page.total
        if not page.items or offset == total:
            break
        if is_sorted and (oldest < since or (question is not None and question.is_enough(runs.values()))):
            # Another one may have been submitted at the same moment as the last.
            begin, total = max(since, math.nextafter(oldest, math.inf)), len(runs)
            break
    if offset < (total or 0):
        LOG.warning("Alma counts %d runs of %s and listed %d.", total, job.name, offset)
    # Pages that shift while they are read have a run twice, and fewer runs than Alma counts.
    is_sure = is_sure and total is not None and len(runs) >= total
    return _Listing(runs, begin, newest if clock is None else clock, asked_at, is_sure)


def _add(known: JobRuns | None, listing: _Listing) -> JobRuns | None:
    """Return what is kept of a job's runs then; None where nothing can be said of them."""
    if not listing.is_sure or listing.clock == _ALWAYS:
        return None
    since, begin = (known.since, known.until) if known else (listing.since, listing.since)
    until, rows = listing.clock - LAG, list[Row]()
    newest = known.newest if known else 0.0
    for run in listing.runs.values():
        at = submitted_at(run)
        if at is None or at < begin:
            continue
        newest = max(newest, at)
        if not is_settled(run, at, listing.clock):
            until = min(until, at)
        if run.has_ended:
            rows.append(make_row(run, at))
    rows.sort(key=lambda row: row.submitted, reverse=True)
    if known is not None:
        rows += known.rows[len(known.rows) - known.count_settled() :]
    return JobRuns(since, max(until, since), listing.asked_at, newest, tuple(rows))


def _day_before(moment: float) -> date | None:
    """Return from which day on Alma lists what was submitted at a moment; None for all that it has.

    In whose time zone Alma counts days is not documented.
    """
    try:
        return datetime.fromtimestamp(moment, UTC).date() - timedelta(days=1)
    except (OverflowError, ValueError, OSError):
        return None
