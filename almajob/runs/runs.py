"""Runs of jobs, as the commands and plugins use them: start one, look at one, follow one to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from almajob.alma.api import ANY_JOB, Alma
from almajob.alma.models import Instance, Job, Parameter, parse_time
from almajob.alma.refusals import NO_SUCH_INSTANCE
from almajob.errors import AlmajobError, AlmaRefused, JobEndedBadly, Refused, StillRunning
from almajob.runs import wait
from almajob.runs.catalogue import JOB_ID
from almajob.runs.intention import StartOptions
from almajob.runs.starts import Starts
from almajob.runs.statustable import StatusTable
from almajob.store.record import Record

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job, as Alma shows it.

    Attributes:
        description: of its status, from Alma's code table.
        environment: the name of the environment that it runs in.
        verdict: why following it did not lead to a good end: it ended badly, or was still running.
        record: what the ledger says of its start, where it was started here.
    """

    instance: Instance
    description: str
    environment: str
    verdict: JobEndedBadly | StillRunning | None = None
    record: Record | None = None


class Runs:
    """The runs of one environment."""

    def __init__(
        self, alma: Callable[[], Alma], starts: Starts, table: StatusTable, *, environment: str
    ) -> None:
        self._alma = alma
        self.starts = starts
        self._table = table
        self._environment = environment

    def start(
        self,
        job: str,
        parameters: Sequence[Parameter] = (),
        options: StartOptions | None = None,
        *,
        ask: Callable[[str], bool] | None = None,
    ) -> Run:
        """Start a job by its name or id, once; or find the run that this already is.

        After Alma has confirmed the start nothing here fails: a status that cannot be read is a warning.

        Args:
            job: its exact name, or its id.
            parameters: in the order in which they are sent.
            options: how to go about it.
            ask: asks a person yes or no, where only a person can tell whether a run is the one.

        Raises:
            OutcomeUnknown: it cannot be told whether the job was started; the error has the ledger's record.
            AlmajobError: nothing was started; the error has the record, if there is one.
        """
        record = self.starts.start(job, parameters, options or StartOptions(), ask)
        with self._not_lost(record.instance_id):
            return self._seen(record)

    def follow(self, run: Run, *, timeout: float | None = None) -> Run:
        """Follow a run to its end and judge it; nothing of it is an error, as the job was started.

        Args:
            run: as ``start`` or ``look`` gave it.
            timeout: seconds; None for as long as it takes.

        Returns:
            The run as it was seen last, with the verdict.
        """
        seen = run.instance
        job = seen.job

        def look(patience: float | None) -> Instance:
            nonlocal seen
            job_id = job.id if job and job.id else ANY_JOB
            seen = _of_job(self._alma().instance(run.instance.id, job_id, patience=patience), job)
            return seen

        with self._not_lost(seen.id):
            try:
                wait.follow(look, seen.id, environment=self._environment, timeout=timeout)
            except StillRunning as still_running:
                return replace(self._described(seen), verdict=still_running, record=run.record)
            described = replace(self._described(seen), record=run.record)
            return replace(described, verdict=wait.verdict(seen, described.description))

    def look(self, instance_id: str, job: str | None = None) -> Run:
        """Read one run; one call, whether its job is named, given by id or not at all.

        Raises:
            Refused: the run is of another job.
        """
        job_id = job if job is not None and JOB_ID.fullmatch(job) else ANY_JOB
        instance = self._find(instance_id, job_id)
        found = instance.job
        if job is not None and job_id == ANY_JOB and not (found and found.id):
            LOG.warning("Alma does not say which job run %s is of: %r is not checked.", instance_id, job)
        elif job is not None and found is not None and job not in (found.id, found.name):
            raise Refused(
                f"Run {instance_id} is not of the job {job!r}.",
                why=f"It is of {found.name!r} ({found.id}).",
                cure="Leave --job out, or correct it.",
            )
        return self._described(instance)

    def _seen(self, record: Record) -> Run:
        """Show a run that was started, as far as Alma shows it."""
        job = Job(record.job_id, record.job_name)
        try:
            instance = self._alma().instance(record.instance_id, record.job_id)
        except AlmajobError as error:
            LOG.warning("The job was started; its status cannot be seen just now: %s", error.what)
            instance = Instance(record.instance_id, submit_time=parse_time(record.submit_time), job=job)
        else:
            self.starts.learn(record, instance)
        return replace(self._described(_of_job(instance, job)), record=record)

    @contextmanager
    def _not_lost(self, instance_id: str) -> Iterator[None]:
        """Name a run that was started, whatever ends the work on it: Ctrl-C, SIGTERM, a bug."""
        try:
            yield
        except BaseException:
            LOG.warning("%s", wait.goes_on(instance_id, self._environment))
            raise

    def _find(self, instance_id: str, job_id: str) -> Instance:
        try:
            return self._alma().instance(instance_id, job_id)
        except AlmaRefused as refused:
            # Alma says the same of a run of another job and of no run at all; tell them apart.
            if job_id == ANY_JOB or refused.code != NO_SUCH_INSTANCE:
                raise
            return self._alma().instance(instance_id)

    def _described(self, instance: Instance) -> Run:
        known = bool(instance.status.value)
        return Run(instance, self._table.description(instance.status) if known else "", self._environment)


def _of_job(instance: Instance, job: Job | None) -> Instance:
    """Keep in mind of which job a run is, where Alma's answer leaves it out."""
    known = instance.job is not None and instance.job.id
    return instance if known or job is None else replace(instance, job=job)
