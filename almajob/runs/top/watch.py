"""What runs in one environment, whoever started it: which job Alma is asked for next, and what is seen.

Alma lists the runs of one job a call, and of no more. So a job with a run that goes on is asked for as often
as a wait would look at that run. All jobs are asked for once at first; after that the quiet ones take turns.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from almajob.alma.http.error_responses import NO_SUCH_INSTANCE
from almajob.alma.http.timeouts import AT_ONCE
from almajob.alma.job_instances import Instance
from almajob.alma.models import Job
from almajob.alma.status_codes import is_good
from almajob.errors import AlmaFailed, AlmajobError, AlmaRefused, Unreachable
from almajob.jobs.history import with_job
from almajob.runs.ledger_queries import read_known
from almajob.runs.run import Run
from almajob.runs.run_reference import SHORT_WAIT
from almajob.runs.top.page import GoingOn, Page, Trouble
from almajob.runs.wait import poll_interval
from almajob.runs.wait.follower import Follower
from almajob.runs.wait.lateness import find_lateness, find_usual
from almajob.runs.wait.poller import NOT_VISIBLE_YET, SPACING
from almajob.runs.wait.run_check import OLDEST
from almajob.runs.wait.watched_run import USED_UP, age_of
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Record
from almajob.system import clock as clocks
from almajob.system.clock import Clock
from almajob.text import time_format
from almajob.text.busy import count_items

LOG = logging.getLogger(__name__)

SHOWN_SECONDS = 3600.0
"""For how long a run that had ended before somebody began to watch is shown."""
# Runs of this long ago are listed: those that may go on, and those that tell how long one takes.
_LISTED = timedelta(days=8)
# Seconds: for one call, as the next one is not far.
_PATIENCE = 30.0
# So many jobs are asked for at first as quickly as a wait for many runs looks at them; others take turns.
_MOST_AT_FIRST = 500
# A job that has had a run lately gets so many turns for one of another.
_LIVELY = 10
_LATELY = 2 * 86400.0
_MOST_EARLIER = 10
_MOST_ENDED = 200


class Ask(NamedTuple):
    """Something to be asked, which may take long.

    Attributes:
        work: asks; called in a thread of its own.
        take: notes the answer, or the exception, at the clock's elapsed seconds; called by the owner.
    """

    work: Callable[[], object]
    take: Callable[[object, float], None]


class _Local(NamedTuple):
    """What is known without asking Alma."""

    unclear: tuple[Record, ...]
    unended: tuple[Record, ...]
    ends: tuple[Run, ...]
    overdue: frozenset[str]
    is_told: bool
    calls_left: int | None
    is_thrifty: bool
    problem: str


class _Seen(NamedTuple):
    """The runs of a job as Alma has listed them.

    Attributes:
        going_on: with their ages, in seconds.
        ended: those that are shown.
        over: those that were started from here and do not go on.
        earlier: how long the last ones took, in seconds.
        is_lively: whether there was one lately.
        clock: Alma's time then, in seconds since the epoch.
    """

    going_on: tuple[tuple[Run, float | None], ...]
    ended: tuple[Run, ...]
    over: frozenset[str]
    earlier: tuple[float, ...]
    is_lively: bool
    clock: float


@dataclass(eq=False, slots=True)
class _WatchedJob:
    """A job, and what is known of its runs.

    Attributes:
        place: in the list of all.
        due: when it is asked for next, by the clock's elapsed seconds.
        asked: when it answered last, likewise; None for never.
        changed: when its runs were seen to change, likewise.
        expected: the runs of it that were started from here, and have not been seen to end.
    """

    job: Job
    place: int
    due: float
    changed: float
    asked: float | None = None
    is_under_way: bool = False
    is_lively: bool = False
    going_on: tuple[tuple[Run, float | None], ...] = ()
    earlier: tuple[float, ...] = ()
    expected: dict[str, Record] = field(default_factory=dict)

    @property
    def is_hot(self) -> bool:
        """Whether a run of it goes on, as far as anybody knows."""
        return bool(self.going_on or self.expected)


class Watch:
    """Watches the runs of one environment; sends nothing but GETs, and changes nothing.

    Args:
        follower: knows the environment's Alma, ledger and messages, and judges ends.
        choose_jobs: returns the jobs to be asked for; may call Alma.
        is_all: whether these are all jobs, so that others of which the ledger knows are watched, too.
        is_sole: whether nothing else is watched, so that what does not pass is raised.
        count_calls_left: returns how many calls the day has left, as Alma told last.
        chance: gives numbers from 0 to 1, for the pauses.
    """

    def __init__(
        self,
        follower: Follower,
        choose_jobs: Callable[[], Iterable[Job]],
        *,
        is_all: bool = True,
        is_production: bool = False,
        is_sole: bool = True,
        count_calls_left: Callable[[], int | None] = lambda: None,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._follower = follower
        self._choose_jobs = choose_jobs
        self._is_all = is_all
        self._is_production = is_production
        self._is_sole = is_sole
        self._count_calls_left = count_calls_left
        self._clock = clock or clocks.system()
        self._chance = chance
        self._begun = self._clock.elapsed()
        self._jobs: dict[str, _WatchedJob] | None = None
        self._ended: dict[str, tuple[Run, float]] = {}
        self._over: set[str] = set()
        self._heeded: set[str] = set()
        self._local = _Local(
            (), (), (), frozenset(), is_told=False, calls_left=None, is_thrifty=False, problem=""
        )
        self._next_local = self._next_call = self._next_quiet = self._begun
        self._is_reading = False
        self._under_way = 0
        self._at_first = 0
        self._answered: float | None = None
        self._failures = 0
        self._failing_since = self._failed_at = 0.0
        self._error: AlmajobError | None = None

    def look(self) -> Page:
        """Ask for every job once, not faster than a wait looks, and return what is seen.

        Raises:
            AlmajobError: Alma cannot be asked.
        """
        self._take_local(self._read_local(), self._clock.elapsed())
        self._take_jobs(list(self._choose_jobs()), self._clock.elapsed())
        jobs, asked = list((self._jobs or {}).values()), 0
        with self._follower.alma().busy(lambda: count_items("the runs of jobs", asked, len(jobs))):
            for asked, watched in enumerate(jobs):
                if asked:
                    self._clock.sleep(SPACING)
                try:
                    self._take_seen(watched, self._list_runs(watched), self._clock.elapsed())
                except AlmaRefused as refused:
                    if not _is_of_job(refused):
                        raise
                    LOG.warning(
                        "The runs of %s (%s) are not listed: %s",
                        watched.job.name,
                        watched.job.id,
                        refused.message,
                    )
        return self.page(self._clock.elapsed())

    def next_ask(self, now: float) -> Ask | None:
        """Return what is to be asked now; None where nothing is."""
        if not self._is_reading and now >= self._next_local:
            self._is_reading = True
            return Ask(self._read_local, self._note_local)
        if now < self._find_next_call(now):
            return None
        if self._jobs is None:
            self._begin_call(now)
            return Ask(lambda: list(self._choose_jobs()), self._note_jobs)
        watched = self._pick(now)
        if watched is None:
            return None
        self._begin_call(now)
        watched.is_under_way = True
        if watched.asked is None:
            self._at_first += 1
        if not self._is_quick(watched):
            self._next_quiet = now + self._stretch(poll_interval.SHORTEST)
        return Ask(
            lambda: self._list_runs(watched), lambda answer, at: self._note_seen(watched, answer, at, now)
        )

    def due(self, now: float) -> float:
        """Return when something is to be asked next, by the clock's elapsed seconds, or may be."""
        local = now + poll_interval.SHORTEST if self._is_reading else self._next_local
        return min(local, self._find_next_call(now))

    def page(self, now: float) -> Page:
        """Return what is known now."""
        jobs = list((self._jobs or {}).values())
        shown = [self._describe(watched, *seen, now) for watched in jobs for seen in watched.going_on]
        ended = sorted(self._ended.values(), key=lambda each: each[1], reverse=True)
        trouble = Trouble(self._error, now - self._failing_since) if self._error is not None else None
        ids, next_call = {watched.job.id for watched in jobs}, self._find_next_call(now)
        return Page(
            self._follower.environment,
            self._is_production,
            tuple(sorted(shown, key=lambda each: (not each.is_late, each.age is None, each.age or 0.0))),
            tuple(each for each in self._local.unclear if self._is_all or each.job_id in ids),
            tuple(run for run, _at in ended),
            jobs=None if self._jobs is None else len(jobs),
            asked=sum(watched.asked is not None for watched in jobs),
            calls_left=self._local.calls_left,
            is_thrifty=self._local.is_thrifty,
            next_look=None if self._under_way or math.isinf(next_call) else max(next_call - now, 0.0),
            seen=None if self._answered is None else now - self._answered,
            trouble=trouble,
            ledger_problem=self._local.problem,
        )

    def _begin_call(self, now: float) -> None:
        self._under_way += 1
        self._next_call = now + SPACING

    def _find_next_call(self, now: float) -> float:
        """Return when Alma is called next; infinite as long as that depends on what is under way."""
        # Where Alma is down, one call is enough to see that it is back.
        if self._under_way >= (1 if self._failures else AT_ONCE):
            return math.inf
        if self._jobs is None:
            # What the ledger knows comes first.
            is_early = self._under_way or self._next_local == self._begun
            return math.inf if is_early else self._next_call
        waiting = (watched for watched in self._jobs.values() if not watched.is_under_way)
        return max(min(map(self._due_of, waiting), default=now + poll_interval.LONGEST), self._next_call)

    def _pick(self, now: float) -> _WatchedJob | None:
        """Choose the job that is asked for next: one with a run that goes on, a new one, then the others."""

        def rank(watched: _WatchedJob) -> tuple[int, float]:
            if watched.is_hot:
                return 0, watched.due
            if watched.asked is None:
                return 1, watched.place
            return 2, (watched.asked - now) * (_LIVELY if watched.is_lively else 1)

        free = (watched for watched in (self._jobs or {}).values() if not watched.is_under_way)
        return min((watched for watched in free if self._due_of(watched) <= now), key=rank, default=None)

    def _due_of(self, watched: _WatchedJob) -> float:
        return watched.due if self._is_quick(watched) else max(watched.due, self._next_quiet)

    def _is_quick(self, watched: _WatchedJob) -> bool:
        """Whether a job need not wait for its turn."""
        is_new = watched.asked is None and self._at_first <= _MOST_AT_FIRST and not self._local.is_thrifty
        return watched.is_hot or is_new

    def _pause(self, watched: _WatchedJob, now: float) -> float:
        """Return how long to wait before a job is asked for again, in seconds."""
        if watched.going_on and self._local.is_told:
            return poll_interval.floor_pause(self._chance)
        quiet = now - watched.changed
        ages = [quiet if age is None else age for _run, age in watched.going_on] or [quiet]
        earlier = watched.earlier if watched.going_on else ()
        return self._stretch(min(poll_interval.pause(age, self._chance, earlier) for age in ages))

    def _stretch(self, pause: float) -> float:
        return poll_interval.stretch_pause(pause) if self._local.is_thrifty else pause

    # What is asked, in a thread of its own.

    def _read_local(self) -> _Local:
        """Read what was started from here, and what messages have told."""
        follower, now = self._follower, self._clock.now()
        messages = follower.messages
        is_told = messages is not None and messages.is_relied_on
        opened: list[Record] = []
        unended: list[Record] = []
        problem = ""
        try:
            with follower.ledger.read(wait=SHORT_WAIT) as view:
                here = follower.environment
                opened = [record for record in view.list_open() if record.environment == here]
                recent = [each for each in view.list_since(now - OLDEST) if each.environment == here]
            unended = [each for each in recent if each.has_run and not each.end_status]
        except LedgerUnusable as error:
            problem = error.message
        ends = list(islice(messages.list_ends(), _MOST_ENDED)) if messages and is_told else []
        known = self._ended.keys()
        watched = [run for each in list((self._jobs or {}).values()) for run, _age in each.going_on]
        ids = {run.instance.id for run in watched}
        return _Local(
            tuple(opened),
            tuple(unended),
            tuple(
                follower.describe(end) for end in ends if end.id not in known and self._is_recent(end, now)
            ),
            frozenset(each for each in ids if messages and messages.is_overdue(each))
            if is_told
            else frozenset(),
            is_told,
            self._count_calls_left(),
            follower.alma().is_quota_low,
            problem,
        )

    def _list_runs(self, watched: _WatchedJob) -> _Seen:
        """List the runs of a job: one call, and one for each run from here that is not listed."""
        follower, job, expected = self._follower, watched.job, dict(watched.expected)
        alma, here = follower.alma(), self._clock.now()
        since = time_format.to_local(here).date() - _LISTED
        page, reading = alma.instances_page(job.id, since=since, offset=0, patience=_PATIENCE, attempts=1)
        clock = here if reading.clock is None else reading.clock
        found = {instance.id: with_job(instance, job) for instance in page.items if instance.id}
        for instance_id, record in expected.items():
            if instance_id in found:
                continue
            try:
                found[instance_id] = with_job(alma.look(instance_id, job.id, patience=_PATIENCE)[0], job)
            except AlmaRefused as refused:
                if refused.code != NO_SUCH_INSTANCE:
                    raise
                if here - record.created_at < NOT_VISIBLE_YET:
                    found[instance_id] = Instance(instance_id, job=job)
        going_on = [instance for instance in found.values() if not instance.has_ended]
        # One that was seen to go on has ended now, where Alma tells no time.
        known = {run.instance.id for run, _age in watched.going_on}
        ended = [
            instance
            for instance in found.values()
            if instance.has_ended and (instance.id in known or self._is_recent(instance, clock))
        ]
        return _Seen(
            tuple(
                (follower.describe(each), self._find_age(each, expected.get(each.id), clock))
                for each in going_on
            ),
            tuple(map(follower.describe, ended)),
            frozenset(expected.keys() - {instance.id for instance in going_on}),
            self._find_earlier(found.values(), job) if going_on else watched.earlier,
            any((age_of(each, clock) or 0.0) < _LATELY for each in found.values()),
            clock,
        )

    def _find_age(self, instance: Instance, record: Record | None, clock: float) -> float | None:
        """Return the seconds since a run's submission by Alma's clock; else since its start by ours."""
        age = age_of(instance, clock)
        if age is None and record is not None:
            age = self._clock.now() - record.created_at
        return None if age is None else max(age, 0.0)

    def _find_earlier(self, instances: Iterable[Instance], job: Job) -> tuple[float, ...]:
        """Return how long the last runs took that ended well; by the ledger where Alma lists none."""
        listed = (_find_length(instance) for instance in instances if is_good(instance.status.value))
        found = tuple(islice((length for length in listed if length is not None), _MOST_EARLIER))
        if found:
            return found
        environment = self._follower.environment
        _known, durations = read_known(
            self._follower.ledger, (), [job.id], environment=environment, now=self._clock.now()
        )
        return durations.get(job.id, ())

    def _is_recent(self, instance: Instance, clock: float) -> bool:
        """Whether a run ended so lately that it is shown."""
        end = instance.end_time
        shown = SHOWN_SECONDS + self._clock.elapsed() - self._begun
        return isinstance(end, datetime) and clock - end.timestamp() <= shown

    # What is noted, by whoever owns the watch.

    def _note_local(self, answer: object, now: float) -> None:
        self._is_reading = False
        self._next_local = now + poll_interval.SHORTEST
        if isinstance(answer, _Local):
            self._take_local(answer, now)
        elif isinstance(answer, Exception):
            self._note_failure(answer, now, now)

    def _note_jobs(self, answer: object, now: float) -> None:
        self._under_way -= 1
        if isinstance(answer, list):
            # Perhaps by the cache: Alma need not have answered.
            self._failures, self._error = 0, None
            self._take_jobs(answer, now)
        elif isinstance(answer, Exception):
            self._note_failure(answer, now, now)

    def _note_seen(self, watched: _WatchedJob, answer: object, now: float, begun: float) -> None:
        self._under_way -= 1
        watched.is_under_way = False
        if isinstance(answer, _Seen):
            self._note_answer(now)
            self._take_seen(watched, answer, now)
        elif isinstance(answer, AlmaRefused) and _is_of_job(answer):
            # Alma is there, and the job is not, or not for this key.
            self._note_answer(now)
            watched.asked, watched.due = now, now + poll_interval.LONGEST
            watched.going_on = ()
        elif isinstance(answer, Exception):
            self._note_failure(answer, now, begun)

    def _note_answer(self, now: float) -> None:
        self._answered, self._failures, self._error = now, 0, None

    def _note_failure(self, failure: Exception, now: float, begun: float) -> None:
        """Note that Alma cannot be asked, and when to try again.

        Raises:
            AlmajobError: Alma has not answered yet, and to try again would not help.
        """
        may_pass = isinstance(failure, (Unreachable, AlmaFailed, *USED_UP))
        is_final = isinstance(failure, AlmajobError) and not may_pass and self._answered is None
        if is_final and self._is_sole:
            raise failure
        if not isinstance(failure, AlmajobError):
            # A bug of ours; the jobs go on, and so does the watch.
            LOG.debug("A look failed.", exc_info=failure)
            failure = Unreachable(f"almajob failed on the answer: {type(failure).__name__}.")
        if self._failures and begun < self._failed_at:
            # It was under way when the first one failed.
            return
        if not self._failures:
            self._failing_since = begun
        self._failures += 1
        self._error, self._failed_at = failure, now
        self._next_call = now + poll_interval.retry_pause(self._failures, self._chance)

    def _take_local(self, local: _Local, now: float) -> None:
        if local.problem:
            local = local._replace(unclear=self._local.unclear, unended=self._local.unended)
        self._local = local
        self._expect(now)
        for run in local.ends:
            watched = (self._jobs or {}).get(run.instance.job.id if run.instance.job else "")
            if watched is not None or self._is_all:
                self._keep_end(run, self._clock.now(), now)
            if watched is not None:
                watched.going_on = tuple(
                    each for each in watched.going_on if each[0].instance.id != run.instance.id
                )
        # Once for a message.
        news = local.overdue - self._heeded
        self._heeded |= news
        for watched in (self._jobs or {}).values():
            if news & _ids(watched.going_on):
                watched.due = min(watched.due, now)

    def _take_jobs(self, jobs: Sequence[Job], now: float) -> None:
        self._jobs = {job.id: _WatchedJob(job, place, now, now) for place, job in enumerate(jobs)}
        self._expect(now)

    def _expect(self, now: float) -> None:
        """Note which runs were started from here and have not been seen to end."""
        if self._jobs is None:
            return
        expected: dict[str, dict[str, Record]] = {}
        for record in self._local.unended:
            if record.instance_id not in self._ended and record.instance_id not in self._over:
                expected.setdefault(record.job_id, {})[record.instance_id] = record
                if self._is_all and record.job_id not in self._jobs:
                    job = Job(record.job_id, record.job_name)
                    self._jobs[job.id] = _WatchedJob(job, len(self._jobs), now, now)
        for watched in self._jobs.values():
            news = expected.get(watched.job.id, {})
            if news.keys() - watched.expected.keys() - {run.instance.id for run, _age in watched.going_on}:
                # One that was started just now is looked at soon.
                watched.due, watched.changed = min(watched.due, now), now
            watched.expected = news

    def _take_seen(self, watched: _WatchedJob, seen: _Seen, now: float) -> None:
        if _ids(watched.going_on) != _ids(seen.going_on):
            watched.changed = now
        for run in seen.ended:
            self._keep_end(run, seen.clock, now)
        self._over |= seen.over
        for instance_id in seen.over:
            watched.expected.pop(instance_id, None)
        watched.going_on = seen.going_on
        watched.earlier, watched.is_lively = seen.earlier, seen.is_lively
        watched.asked = now
        watched.due = now + self._pause(watched, now)

    def _keep_end(self, run: Run, clock: float, now: float) -> None:
        end = run.instance.end_time
        ago = max(clock - end.timestamp(), 0.0) if isinstance(end, datetime) else 0.0
        self._ended.setdefault(run.instance.id, (run, now - ago))
        if len(self._ended) > _MOST_ENDED:
            del self._ended[min(self._ended, key=lambda key: self._ended[key][1])]

    def _describe(self, watched: _WatchedJob, run: Run, age: float | None, now: float) -> GoingOn:
        if age is not None and watched.asked is not None:
            age += now - watched.asked
        late_after = self._follower.late_after(watched.job.id, watched.job.name)
        lateness = None if age is None else find_lateness(age, watched.earlier, late_after)
        return GoingOn(run, age, find_usual(watched.earlier), lateness is not None)


def _ids(going_on: Collection[tuple[Run, float | None]]) -> set[str]:
    return {run.instance.id for run, _age in going_on}


def _is_of_job(refused: AlmaRefused) -> bool:
    """Whether Alma refuses to list one job only; a gateway's word, such as a threshold's, is about all."""
    return refused.code.isdigit()


def _find_length(instance: Instance) -> float | None:
    """Return the seconds from a run's submission to its end, as a person waits for it."""
    begun, end = instance.submit_time, instance.end_time
    if not isinstance(begun, datetime) or not isinstance(end, datetime):
        return None
    return max((end - begun).total_seconds(), 0.0)
