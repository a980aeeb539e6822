"""The job list of an environment, and a job by its name or id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from almajob.alma.models import Job, JobFilter
from almajob.errors import AlmaRefused, Refused
from almajob.text.suggestions import find_similar

if TYPE_CHECKING:
    from almajob.alma.client import Alma
    from almajob.store.cache import Cache

JOB_ID = re.compile(r"[MSO][0-9]+")
"""Alma's form of a job id: manual, scheduled or other, and digits."""
_SHOWN = 10


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

    def jobs(self, wanted: JobFilter | None = None) -> list[Job]:
        """List the jobs that match Alma's own filters, in Alma's order."""
        wanted = wanted or JobFilter()
        kept = None if self._refresh else self._read_cached(wanted)
        if kept:
            return kept
        # Where the cache has the list, nothing of what fetches it is imported.
        from almajob.alma.pagination import read_jobs

        return self._keep(wanted, *read_jobs(self._alma(), wanted))

    def current(self, text: str) -> Job:
        """Find the one job that has this id or exactly this name, as Alma has it now.

        Raises:
            Refused: there is none, or there are several; or the id that the list gives for it now belongs to
                another job, as the list was stale or tampered with.
        """
        found, is_current = self._resolve(text)
        return found if is_current else reread(self._alma(), found, self._environment)

    def find(self, text: str) -> Job:
        """Find the one job that has this id or exactly this name, in the list or by its id.

        Raises:
            Refused: there is none, or there are several.
        """
        return self._resolve(text)[0]

    def _resolve(self, text: str) -> tuple[Job, bool]:
        """Find a job, and say whether it was read from Alma as a single job just now."""
        kept = None if self._refresh else self._read_cached(JobFilter())
        found = find_matches(kept, text) if kept else []
        if not found and JOB_ID.fullmatch(text):
            # Asking for one job costs less than the whole list.
            by_id = self._by_id(text)
            if by_id is not None:
                return by_id, True
        complete = True
        if not found:
            from almajob.alma.pagination import read_jobs

            kept, complete = read_jobs(self._alma(), JobFilter())
            found = find_matches(self._keep(JobFilter(), kept, complete), text)
        if found and not complete:
            raise Refused(
                f"Alma's list has gaps, so it cannot be told whether only one job is called {text!r}.",
                hint="Try again in a minute, or name the job by its id: --job ID",
            )
        if len(found) == 1:
            return found[0], False
        raise _ambiguous(text, found) if found else _no_such_job(text, kept or [], self._environment)

    def _by_id(self, job_id: str) -> Job | None:
        from almajob.alma.http.error_responses import NO_SUCH_JOB

        try:
            return self._alma().job(job_id)
        except AlmaRefused as refused:
            if refused.code in NO_SUCH_JOB:
                return None
            raise

    def _read_cached(self, wanted: JobFilter) -> list[Job] | None:
        kept = self._cache.get(self._kind, self._key(wanted))
        if kept is None or not isinstance(kept.value, list):
            return None
        return [Job.from_json(item) for item in kept.value if isinstance(item, dict)]

    def _keep(self, wanted: JobFilter, jobs: list[Job], complete: bool) -> list[Job]:
        # A list with gaps, or an empty one, may be right in a minute; it is not believed for a day.
        if complete and jobs:
            self._cache.put(self._kind, self._key(wanted), [job.to_json() for job in jobs])
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


def named_like(jobs: Iterable[Job], pattern: str) -> list[Job]:
    """Return the jobs whose name matches a shell-style pattern, whatever the case."""
    import fnmatch

    pattern = pattern.casefold()
    return [job for job in jobs if fnmatch.fnmatchcase(job.name.casefold(), pattern)]


def _no_such_job(text: str, jobs: Sequence[Job], environment: str) -> Refused:
    wanted = text.strip().casefold()
    by_name = {job.name.casefold(): job for job in reversed(jobs)}
    by_id = [job for job in jobs if job.id.casefold() == wanted]
    near = [by_name[name] for name in find_similar(wanted, by_name, count=3, cutoff=0.0)]
    shown = "; ".join(f"{job.name!r} ({job.id})" for job in [*by_id, *near][:3])
    return Refused(
        f"No job has the name or id {text!r}.",
        reason=f"Nearest: {shown}" if shown else "The environment lists no jobs.",
        hint=f"almajob --env {environment} list --name '*WORD*' searches; --refresh asks Alma anew.",
    )


def _ambiguous(text: str, found: Sequence[Job]) -> Refused:
    shown = "; ".join(f"{job.id} ({job.category.value}) {job.name!r}" for job in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return Refused(
        f"{len(found)} jobs have the name or id {text!r}.",
        reason=f"They are: {shown}{more}",
        hint="Say which by its id: --job ID",
    )
