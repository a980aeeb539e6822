"""Runs that are followed to their ends and judged, with what the ledger knows of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from almajob.alma.call_log import for_run
from almajob.alma.client import ANY_JOB, Alma
from almajob.alma.http.error_responses import NO_SUCH_INSTANCE
from almajob.alma.job_instances import Instance
from almajob.alma.models import Job
from almajob.errors import (
    AlmaError,
    AlmajobError,
    AlmaRefused,
    JobEndedBadly,
    KeyRefused,
    Refused,
    StillRunning,
    Unreachable,
)
from almajob.jobs.success_policy import Policy
from almajob.runs.evidence.unknown_outcome import describe_ongoing
from almajob.runs.ledger_queries import read_known
from almajob.runs.run import Run, combine_errors
from almajob.runs.unreported_starts import UnreportedStarts
from almajob.runs.wait.poller import Poller
from almajob.runs.wait.watched_run import USED_UP, OpenDisplay, Over, WaitOptions, WatchedRun
from almajob.store.ledger import Ledger
from almajob.store.ledger_record import Record, State
from almajob.system import clock as clocks
from almajob.system.signals import defer_signals
from almajob.text import time_format

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Follower:
    """Follows runs of one environment to their ends, and judges them.

    Attributes:
        alma: makes the connection.
        ledger: knows what was started from here, and how long runs took.
        unreported: what this process has started.
        describe: makes a run of an instance, with the description of its status.
        learn_tags: learns from a run whether Alma shows tags.
        environment: its name.
        program: how almajob is called for it.
        options: time limits and intervals.
        policy: what counts as a good end.
        display: opens what shows the runs while they are followed.
    """

    alma: Callable[[], Alma]
    ledger: Ledger
    unreported: UnreportedStarts
    describe: Callable[[Instance], Run]
    learn_tags: Callable[[Record, Instance], None]
    environment: str
    program: str
    options: WaitOptions
    policy: Policy
    display: OpenDisplay

    def follow(self, runs: Sequence[Run]) -> list[Run]:
        """Follow runs to their ends and judge them; none of it is an error that is raised.

        Args:
            runs: also such as were never seen, of which there is only the Process ID, without a status. One
                that Alma or almajob refused is not followed.

        Returns:
            The runs in the same order, as they were seen last, each with its verdict.
        """
        followed = [WatchedRun(run.instance.id) for run in runs]
        with self.name_unended(followed):
            ids, now = [run.instance.id for run in runs], clocks.system().now()
            known, durations = read_known(self.ledger, ids, environment=self.environment, now=now)
            records = [run.record or known.get(run.instance.id) for run in runs]
            for item, run, record in zip(followed, runs, records, strict=True):
                _fill_in(item, run, record)
                item.earlier = durations.get(item.job_id, ())
            with self.display() as shown:
                alma = self.alma()
                look, is_thrifty = partial(_look_at, alma), lambda: alma.is_quota_low
                Poller(followed, look, self.options, display=shown, is_thrifty=is_thrifty).follow()
            return list(map(self._judge_followed, runs, followed, records))

    @contextmanager
    def name_unended(self, followed: Sequence[WatchedRun]) -> Iterator[None]:
        """Name the runs that go on, whatever ends the work on them: Ctrl-C, SIGTERM, a bug."""
        try:
            yield
        except BaseException:
            # Those that have ended, too: they have a part in the exit code.
            there = [item for item in followed if item.over is not Over.REFUSED]
            going_on = [item.instance_id for item in there if item.over is not Over.ENDED]
            if going_on:
                resume = self._word_resume([item.instance_id for item in there])
                with defer_signals():
                    LOG.warning("%s %s", describe_ongoing(len(going_on)), resume)
                    self.unreported.clear()
            raise

    def _word_resume(self, instance_ids: Sequence[str]) -> str:
        """Return the line that goes on waiting."""
        words = (self.program, "wait --id", *instance_ids, self.options.words(), self.policy.words())
        return f"Resume: {' '.join(filter(None, words))}"

    def judge(self, run: Run) -> Run:
        """Judge a run as it stands: that it has not ended, or cannot be seen, is a verdict too."""
        if run.verdict is not None and not isinstance(run.verdict, (JobEndedBadly, StillRunning)):
            return run
        if not run.instance.has_ended:
            status = run.instance.status.value or "no status yet"
            hint = f"{describe_ongoing()} {self._word_resume([run.instance.id])}"
            running = StillRunning(f"Run {run.instance.id} has not ended: {status}.", hint=hint)
            return replace(run, verdict=running)
        judgement = self.policy.judge(run.instance, run.description)
        return replace(run, verdict=judgement.error, remark=judgement.remark)

    def judge_all(self, runs: Sequence[Run], *, only_unseen: bool = False) -> AlmajobError | None:
        """Judge several runs together; None where all ended well.

        Args:
            runs: with their verdicts.
            only_unseen: pass over how they stand, and tell only those that could not be seen.
        """
        passed_over = (JobEndedBadly, StillRunning) if only_unseen else ()
        bad = [run for run in runs if run.verdict is not None and not isinstance(run.verdict, passed_over)]
        errors = [run.verdict for run in bad if run.verdict is not None]
        if len(runs) == 1 or not errors:
            return errors[0] if errors else None
        going_on = [run.instance.id for run in bad if isinstance(run.verdict, (StillRunning, Unreachable))]
        return combine_errors(runs, errors, self._word_resume(going_on) if going_on else "")

    def _judge_followed(self, run: Run, item: WatchedRun, record: Record | None) -> Run:
        """Return a run as it was seen last, with its verdict."""
        job = run.instance.job or (Job(record.job_id, record.job_name) if record else None)
        instance = with_job(item.instance or run.instance, job)
        found = replace(self.describe(instance), record=run.record)
        if run.record is not None and item.instance is not None:
            self.learn_tags(run.record, item.instance)
        if not item.has_ended:
            return replace(found, verdict=self._explain_unended(item))
        if record is not None:
            self.unreported.note_end(record, instance)
        found = self.judge(found)
        if found.remark:
            LOG.warning("%s", found.remark)
        return found

    def _explain_unended(self, item: WatchedRun) -> AlmajobError:
        """Return why a run was not followed to its end."""
        last = item.error
        if item.over is Over.REFUSED and last is not None:
            return name_run(last, item.instance_id)
        name, resume = f"Run {item.instance_id}", self._word_resume([item.instance_id])
        reason = f"The last look failed: {last.message}" if last else ""
        alma = last.alma if last else ""
        waited = self.options.outage if item.over is Over.OUTAGE else self.options.timeout or 0.0
        how_long = time_format.format_duration(waited)
        if item.instance is None and last is None:
            # There were too many of them for the time.
            message = f"{name} was not looked at within {how_long}."
            return StillRunning(message, hint=resume)
        if item.instance is None and not item.is_ours:
            if isinstance(last, (KeyRefused, *USED_UP)):
                return name_run(last, item.instance_id)
            message = f"{name} could not be seen for {how_long}."
            return Unreachable(message, reason=reason, hint=resume, alma=alma)
        hint = f"{describe_ongoing()} {resume}"
        if item.over is Over.OUT_OF_TIME:
            message = f"{name} had not ended after {how_long}."
        elif item.is_ours:
            message = f"{name} was started and cannot be seen any more."
        else:
            message = f"{name} could not be seen any more for {how_long}."
            return Unreachable(message, reason=reason, hint=hint, alma=alma)
        return StillRunning(message, reason=reason, hint=hint, alma=alma)


def _look_at(alma: Alma, item: WatchedRun, patience: float) -> tuple[Instance, float | None]:
    """Look at a run; return it and its age, None where that is not known."""
    with for_run(item.run_key):
        instance, reading = alma.look(item.instance_id, item.job_id, patience=patience)
    submitted = instance.submit_time
    if not isinstance(submitted, datetime) or reading.clock is None:
        return instance, None
    # Both by Alma's clock: this machine's may be wrong.
    return instance, reading.clock - submitted.timestamp()


def _fill_in(item: WatchedRun, run: Run, record: Record | None) -> None:
    """Fill in what is known of a run before it is looked at."""
    job = run.instance.job
    item.job_id = job.id if job and job.id else record.job_id if record else ANY_JOB
    item.is_ours = run.record is not None
    item.instance = run.instance if run.instance.status.value else None
    if isinstance(run.verdict, (AlmaRefused, Refused)):
        item.over, item.error = Over.REFUSED, run.verdict
    if record is not None:
        item.run_key = record.run_key
        # Both by this machine's clock; Alma's times are compared with Alma's clock only.
        sent = next((past.at for past in record.trail if past.state is State.SENDING), record.created_at)
        item.started = item.age = max(clocks.system().now() - sent, 0.0)


def name_run(error: AlmajobError, instance_id: str) -> AlmajobError:
    """Return an error of Alma's that says which run it is about."""
    if isinstance(error, AlmaRefused) and error.code == NO_SUCH_INSTANCE:
        return error.replace(message=f"Alma knows no run {instance_id}.")
    if isinstance(error, AlmaError) and instance_id not in error.message:
        return error.replace(message=f"Run {instance_id}: {error.message}")
    return error


def with_job(instance: Instance, job: Job | None) -> Instance:
    """Return an instance with its job, where Alma's answer leaves that out."""
    known = instance.job is not None and instance.job.id
    return instance if known or job is None else replace(instance, job=job)
