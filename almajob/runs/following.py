"""Runs that are followed to their ends and judged, with what the ledger knows of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from almajob.alma.api import ANY_JOB, Alma
from almajob.alma.models import Instance, Job
from almajob.errors import AlmajobError, JobEndedBadly, KeyRefused, QuotaUsedUp, StillRunning, Unreachable
from almajob.runs import clock as clocks
from almajob.runs.doubt import goes_on
from almajob.runs.policy import Policy
from almajob.runs.run import Run
from almajob.runs.starts import Starts
from almajob.runs.wait import Display, Followed, Lines, Over, Wait, WaitOptions
from almajob.store.record import Record

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Following:
    """Follows the runs of one environment.

    Args:
        alma: makes the connection.
        starts: knows what was started here.
        described: makes a run of an instance, with the description of its status.
        program: how almajob is called for this environment.
    """

    alma: Callable[[], Alma]
    starts: Starts
    described: Callable[[Instance], Run]
    program: str

    def follow(
        self, runs: Sequence[Run], options: WaitOptions, policy: Policy, display: Display | None
    ) -> list[Run]:
        """Follow runs to their ends and judge them; none of it is an error that is raised.

        Args:
            runs: as they were seen last; one that is only named has an instance without a status.
            options: how to go about it.
            policy: what counts as a good end.
            display: shows it while it lasts; a line for each change where there is none.

        Returns:
            The runs in the same order, as they are seen now, with their verdicts.
        """
        known = self.starts.known([run.instance.id for run in runs])
        records = [run.record or known.records.get(run.instance.id) for run in runs]
        followed = [_followed(run, record) for run, record in zip(runs, records, strict=True)]
        for item in followed:
            item.earlier = known.durations.get(item.job_id, ())
        with self.not_lost(followed, policy):
            Wait(followed, self._look(), options, display=display or Lines()).follow()
            over = zip(runs, followed, records, strict=True)
            return [self._followed(run, item, record, options, policy) for run, item, record in over]

    @contextmanager
    def not_lost(self, followed: Sequence[Followed], policy: Policy) -> Iterator[None]:
        """Name the runs that go on, whatever ends the work on them: Ctrl-C, SIGTERM, a bug."""
        try:
            yield
        except BaseException:
            going_on = [item.instance_id for item in followed if item.over is not Over.ENDED]
            if going_on:
                LOG.warning("%s", goes_on(going_on, self.program, policy.options()))
            raise

    def _look(self) -> Callable[[Followed, float], tuple[Instance, float | None]]:
        alma = self.alma()

        def look(item: Followed, patience: float) -> tuple[Instance, float | None]:
            instance, reading = alma.look(item.instance_id, item.job_id, patience=patience)
            submitted = instance.submit_time
            if not isinstance(submitted, datetime) or reading.clock is None:
                return instance, None
            # Both by Alma's clock: this machine's may be wrong.
            return instance, reading.clock - submitted.timestamp()

        return look

    def judged(self, run: Run, policy: Policy) -> Run:
        """Judge a run as it stands; one that could not be seen stays so."""
        if run.verdict is not None and not isinstance(run.verdict, (JobEndedBadly, StillRunning)):
            return run
        if not run.instance.has_ended:
            status = run.instance.status.value or "no status yet"
            resume = goes_on([run.instance.id], self.program, policy.options())
            running = StillRunning(f"Run {run.instance.id} has not ended: {status}.", cure=resume)
            return replace(run, verdict=running)
        judgement = policy.judge(run.instance, run.description)
        return replace(run, verdict=judgement.error, remark=judgement.remark)

    def _followed(
        self, run: Run, item: Followed, record: Record | None, options: WaitOptions, policy: Policy
    ) -> Run:
        """Give a run as it was seen last, with its verdict."""
        instance = of_job(item.instance or run.instance, run.instance.job)
        found = replace(self.described(instance), record=run.record)
        if not item.has_ended:
            return replace(found, verdict=self._not_ended(item, options, policy))
        if record is not None:
            self.starts.ended(record, instance)
        found = self.judged(found, policy)
        if found.remark:
            LOG.warning("%s", found.remark)
        return found

    def _not_ended(self, item: Followed, options: WaitOptions, policy: Policy) -> AlmajobError:
        """Say why a run was not followed to its end."""
        last = item.error
        if item.over is Over.REFUSED and last is not None:
            return last
        resume = goes_on([item.instance_id], self.program, policy.options())
        why = f"The last look failed: {last.what}" if last else ""
        alma = last.alma if last else ""
        name = f"Run {item.instance_id}"
        if item.over is Over.OUT_OF_TIME or last is None:
            what = f"{name} had not ended after {options.timeout or 0:g} s."
            return StillRunning(what, why=why, cure=resume, alma=alma)
        if item.is_ours:
            what = f"{name} was started and cannot be seen any more."
            return StillRunning(what, why=why, cure=resume, alma=alma)
        if isinstance(last, (KeyRefused, QuotaUsedUp)):
            return last
        what = f"{name} could not be seen for {options.outage:g} s."
        return Unreachable(what, why=why, cure=resume, alma=alma)


def _followed(run: Run, record: Record | None) -> Followed:
    now = clocks.system().now()
    instance, job = run.instance, run.instance.job
    begun = instance.submit_time
    item = Followed(
        instance.id,
        job.id if job and job.id else record.job_id if record else ANY_JOB,
        is_ours=run.record is not None,
        started=max(now - record.created, 0.0) if record else None,
        instance=instance if instance.status.value else None,
    )
    item.age = max(now - begun.timestamp(), 0.0) if isinstance(begun, datetime) else item.started or 0.0
    return item


def of_job(instance: Instance, job: Job | None) -> Instance:
    """Keep in mind of which job a run is, where Alma's answer leaves it out."""
    known = instance.job is not None and instance.job.id
    return instance if known or job is None else replace(instance, job=job)
