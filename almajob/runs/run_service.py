"""Runs of jobs, as the commands and plugins use them: start one, look at one, follow one to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from almajob.alma.call_log import for_run
from almajob.alma.client import ANY_JOB, Alma
from almajob.alma.http.error_responses import NO_SUCH_INSTANCE
from almajob.alma.job_instances import Instance, parse_time
from almajob.alma.models import Job, Parameter
from almajob.errors import AlmajobError, AlmaRefused, Refused
from almajob.jobs.job_lookup import JOB_ID
from almajob.jobs.status_descriptions import StatusTable
from almajob.jobs.success_policy import Policy
from almajob.runs.parameters.parameters import Parameters
from almajob.runs.run import Run
from almajob.runs.start.start_service import Starts
from almajob.runs.start_request import StartOptions
from almajob.runs.wait.follower import Follower, name_run, with_job
from almajob.runs.wait.poller import SPACING
from almajob.runs.wait.watched_run import OpenDisplay, WaitOptions, WatchedRun, lines
from almajob.store.ledger_record import Record
from almajob.system import clock as clocks

LOG = logging.getLogger(__name__)

# Seconds: the start is certain, so its status is worth a short wait only.
_SEEN_PATIENCE = 30.0


class Runs:
    """The runs of one environment.

    Args:
        alma: makes the connection.
        starts: knows what was started here.
        table: describes statuses.
        environment: its name.
        policy: what counts as a good end, where a call does not say otherwise.
        program: how almajob is called for this environment.
    """

    def __init__(
        self,
        alma: Callable[[], Alma],
        starts: Starts,
        table: StatusTable,
        *,
        environment: str,
        policy: Policy | None = None,
        program: str = "",
    ) -> None:
        self._alma = alma
        self.starts = starts
        self._table = table
        self._environment = environment
        self.policy = policy or Policy()
        self._follower = Follower(alma, starts, self.describe, program or f"almajob --env {environment}")

    def start(
        self,
        job: str,
        parameters: Parameters | Sequence[Parameter] = (),
        options: StartOptions | None = None,
        *,
        ask: Callable[[str], bool] | None = None,
        confirm: Callable[[str], str] | None = None,
        look: bool = True,
    ) -> Run:
        """Start a job by its name or id, once; or find the run that this already is.

        After Alma has confirmed the start nothing here fails: a status that cannot be read is a warning.

        Args:
            job: its exact name, or its id; may be empty where a payload names it.
            parameters: in the order in which they are sent; ``Parameters``, or names and values.
            options: how to go about it.
            ask: asks a person yes or no, where only a person can tell whether a run is the one.
            confirm: shows a start in production to a person, and gives what was typed: the job's id agrees to
                it. Without it a start in production needs ``options.is_confirmed``.
            look: read how it stands; not needed where it is followed next.

        Raises:
            OutcomeUnknown: it cannot be told whether the job was started; the error has the ledger's record.
            AlmajobError: nothing was started; the error has the record, if there is one.
        """
        record = self.starts.start(job, parameters, options or StartOptions(), ask, confirm)
        started = WatchedRun(record.instance_id)
        policy = options.policy if options and options.policy else self.policy
        with self._follower.name_unended([started], WaitOptions(), policy):
            return self._show_started(record) if look else self._unseen(record)

    def follow(
        self,
        run: Run,
        options: WaitOptions | None = None,
        *,
        policy: Policy | None = None,
        display: OpenDisplay = lines,
    ) -> Run:
        """Follow a run to its end and judge it; as ``follow_all``."""
        return self.follow_all([run], options, policy=policy, display=display)[0]

    def follow_all(
        self,
        runs: Sequence[Run],
        options: WaitOptions | None = None,
        *,
        policy: Policy | None = None,
        display: OpenDisplay = lines,
    ) -> list[Run]:
        """Follow runs to their ends and judge them; none of it is an error that is raised.

        Args:
            runs: as ``start``, ``look`` or ``with_id`` gave them.
            options: time limits and intervals.
            policy: what counts as a good end; what the ini says where not given.
            display: opens what shows it while it lasts; a line for each change where not given.

        Returns:
            The runs in the same order, as they were seen last, each with its verdict.
        """
        return self._follower.follow(runs, options or WaitOptions(), policy or self.policy, display)

    def look_at_each(self, instance_ids: Sequence[str], job: str | None = None) -> Iterator[Run]:
        """Read several runs, not faster than a wait does; one that cannot be seen has that as its verdict."""
        for number, instance_id in enumerate(instance_ids):
            if number:
                clocks.system().sleep(SPACING)
            try:
                yield self.look(instance_id, job)
            except AlmajobError as error:
                yield replace(self.with_id(instance_id), verdict=error)

    def with_id(self, instance_id: str) -> Run:
        """Return a run of which only the Process ID is known, whoever started it; asks nothing of Alma."""
        return Run(Instance(instance_id), "", self._environment)

    def overall(
        self,
        runs: Sequence[Run],
        options: WaitOptions | None = None,
        *,
        policy: Policy | None = None,
        only_unseen: bool = False,
    ) -> AlmajobError | None:
        """Judge several runs together; None where all ended well.

        Args:
            runs: with their verdicts.
            options: with which they were followed, for the line to resume with.
            policy: by which they were judged, likewise.
            only_unseen: pass over how they stand, and tell only those that could not be seen.
        """
        return self._follower.overall(
            runs, options or WaitOptions(), policy or self.policy, only_unseen=only_unseen
        )

    def judge(self, run: Run, policy: Policy | None = None) -> Run:
        """Judge a run as it stands: one that has not ended has that as its verdict."""
        return self._follower.judge(run, policy or self.policy)

    def process_id(self, text: str) -> str:
        """Return the Process ID that a text stands for: itself, ``@last``, a run key or an id of the ledger.

        Raises:
            Refused: there is no such run, or it was not started.
            OutcomeUnknown: it cannot be told whether it was started.
        """
        return self.starts.process_id(text)

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
                reason=f"It is of {found.name!r} ({found.id}).",
                hint="Leave --job out, or correct it.",
            )
        return self.describe(instance)

    def _unseen(self, record: Record) -> Run:
        """Show a run that was started by what the ledger knows of it."""
        job = Job(record.job_id, record.job_name)
        instance = Instance(record.instance_id, submit_time=parse_time(record.submit_time), job=job)
        return Run(instance, "", self._environment, record=record)

    def _show_started(self, record: Record) -> Run:
        """Show a run that was started, as far as Alma shows it."""
        job = Job(record.job_id, record.job_name)
        try:
            with for_run(record.run_key):
                instance = self._alma().instance(record.instance_id, record.job_id, patience=_SEEN_PATIENCE)
        except AlmajobError as error:
            LOG.warning("The job was started; its status cannot be seen just now: %s", error.message)
            return self._unseen(record)
        self.starts.learn(record, instance)
        return replace(self.describe(with_job(instance, job)), record=record)

    def _find(self, instance_id: str, job_id: str) -> Instance:
        try:
            return self._alma().instance(instance_id, job_id)
        except AlmaRefused as refused:
            # Alma says the same of a run of another job and of no run at all; tell them apart.
            if job_id == ANY_JOB or refused.code != NO_SUCH_INSTANCE:
                raise name_run(refused, instance_id) from None
            return self._find(instance_id, ANY_JOB)

    def describe(self, instance: Instance) -> Run:
        """Make a run of what Alma shows, with the description of its status, judged if it has ended."""
        known = bool(instance.status.value)
        described = self._table.description(instance.status) if known else ""
        verdict = self.policy.judge(instance, described).error if instance.has_ended else None
        return Run(instance, described, self._environment, verdict)
