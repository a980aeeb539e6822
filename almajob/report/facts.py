"""All that a report has of an environment, as one value: counted here, shown as a page or as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from statistics import median

from almajob.alma.models import Job
from almajob.alma.rate_limit.quota import Quota
from almajob.config.environments import LateAfter
from almajob.errors import AlmajobError
from almajob.jobs.bad_end import list_next_steps, list_reasons
from almajob.jobs.history import Period
from almajob.report.missing import Missing, find_missed_times, find_unusual_days
from almajob.report.outcomes import Listed, Outcome, classify, count_outcomes, get_submit_time
from almajob.runs.run import Run
from almajob.runs.wait.lateness import find_lateness
from almajob.runs.wait.missed_starts import Expected
from almajob.store.ledger.record import Record

_REMEMBERED = 10
"""How many earlier runs say how long one usually takes, as where a run is waited for."""
_FEWEST_FOR_TREND = 8
_NOTABLE_CHANGE = 0.2
_NOTABLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that did not end well, with what helps.

    Attributes:
        reasons: why, by its report.
        steps: what to do next.
    """

    listed: Listed
    reasons: tuple[str, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """Whether runs of a job take longer than they did.

    Attributes:
        word: slower, faster or steady.
        change: of the median, from the older half of the good runs to the newer one; 0.5 is half more.
    """

    word: str
    change: float


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a report has of a job.

    Attributes:
        runs: the newest first.
        counts: of its runs, by outcome.
        last: the run that ended last; None where none did.
        success_rate: what part of the ended runs ended well; None where none ended, or not all are listed.
        median, longest: of the runs that ended well, in seconds; None where nobody knows.
        trend: None where there are too few runs.
    """

    job: Job
    runs: tuple[Listed, ...]
    counts: Mapping[Outcome, int]
    last: Listed | None
    success_rate: float | None
    median: float | None
    longest: float | None
    trend: Trend | None

    @property
    def is_late(self) -> bool:
        """Whether a run that goes on, or else the last one, takes or took longer than usual."""
        going_on = [each for each in self.runs if each.outcome is Outcome.RUNNING]
        current = going_on or ([self.last] if self.last else [])
        return any(each.usual is not None for each in current)


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """What a report has of an environment.

    Attributes:
        kind: sandbox or production; empty where nobody knows.
        zone: in which times are shown; None for that of this machine.
        filters: options that leave out runs, so that nothing is said of rates and of what did not run.
        runs: the newest first, those that go on on top.
        jobs: those that have runs; those with failures first.
        open_starts: made from here, without a known outcome.
        missing: what did not run though it usually does, or should.
        quota: the API calls that are left; None where nobody counts.
        unread: jobs whose runs could not be read.
        error: why nothing could be read of it.
    """

    name: str
    kind: str
    now: datetime
    zone: tzinfo | None
    period: Period
    filters: tuple[str, ...] = ()
    runs: tuple[Listed, ...] = ()
    jobs: tuple[JobFacts, ...] = ()
    failures: tuple[Failure, ...] = ()
    open_starts: tuple[Record, ...] = ()
    missing: tuple[Missing, ...] = ()
    quota: Quota | None = None
    unread: tuple[Job, ...] = ()
    error: AlmajobError | None = None

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """How many runs there are of each outcome."""
        return count_outcomes(self.runs)

    @property
    def success_rate(self) -> float | None:
        """What part of the ended runs ended well."""
        return None if self.filters else _rate(self.counts)

    @property
    def late(self) -> tuple[Listed, ...]:
        """The runs that go on for longer than is usual."""
        return tuple(each for each in self.runs if each.outcome is Outcome.RUNNING and each.usual is not None)


def build_facts(
    *,
    name: str,
    kind: str,
    now: datetime,
    zone: tzinfo | None,
    period: Period,
    runs: Sequence[Run],
    filters: Sequence[str] = (),
    records: Iterable[Record] = (),
    open_starts: Sequence[Record] = (),
    expected: Sequence[Expected] = (),
    quota: Quota | None = None,
    unread: Sequence[Job] = (),
    late_after: Callable[[str, str], LateAfter] = lambda _job_id, _job_name: LateAfter(),
    program: str = "almajob",
) -> EnvironmentFacts:
    """Count and judge what was read of an environment; asks nobody.

    Args:
        runs: in the order of ``almajob history``.
        records: of the ledger, of those runs that did not end well.
        expected: when saved runs should have been started.
        unread: jobs whose runs could not be read.
        late_after: when a run of a job counts as late, by the job's id and name.
        program: how almajob is called for the environment.
    """
    of_jobs: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        job = run.instance.job or Job("", run.instance.name)
        of_jobs.setdefault((job.id, job.name), []).append(run)
    listed = {
        id(each.run): each
        for (job_id, job_name), found in of_jobs.items()
        for each in _list_with_lateness(found, late_after(job_id, job_name), now)
    }
    in_order = tuple(listed[id(run)] for run in runs)
    jobs = [_make_job([listed[id(run)] for run in found], is_whole=not filters) for found in of_jobs.values()]
    jobs.sort(key=_rank_job)
    keyed = {record.instance_id for record in records if record.is_named}
    missing: list[Missing] = []
    if not filters:
        missing = find_missed_times(expected, in_order, open_starts)
        scheduled = {text for start in expected for text in (start.job_id, start.job_name) if text}
        others = [each for each in jobs if scheduled.isdisjoint({each.job.id, each.job.name})]
        for each in others:
            missing += find_unusual_days(each.job, each.runs, period, now, zone)
        missing.sort(key=lambda found: found.expected[-1], reverse=True)
    return EnvironmentFacts(
        name=name,
        kind=kind,
        now=now,
        zone=zone,
        period=period,
        filters=tuple(filters),
        runs=in_order,
        jobs=tuple(jobs),
        failures=tuple(_explain(each, program, keyed) for each in in_order if each.outcome is Outcome.BAD),
        open_starts=tuple(open_starts),
        missing=tuple(missing),
        quota=quota,
        unread=tuple(unread),
    )


def _list_with_lateness(runs: Sequence[Run], late_after: LateAfter, now: datetime) -> list[Listed]:
    """Find which runs of a job took longer than those before them, or go on for longer."""
    found = []
    earlier: list[float] = []
    for run in sorted(runs, key=get_submit_time):
        plain = Listed(run, classify(run), run.instance.seconds)
        age = plain.measure_age(now)
        late = None if age is None else find_lateness(age, earlier[-_REMEMBERED:], late_after)
        found.append(replace(plain, usual=late.usual) if late else plain)
        if plain.outcome in (Outcome.GOOD, Outcome.WARNING) and age is not None:
            earlier.append(age)
    return found


def _make_job(runs: list[Listed], *, is_whole: bool) -> JobFacts:
    runs = sorted(runs, key=lambda each: get_submit_time(each.run), reverse=True)
    counts = count_outcomes(runs)
    well = (Outcome.GOOD, Outcome.WARNING)
    seconds = [each.seconds for each in runs if each.outcome in well]
    known = [each for each in seconds if each is not None]
    ended = [each for each in runs if each.outcome is not Outcome.RUNNING]
    return JobFacts(
        job=runs[0].job,
        runs=tuple(runs),
        counts=counts,
        last=max(ended, key=_end_time, default=None),
        success_rate=_rate(counts) if is_whole else None,
        median=median(known) if known else None,
        longest=max(known, default=None),
        trend=find_trend(known[::-1]),
    )


def find_trend(seconds: Sequence[float]) -> Trend | None:
    """Compare how long the newer half of runs took with the older half; None where they are too few.

    Args:
        seconds: the oldest first.
    """
    if len(seconds) < _FEWEST_FOR_TREND:
        return None
    half = len(seconds) // 2
    before, after = median(seconds[:half]), median(seconds[-half:])
    change = after / before - 1 if before else 0.0
    if abs(change) < _NOTABLE_CHANGE or abs(after - before) < _NOTABLE_SECONDS:
        return Trend("steady", change)
    return Trend("slower" if change > 0 else "faster", change)


def _explain(listed: Listed, program: str, keyed: set[str]) -> Failure:
    instance = listed.instance
    reasons = tuple(list_reasons(instance))
    if not reasons and listed.run.verdict is not None:
        reasons = tuple(filter(None, [listed.run.verdict.reason]))
    steps = list_next_steps(instance, program=program, has_key=instance.id in keyed)
    return Failure(listed, reasons, tuple(steps))


def _rate(counts: Mapping[Outcome, int]) -> float | None:
    ended = sum(counts.values()) - counts[Outcome.RUNNING]
    return (ended - counts[Outcome.BAD]) / ended if ended else None


def _rank_job(job: JobFacts) -> tuple[bool, float, str]:
    newest = get_submit_time(job.runs[0].run)
    return not job.counts[Outcome.BAD], -newest, job.job.id


def _end_time(listed: Listed) -> datetime:
    when = listed.instance.end_time
    return when if isinstance(when, datetime) else listed.submitted or datetime.fromtimestamp(0, UTC)
