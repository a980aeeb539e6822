"""The job list of an environment, and a job by its name or id."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from almajob.alma.models import Job, JobFilter
from almajob.errors import (
    AlmaError,
    AlmaRefused,
    AmbiguousName,
    CallsUsedUp,
    Refused,
    Unreachable,
    UsageError,
)
from almajob.jobs.kept_jobs import read_parts, read_parts_with, to_parts
from almajob.system import clock as clocks
from almajob.text import time_format
from almajob.text.suggestions import find_near, fold, make_matcher, suggest

if TYPE_CHECKING:
    from almajob.alma.client import Alma
    from almajob.store.cache import Cache

LOG = logging.getLogger(__name__)

JOB_ID = re.compile(r"[MSO][0-9]+")
"""Alma's form of a job id: manual, scheduled or other, and digits."""
_SHOWN = 10
_SUGGESTED = 5
_PROFILE = "using profile "
"""What stands in the name of a job before that of the profile that it belongs to."""


class UnclearJob(AmbiguousName):
    """A text names no job, or several.

    Attributes:
        candidates: the jobs that may be meant, best first.
    """

    candidates: tuple[Job, ...] = ()


class NoSuchJob(UnclearJob):
    """A text names no job."""

    kind = "not_found"


class Catalogue:
    """The jobs of one environment.

    Args:
        alma: makes the connection; called only where the cache has no answer.
        cache: holds the lists for a day.
        environment: the environment's name, for the name of the directory.
        identity: tells one Alma from another (address and key) in the keys of the cache.
        refresh: pass the cache over, and renew it.
    """

    def __init__(
        self, alma: Callable[[], Alma], cache: Cache, *, environment: str, identity: str, refresh: bool
    ) -> None:
        self._alma = alma
        self._cache = cache
        self._environment = environment
        self._kind = f"jobs.{environment}"
        self._identity = identity
        self._refresh = refresh
        # A start may look for its job more than once.
        self._told: set[str] = set()

    def jobs(self, wanted: JobFilter | None = None) -> list[Job]:
        """List the jobs that match Alma's own filters, in Alma's order; the list may be up to a day old.

        Args:
            wanted: the filters; all jobs where not given.
        """
        wanted = wanted or JobFilter()
        kept = self._read_cached(wanted, read_parts)
        if kept:
            return kept
        # Where the cache has the list, nothing of what fetches it is imported.
        from almajob.alma.pagination import read_jobs

        return self._keep(wanted, *read_jobs(self._alma(), wanted))

    def current(self, text: str) -> Job:
        """Find the one job that a text names, as ``find`` does, and as Alma has it now.

        Raises:
            Refused: there is none, or there are several; or the id that the list gives for it now belongs to
                another job, as the list was stale or tampered with.
        """
        found, is_current = self._resolve(text)
        return found if is_current else reread(self._alma(), found, self._environment)

    def find(self, text: str) -> Job:
        """Find the one job that has this id or exactly this name, in the list or by its id.

        Where there is none, the one that has it but for what is forgiven (case, Unicode form, blanks at the
        ends), or the one of the profile of this name: which it is is logged.

        Raises:
            Refused: there is none, or there are several.
        """
        return self._resolve(text)[0]

    def of_profile(self, profile_id: str) -> Job:
        """Find the one job of an import or integration profile, as Alma has it now.

        Raises:
            UnclearJob: there is none, or there are several.
        """
        from almajob.alma.pagination import read_jobs

        found, complete = read_jobs(self._alma(), JobFilter(profile_id=profile_id))
        if len(found) == 1 and complete:
            current = reread(self._alma(), found[0], self._environment)
            if current.related_profile in ("", profile_id):
                return current
        if found:
            raise _ambiguous(f"{len(found)} jobs are of the profile {profile_id}.", found)
        raise NoSuchJob(
            f"No job is of the profile {profile_id}.",
            reason="Ids of profiles differ between environments.",
            hint=f"almajob --env {self._environment} list --name 'using profile' shows jobs with profiles.",
        )

    def has(self, text: str) -> bool:
        """Whether the list has a job of this id or exactly this name; not, as far as it cannot be read."""
        try:
            found = self._read_cached(JobFilter(), partial(read_parts_with, text=text))
            return bool(find_matches(self.jobs() if found is None else found, text))
        except (AlmaError, CallsUsedUp, Unreachable):
            return False

    def _resolve(self, text: str) -> tuple[Job, bool]:
        """Find a job, and say whether it was read from Alma as a single job just now."""
        found = find_matches(self._read_cached(JobFilter(), partial(read_parts_with, text=text)) or (), text)
        if not found and JOB_ID.fullmatch(text):
            # Asking for one job costs less than the whole list.
            by_id = self._by_id(text)
            if by_id is not None:
                return by_id, True
        listed: Sequence[Job] = ()
        complete = True
        if not found:
            from almajob.alma.pagination import read_jobs

            listed, complete = read_jobs(self._alma(), JobFilter())
            self._keep(JobFilter(), listed, complete)
            found = find_named(listed, text) or _find_of_profile(listed, text)
        if found and not complete:
            raise Refused(
                f"Alma's list has gaps, so it is unknown whether only one job is called {text!r}.",
                hint="Try again in a minute, or name the job by its id.",
            )
        if len(found) == 1:
            if text not in (found[0].id, found[0].name, *self._told):
                self._told.add(text)
                LOG.info("Using the job %r (%s) for %r.", found[0].name, found[0].id, text)
            return found[0], False
        if found:
            is_exact = any(text in (job.id, job.name) for job in found)
            what = "have the name or id" if is_exact else "match"
            raise _ambiguous(f"{len(found)} jobs {what} {text!r}.", found)
        raise _no_such_job(text, listed, self._environment)

    def _by_id(self, job_id: str) -> Job | None:
        from almajob.alma.http.error_responses import NO_SUCH_JOB

        try:
            return self._alma().job(job_id)
        except AlmaRefused as refused:
            if refused.code in NO_SUCH_JOB:
                return None
            raise

    def _read_cached(
        self, wanted: JobFilter, read: Callable[[Iterable[bytes]], list[Job]]
    ) -> list[Job] | None:
        """Read jobs of the list that is kept; None where there is none, or where it is to be passed over."""
        kept = None if self._refresh else self._cache.get_list(self._kind, self._key(wanted))
        if kept is None:
            return None
        try:
            jobs = read(kept.value)
        except ValueError:
            # Somebody else wrote it.
            return None
        age = clocks.system().now() - kept.since.timestamp()
        LOG.debug(
            "The job list of %s was read from Alma %s; --refresh reads it again.",
            *(self._environment, time_format.format_ago(max(age, 0.0))),
        )
        return jobs

    def _keep(self, wanted: JobFilter, jobs: list[Job], complete: bool) -> list[Job]:
        # A list with gaps, or an empty one, may be right in a minute; it is not believed for a day.
        if complete and jobs:
            self._cache.put_list(self._kind, self._key(wanted), to_parts(jobs))
        return jobs

    def _key(self, wanted: JobFilter) -> str:
        return f"jobs:{self._identity}:{wanted.type}:{wanted.category}:{wanted.profile_id}"


