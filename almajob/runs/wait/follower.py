"""Runs that are followed to their ends and judged, with what the ledger knows of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from almajob.alma.call_log import for_run
from almajob.alma.client import ANY_JOB, Alma
from almajob.alma.http.error_responses import NO_SUCH_INSTANCE
from almajob.alma.job_instances import Instance
from almajob.alma.models import Job
from almajob.config.environments import LateAfter
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
from almajob.jobs.bad_end import list_next_steps
from almajob.jobs.history import with_job
from almajob.jobs.success_policy import Policy
from almajob.runs.evidence.unknown_outcome import describe_ongoing
from almajob.runs.invocation import Invocation
from almajob.runs.ledger_queries import read_known
from almajob.runs.run import Run, combine_errors
from almajob.runs.run_reference import SHORT_WAIT
from almajob.runs.unreported_starts import UnreportedStarts
from almajob.runs.wait.end_messages import EndMessages
from almajob.runs.wait.lateness import LATE, Lateness, find_usual
from almajob.runs.wait.next_run import NextRun
from almajob.runs.wait.poller import Poller, Seen
from almajob.runs.wait.watched_run import USED_UP, OpenDisplay, Over, WaitOptions, WatchedRun, age_of
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.place import LedgerUnusable
from almajob.store.ledger.record import Record, State
from almajob.system import clock as clocks
from almajob.system.signals import defer_signals
from almajob.text import time_format

LOG = logging.getLogger(__name__)

FindLateAfter = Callable[[str, str], LateAfter]
"""Returns when a run counts as late, by the id and the name of its job."""


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
        invocation: the command line that follows them.
        options: time limits and intervals.
        policy: what counts as a good end.
        display: opens what shows the runs while they are followed.
        messages: tell which runs have ended, where a webhook listener runs; None where none can.
        late_after: returns when a run of a job counts as late, by the job's id and name.
    """

    alma: Callable[[], Alma]
    ledger: Ledger
    unreported: UnreportedStarts
    describe: Callable[[Instance], Run]
    learn_tags: Callable[[Record, Instance], None]
    environment: str
    program: str
    invocation: Invocation
    options: WaitOptions
    policy: Policy
    display: OpenDisplay
    late_after: FindLateAfter
    messages: EndMessages | None = None

    def follow(self, runs: Sequence[Run]) -> list[Run]:
        """Follow runs to their ends and judge them; none of it is an error that is raised.

        Args:
            runs: as ``start`` and ``look`` return them; also one that was never seen, which has only its
                Process ID, and a job's next run, without one, which is waited for first. One that Alma or
                almajob refused is not followed.

        Returns:
            The runs in the same order, as they were seen last, each with its verdict.
        """
        followed = list(map(_watch, runs))
        with self.name_unended(followed):
            ids, now = [run.instance.id for run in runs], clocks.system().now()
            jobs = [run.instance.job.id for run in runs if run.instance.job]
            known, durations = read_known(self.ledger, ids, jobs, environment=self.environment, now=now)
            records = [run.record or known.get(run.instance.id) for run in runs]
            for item, run, record in zip(followed, runs, records, strict=True):
                _fill_in(item, run, record)
                item.earlier = durations.get(item.job_id, ())
                item.late_after = self.late_after(item.job_id, item.job_name)
            given = {
                item: (run, item, record) for run, item, record in zip(runs, followed, records, strict=True)
            }
            judged: dict[WatchedRun, Run] = {}

            def judge(item: WatchedRun) -> None:
                judged[item] = self._judge_followed(*given[item])

            with self.display() as shown:
                alma = self.alma()
                awaited = {
                    item: NextRun(item.job_id, clocks.system()) for item in followed if item.is_awaited
                }
                look, is_thrifty = partial(_look_at, alma, awaited), lambda: alma.is_quota_low
                report_late = self._report_late(dict(zip(followed, records, strict=True)))
                Poller(
                    *(followed, look, self.options),
                    display=shown,
                    is_thrifty=is_thrifty,
                    report_late=report_late,
                    # The ledger and its observers need not wait for the others.
                    report_end=judge,
                    messages=self.messages,
                ).follow()
            for item in followed:
                if item not in judged:
                    judge(item)
            return [judged[item] for item in followed]

    def _report_late(
        self, records: Mapping[WatchedRun, Record | None]
    ) -> Callable[[WatchedRun, Lateness], None] | None:
        """Return what tells observers of a run that is late; None where there are none."""
        if not self.ledger.is_observed:
            return None

        def report(item: WatchedRun, lateness: Lateness) -> None:
            record = records[item]
            if record is not None:
                with suppress(LedgerUnusable):
                    self.ledger.announce_once(record, LATE, lateness, wait=SHORT_WAIT)

        return report

    @contextmanager
    def name_unended(self, followed: Sequence[WatchedRun]) -> Iterator[None]:
        """Name the runs that go on, whatever ends the work on them: Ctrl-C, SIGTERM, a bug."""
        try:
            yield
        except BaseException:
            # Those that have ended, too: they have a part in the exit code.
            there = [item for item in followed if item.over is not Over.REFUSED and not item.is_awaited]
            going_on = [item.instance_id for item in there if item.over is not Over.ENDED]
            awaited = [item for item in followed if item.is_awaited and item.over is not Over.REFUSED]
            with defer_signals():
                if going_on:
                    resume = self._word_resume([item.instance_id for item in there])
                    LOG.warning("%s %s", describe_ongoing(len(going_on)), resume)
                    self.unreported.clear()
                for item in awaited:
                    LOG.warning("%s had not begun. %s", item.label, self._word_next(item.job_id))
            raise

    def _word_resume(self, instance_ids: Sequence[str]) -> str:
        """Return the line that goes on waiting for runs."""
        words = (self.program, "wait", *instance_ids, self.options.words(), self.policy.words())
        return self.unreported.word_resume(" ".join(filter(None, words)))

    def _word_next(self, job_id: str) -> str:
        """Return the line that goes on waiting for a job's next run."""
        return self._word_resume([job_id, "--next"])

    def judge(self, run: Run) -> Run:
        """Judge a run as it stands: that it has not ended, or cannot be seen, is a verdict too."""
        if run.verdict is not None and not isinstance(run.verdict, (JobEndedBadly, StillRunning)):
            return run
        if not run.instance.has_ended:
            status = run.instance.status.value or "no status yet"
            hint = f"{describe_ongoing()} {self._word_resume([run.instance.id])}"
            return replace(run, verdict=StillRunning(f"{run.label} has not ended: {status}.", hint=hint))
        judgement = self.policy.judge(run.instance, run.description, environment=self.environment)
        error = judgement.error
        if error is not None and judgement.is_certain:
            error = self._explain_bad_end(error, run)
        if judgement.note:
            LOG.info("%s", judgement.note)
        return replace(run, verdict=error, remark=judgement.remark, is_nothing=judgement.is_nothing)

    def _explain_bad_end(self, error: JobEndedBadly, run: Run) -> JobEndedBadly:
        """Add to a bad end what is known of its start, and what to type next."""
        record = run.record
        if record is None:
            ids, now = [run.instance.id], clocks.system().now()
            known, _durations = read_known(self.ledger, ids, [], environment=self.environment, now=now)
            record = known.get(run.instance.id)
        steps = list_next_steps(
            run.instance, program=self.program, has_key=record is not None and record.is_named
        )
        earlier = "It was started before; nothing was started again." if run.is_earlier else ""
        reason = "\n".join(filter(None, (earlier, error.reason)))
        return self.invocation.fit_hint(error.replace(reason=reason, hint="\n".join(steps)))

    def judge_all(self, runs: Sequence[Run], *, only_unseen: bool = False) -> AlmajobError | None:
        """Judge several runs together; None where all ended well.

        Args:
            runs: with their verdicts.
            only_unseen: ignore their ends, and count only those that could not be seen.
        """
        passed_over = (JobEndedBadly, StillRunning) if only_unseen else ()
        bad = [run for run in runs if run.verdict is not None and not isinstance(run.verdict, passed_over)]
        errors = {run.label: run.verdict for run in bad if run.verdict is not None}
        if len(runs) == 1 or not errors:
            return next(iter(errors.values()), None)
        unended = [run.instance for run in bad if isinstance(run.verdict, (StillRunning, Unreachable))]
        going_on = [instance.id for instance in unended if instance.id]
        awaited = [instance.job.id for instance in unended if not instance.id and instance.job]
        lines = [self._word_resume(going_on)] if going_on else []
        lines += [self._word_resume([*awaited, "--next"])] if awaited else []
        # A plugin's command is one and the same line for both.
        return combine_errors(runs, errors, "\n".join(dict.fromkeys(lines)))

    def _judge_followed(self, run: Run, item: WatchedRun, record: Record | None) -> Run:
        """Return a run as it was seen last, with its verdict."""
        job = run.instance.job or (Job(record.job_id, record.job_name) if record else None)
        instance = with_job(item.instance or run.instance, job)
        found = replace(self.describe(instance), record=run.record, is_earlier=run.is_earlier)
        if run.record is not None and item.instance is not None:
            self.learn_tags(run.record, item.instance)
        if not item.has_ended:
            return replace(found, verdict=self._explain_unended(item))
        found = self.judge(found)
        if record is not None:
            self.unreported.note_end(record, found, find_usual(item.earlier))
        if found.remark:
            LOG.warning("%s", found.remark)
        return found

    def _explain_not_begun(self, item: WatchedRun) -> AlmajobError:
        """Return why a job's next run was not waited for any longer."""
        last, resume = item.error, self._word_next(item.job_id)
        reason, alma = (f"The last look failed: {last.message}", last.alma) if last else ("", "")
        if item.over is Over.OUT_OF_TIME and item.was_listed:
            how_long = time_format.format_duration(self.options.timeout or 0.0)
            message = f"{item.label} had not begun after {how_long}."
            return StillRunning(message, reason=reason, hint=resume, alma=alma)
        if isinstance(last, (KeyRefused, *USED_UP)):
            return last
        waited = self.options.outage if item.over is Over.OUTAGE else self.options.timeout or 0.0
        message = f"{item.label} could not be looked for in {time_format.format_duration(waited)}."
        return Unreachable(message, reason=reason, hint=resume, alma=alma)

    def _explain_unended(self, item: WatchedRun) -> AlmajobError:
        """Return why a run was not followed to its end."""
        last = item.error
        if item.over is Over.REFUSED and last is not None:
            return last if item.is_awaited else name_run(last, item.instance_id)
        if item.is_awaited:
            return self._explain_not_begun(item)
        name, resume = item.label, self._word_resume([item.instance_id])
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


def _watch(run: Run) -> WatchedRun:
    """Make what is followed of a run; one that has not begun is known by its job."""
    job = run.instance.job
    return WatchedRun(run.instance.id, job.id, job.name) if job and job.id else WatchedRun(run.instance.id)


def _look_at(alma: Alma, awaited: Mapping[WatchedRun, NextRun], item: WatchedRun, patience: float) -> Seen:
    """Look at a run, or for it where it has not begun."""
    if item.is_awaited:
        return awaited[item].look(alma, patience)
    with for_run(item.run_key):
        instance, reading = alma.look(item.instance_id, item.job_id, patience=patience)
    return instance, age_of(instance, reading.clock)


def _fill_in(item: WatchedRun, run: Run, record: Record | None) -> None:
    """Fill in what is known of a run before it is looked at."""
    job = run.instance.job
    item.job_id = job.id if job and job.id else record.job_id if record else ANY_JOB
    item.job_name = job.name if job and job.name else record.job_name if record else ""
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