def reread(alma: Alma, found: Job, environment: str) -> Job:
    """Read a job as Alma has it now, and compare it with what the list said.

    Raises:
        Refused: the id now belongs to another job, as the list was stale or tampered with.
    """
    current = alma.job(found.id)
    if current.name != found.name:
        raise Refused(
            f"{found.id} is not the job that was asked for.",
            reason=f"The list says {found.name!r}; Alma says {current.name!r}.",
            hint=f"almajob --env {environment} list --refresh fetches a new list; then name it by its id.",
        )
    return current


def find_matches(jobs: Iterable[Job], text: str) -> list[Job]:
    """Return the job of this id, or else the jobs of exactly this name, each once."""
    by_id = {job.id: job for job in jobs}
    return [by_id[text]] if text in by_id else [job for job in by_id.values() if job.name == text]


def is_named(job: Job, text: str) -> bool:
    """Whether a text is a job's id or name, but for what is forgiven."""
    return fold(text) in (fold(job.id), fold(job.name))


def find_named(jobs: Iterable[Job], text: str) -> list[Job]:
    """Return the jobs of this id or name; where there are none, those for which it is forgiven."""
    by_id = {job.id: job for job in jobs}
    return find_matches(by_id.values(), text) or [job for job in by_id.values() if is_named(job, text)]


def _find_of_profile(jobs: Sequence[Job], text: str) -> list[Job]:
    """Return the jobs of the profiles of this name, but for what is forgiven, each once."""
    by_id = {job.id: job for job in jobs}
    profile = fold(f"{_PROFILE}{text}")
    return [job for job in by_id.values() if f" {fold(job.name)}".endswith(f" {profile}")]


def named_like(jobs: Iterable[Job], pattern: str) -> list[Job]:
    """Return the jobs whose name matches a pattern, as ``make_matcher`` says."""
    matches = make_matcher(pattern)
    return [job for job in jobs if matches(job.name)]


def of_category(jobs: Sequence[Job], text: str) -> list[Job]:
    """Return the jobs of a category, by its code or its description, whatever the case.

    Raises:
        UsageError: none of these jobs has it.
    """
    wanted = fold(text)
    # Jobs may be many; the categories are not.
    codes = {(job.category.value, job.category.desc) for job in jobs}
    meant = {code for code in codes if wanted in map(fold, code)}
    found = [job for job in jobs if (job.category.value, job.category.desc) in meant]
    if found:
        return found
    known = sorted({job.category.value for job in jobs if job.category.value})
    raise UsageError(
        f"No job has the category {text!r}.",
        reason=suggest(text, known),
        hint=f"Categories of these jobs: {', '.join(known) or 'none'}.",
    )


def _no_such_job(text: str, jobs: Sequence[Job], environment: str) -> NoSuchJob:
    by_name: dict[str, list[Job]] = {}
    for job in jobs:
        by_name.setdefault(job.name, []).append(job)
    near = [job for name in find_near(text, by_name, count=0) for job in by_name[name]]
    shown = ", ".join(f"{job.name!r} ({job.id})" for job in near[:_SUGGESTED])
    more = f" and {len(near) - _SUGGESTED} more" if len(near) > _SUGGESTED else ""
    error = NoSuchJob(
        f"No job has the name or id {text!r}.",
        reason=f"Did you mean: {shown}{more}?" if shown else "" if jobs else "The environment lists no jobs.",
        hint=f"almajob --env {environment} list --name WORD searches; --refresh asks Alma again.",
    )
    error.candidates = tuple(near)
    return error


def _ambiguous(message: str, found: Sequence[Job]) -> UnclearJob:
    shown = "; ".join(f"{job.id} ({job.category.value}) {job.name!r}" for job in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    error = UnclearJob(message, reason=f"They are: {shown}{more}", hint="Choose one by its id.")
    error.candidates = tuple(found)
    return error
