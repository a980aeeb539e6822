"""Runs of jobs, as the commands and plugins use them: start one, look at one, follow one to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cache

from almajob.alma.call_log import for_run
from almajob.alma.client import ANY_JOB, Alma
from almajob.alma.http.error_responses import NO_SUCH_INSTANCE
from almajob.alma.job_instances import Instance, parse_time
from almajob.alma.models import Code, Job, Parameter
from almajob.config.environments import LateAfter
from almajob.errors import AlmajobError, AlmaRefused, OutcomeUnknown, Refused
from almajob.jobs.history import Period, read_history, with_job
from almajob.jobs.job_lookup import JOB_ID, Catalogue, is_named, reread
from almajob.jobs.success_policy import Judgement, Policy
from almajob.runs.evidence.unknown_outcome import earlier_outcome_unknown, outcome_unknown
from almajob.runs.invocation import Invocation
from almajob.runs.job_lock import LOCK_WAIT, name_job_locks
from almajob.runs.ledger_queries import read_records_of_key, recall
from almajob.runs.parameters import payload_history
from almajob.runs.parameters.parameters import Parameters
from almajob.runs.run import Run
from almajob.runs.run_reference import find_kept_key, find_run, is_of
from almajob.runs.start import environment_check, idempotency, recover, resolve_request, submit
from almajob.runs.start.confirmation import Unconfirmed, join_questions, refuse_typed, refuse_unconfirmed
from almajob.runs.start.interruption import report_interruption, report_unsent
from almajob.runs.start.plan import Action, Plan, make_plan
from almajob.runs.start.preflight import check_payload
from almajob.runs.start_request import Deps, Start, StartOptions, StartRequest, Target
from almajob.runs.unreported_starts import UnreportedStarts
from almajob.runs.wait import run_check
from almajob.runs.wait.end_messages import EndMessages, name_directory
from almajob.runs.wait.follower import FindLateAfter, Follower, name_run
from almajob.runs.wait.poller import SPACING
from almajob.runs.wait.run_check import Finding
from almajob.runs.wait.watched_run import OpenDisplay, WaitOptions, WatchedRun, open_lines
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import Record, State
from almajob.store.ledger.run_key_forms import move_key
from almajob.system import clock as clocks
from almajob.text.busy import Busy, count_down, show_nothing
from almajob.text.sanitize import sanitize

LOG = logging.getLogger(__name__)

# Seconds: the start is certain, so its status is worth a short wait only.
_LOOK_PATIENCE = 30.0
_RECOVER_WAIT = 5.0
_ASKED = "the person who was asked"


def log_report(sentence: str) -> None:
    """Log what became of a start."""
    LOG.info("%s", sentence)


class Runs:
    """The runs of one environment.

    Args:
        alma: makes the connection; called only where Alma is needed.
        catalogue: its jobs; called only where they are needed.
        target: the environment as a start needs it; called only where that is needed, as it needs the key.
        describe_status: describes a status, by Alma's code table.
        policy: what counts as a good end, where a call does not say otherwise.
        program: how almajob is called for this environment.
        busy: shows people what is waited for before and while a job is started.
        invocation: the command line that they belong to.
        state_dir: where a webhook listener leaves what it was told; None where there is no such place.
        late_after: returns when a run of a job counts as late, by the job's id and name.
    """

    def __init__(
        self,
        alma: Callable[[], Alma],
        catalogue: Callable[[], Catalogue],
        ledger: Ledger,
        target: Callable[[], Target],
        describe_status: Callable[[Code], str],
        *,
        environment: str,
        policy: Policy | None = None,
        program: str = "",
        busy: Busy = show_nothing,
        invocation: Invocation | None = None,
        state_dir: str | None = None,
        late_after: FindLateAfter = lambda _job_id, _job_name: LateAfter(),
    ) -> None:
        self._alma = alma
        self._late_after = late_after
        self._make_catalogue = catalogue
        self._ledger = ledger
        self._make_target = cache(target)
        self._describe_status = describe_status
        self._environment = environment
        self._busy = busy
        self.policy = policy or Policy()
        self._program = program or f"almajob --env {environment}"
        self._locks = ledger.place.locks
        self._invocation = invocation or Invocation()
        self._state_dir = state_dir
        self.unreported = UnreportedStarts(ledger, self._program, self._invocation)

    def start(
        self,
        job: str,
        parameters: Parameters | Sequence[Parameter] = (),
        options: StartOptions | None = None,
        *,
        ask: Callable[[str], bool] | None = None,
        confirm: Callable[[str], str] | None = None,
        look: bool = True,
        report: Callable[[str], None] = log_report,
    ) -> Run:
        """Start a job by its name or id, once; or find the run that this already is.

        After Alma has confirmed the start nothing here fails: a status that cannot be read is a warning.

        Args:
            job: its exact name, or its id; may be empty where a payload names it.
            parameters: in the order in which they are sent; ``Parameters``, or names and values.
            ask: asks a person yes or no, where only a person can tell whether a run is the one.
            confirm: shows a start in production to a person, and gives what was typed: the job's id agrees to
                it. Without it a start in production needs ``options.is_confirmed``.
            look: read how it stands; not needed where it is followed next.
            report: gets one sentence, which names the run, as soon as it is known.

        Raises:
            OutcomeUnknown: it is unknown whether the job was started.
            AlmajobError: nothing was started.
        """
        options = options or StartOptions()
        if not options.may_ask:
            ask = confirm = None
        run_key, clock = options.run_key, clocks.system()
        try:
            self._ledger.place.need()
            with report_unsent("the job was still being looked up"):
                options = self._use_kept_key(options)
                run_key = options.run_key
                request = self._make_request(job, parameters, options)
            run_key, begun = request.run_key, clock.elapsed()
            while True:
                try:
                    record, sentence, is_earlier = submit.start(request, self._deps)
                    break
                except Unconfirmed as asked:
                    # All checks are made once more; what is sent is what was shown, or it is asked again.
                    request, begun = _confirm(request, asked, confirm), clock.elapsed()
                except AlmajobError as error:
                    submit.wait_for_slot(error, options.wait_for_slot, begun, clock, self._busy)
        except OutcomeUnknown as unknown:
            self.unreported.note_unknown(unknown.record)
            record = self._ask_person(unknown, ask)
            sentence, is_earlier = submit.word_started(record), False
        except AlmajobError as error:
            recalled = recall(error, run_key, self._environment, self._ledger, self._identity)
            raise self._invocation.fit_hint(recalled) from error.__cause__
        except BaseException:
            # A signal, when Alma may have answered already: whoever ends the command names it.
            for record in read_records_of_key(self._ledger, run_key, self._environment, self._identity)[-1:]:
                self.unreported.note_interrupted(record)
            raise
        self.unreported.note_start(record, is_earlier=is_earlier)
        started = WatchedRun(record.instance_id)
        with self.follower(policy=options.policy).name_unended([started]):
            report(sentence)
            run = self._show_started(record) if look else self._show_unseen(record)
            run = replace(run, is_earlier=is_earlier)
            return self._warn_if_failed_before(run, options.policy) if look else run

    def confirm_together(
        self, starts: Sequence[Start], *, confirm: Callable[[str], str] | None = None
    ) -> list[Start]:
        """Show several starts in production to a person at once, who agrees to all of them or to none.

        Give each that is returned to ``start``, also hours later: all checks are made once more then, and
        what is sent is what was shown. What has changed is asked about again, or refused without ``confirm``.
        In a sandbox nobody is asked, and only whether there are such jobs is checked.

        Args:
            starts: what will be started, in this order; those that are there already are not shown.
            confirm: as for ``start``; the id of the first job agrees to all.

        Returns:
            The same starts, agreed to where that is needed.

        Raises:
            AlmajobError: there is no such job; in production also: nobody has agreed, or one of them would be
                refused now. Nothing was started.
        """
        try:
            if not self._make_target().is_production:
                for each in starts:
                    self.find_job(each.job)
                return list(starts)
            questions: list[Unconfirmed | None] = []
            records: list[Record] = []
            for each in starts:
                options = each.options.follow_any(records, self._has_key)
                question, plan = self._ask_about(replace(each, options=options))
                questions.append(question)
                records.append(plan.record)
            asked = [each for each in questions if each is not None]
            if asked:
                if confirm is None or not all(each.options.may_ask for each in starts):
                    raise asked[0]
                refuse_typed(asked[0], confirm(join_questions(asked)))
        except AlmajobError as error:
            raise self._invocation.fit_hint(error) from error.__cause__
        return [
            replace(each, options=replace(each.options, agreed_to=found.question)) if found else each
            for each, found in zip(starts, questions, strict=True)
        ]

    def check_start(self, start: Start) -> tuple[Unconfirmed | None, Plan]:
        """Make every check of a start, and wait for a slot as ``start`` does; start nothing.

        Returns:
            What a person has to agree to, None where nobody has to; and what the start will do.

        Raises:
            AlmajobError: the start would be refused.
        """
        clock = clocks.system()
        begun = clock.elapsed()
        while True:
            try:
                return self._ask_about(start)
            except AlmajobError as error:
                try:
                    submit.wait_for_slot(error, start.options.wait_for_slot, begun, clock, self._busy)
                except AlmajobError as refused:
                    raise self._invocation.fit_hint(refused) from refused.__cause__

    def prepare(
        self,
        job: str,
        parameters: Parameters | Sequence[Parameter],
        options: StartOptions,
        *,
        confirm: Callable[[str], str] | None = None,
    ) -> tuple[StartOptions, str]:
        """Make every check of a start, and have it agreed to, before its own set is made; start nothing.

        An earlier start of the job whose outcome is unknown is looked for, and a slot is waited for, as
        ``start`` does.

        Args:
            confirm: as for ``start``.

        Returns:
            The options with which ``start`` asks no more, unless something has changed meanwhile; and of what
            the set must be, such as ITEM.

        Raises:
            AlmajobError: the start would be refused, or nobody has agreed to it.
        """
        confirm = confirm if options.may_ask else None
        clock = clocks.system()
        request = self._make_request(job, parameters, self._use_kept_key(options))
        begun = clock.elapsed()
        while True:
            try:
                plan = make_plan(request, self._deps)
                if plan.ready is not None:
                    refuse_unconfirmed(plan.ready, request, self._make_target())
                    content = plan.ready.set.content.value if plan.ready.set else ""
                    return replace(options, agreed_to=request.options.agreed_to), content
                if plan.action != Action.LOOK_FIRST.value:
                    raise outcome_unknown(plan.record, self._program)
                earlier = self.recover(plan.record)
                if earlier.is_open:
                    raise earlier_outcome_unknown(earlier, self._program)
            except Unconfirmed as asked:
                request, begun = _confirm(request, asked, confirm), clock.elapsed()
            except AlmajobError as error:
                try:
                    submit.wait_for_slot(error, options.wait_for_slot, begun, clock, self._busy)
                except AlmajobError as refused:
                    raise self._invocation.fit_hint(refused) from refused.__cause__

    def has_key(self, run_key: str) -> bool:
        """Whether a run of this key was started, or may have been."""
        return any(not record.is_retry_safe for record in self.records_of_key(run_key))

    def records_of_key(self, run_key: str) -> list[Record]:
        """Return the records of a run key in this environment, the oldest first.

        Raises:
            LedgerUnusable: the ledger cannot be read.
        """
        with self._ledger.read() as view:
            found = view.list_of_key(run_key)
        key = move_key(run_key, "")
        return [
            each
            for each in found
            if move_key(each.run_key, "") == key and is_of(each, self._environment, self._identity)
        ]

    def _has_key(self, run_key: str) -> bool:
        return bool(read_records_of_key(self._ledger, run_key, self._environment, self._identity))

    def _ask_about(self, start: Start) -> tuple[Unconfirmed | None, Plan]:
        """Return what a person is asked about a start, and what it will do.

        None is asked where nothing is sent, or it is agreed to.
        """
        options = self._use_kept_key(start.options)
        request = self._make_request(start.job, start.parameters, options)
        plan = make_plan(request, self._deps)
        try:
            if plan.ready is not None:
                refuse_unconfirmed(plan.ready, request, self._make_target())
        except Unconfirmed as asked:
            return asked, plan
        return None, plan

    def plan(
        self, job: str, parameters: Parameters | Sequence[Parameter] = (), options: StartOptions | None = None
    ) -> Plan:
        """Return what ``start`` would do now, and send nothing.

        Raises:
            AlmajobError: it would be refused.
        """
        try:
            options = self._use_kept_key(options or StartOptions())
            return make_plan(self._make_request(job, parameters, options), self._deps)
        except AlmajobError as error:
            raise self._invocation.fit_hint(error) from error.__cause__

    def check(self, job: str, parameters: Parameters | Sequence[Parameter], options: StartOptions) -> Job:
        """Find the job, and check the parameters and the set as a start does; for a run that is only saved.

        Raises:
            AlmajobError: it would be refused.
        """
        request = self._make_request(job, parameters, options)
        found = reread(self._alma(), request.job, self._environment)
        check_payload(request, found, self._deps)
        return found

    def last_payload(self, job: str) -> tuple[Job, tuple[Parameter, ...] | None]:
        """Find a job, and with which parameters it was started from here last; None if that is not known."""
        found = self.find_job(job)
        known = payload_history.recall(self._ledger, self._environment, found.id)
        return found, None if known is None else known.last

    def recover(self, record: Record) -> Record:
        """Look again for a start whose outcome is unknown; it is still open where that decides nothing.

        Raises:
            Refused: another process is busy with the job, or this key leads elsewhere.
        """
        # Those that are busy do not keep the others from being looked for.
        with self._hold_locks(record, _RECOVER_WAIT):
            found = self._read_again(record)
            if found.is_open:
                self._refuse_elsewhere(found)
                with report_interruption(lambda: outcome_unknown(found, self._program)):
                    found = recover.recover_start(found, self._deps)
        self.unreported.note_settled(found)
        return found

    def resolve(self, record: Record, *, instance_id: str = "", by: str) -> Record:
        """Write down what a person knows of a start whose outcome is unknown.

        Args:
            instance_id: the run that it is; empty where it was not started.
            by: who knows it.

        Raises:
            Refused: its outcome is known, or the run cannot be it.
        """
        with self._hold_locks(record, LOCK_WAIT):
            current = self._read_again(record)
            if current.is_retry_safe or not current.is_open:
                raise Refused(
                    f"The outcome of {current.id} is known: "
                    + ("nothing was started." if current.is_retry_safe else f"run {current.instance_id}."),
                    reason=f"{current.trail[-1].reason}.",
                    hint=f"almajob runs show {current.id} has the details.",
                )
            found = None
            if instance_id:
                self._refuse_elsewhere(current)
                found = recover.read_claimed_run(current, instance_id, self._deps)
            settled = recover.resolve(current, self._deps, found=found, by=by)
        self.unreported.note_settled(settled)
        return settled

    def resolve_start(self, run_key: str, process_id: str = "", *, by: str) -> None:
        """Write down what a person knows of a start whose outcome is unknown.

        Args:
            run_key: of the start.
            process_id: the run that it is; empty where it was not started.
            by: who knows it.

        Raises:
            Refused: there is no such start, its outcome is known, or the run cannot be it.
            AlmaRefused: there is no such run.
        """
        found = [record for record in self.records_of_key(run_key) if record.is_open]
        if not found:
            raise Refused(
                f"The outcome of the start {run_key!r} is not unknown.",
                hint="almajob runs list shows what the ledger has.",
            )
        self.resolve(found[-1], instance_id=process_id, by=by)

    def follow(
        self,
        run: Run,
        options: WaitOptions | None = None,
        *,
        policy: Policy | None = None,
        display: OpenDisplay = open_lines,
    ) -> Run:
        """Follow a run to its end and judge it; none of it is an error that is raised.

        Args:
            run: as ``start`` or ``look`` returned it.
            options: time limits and intervals.
            policy: what counts as a good end; what the configuration file says where not given.
            display: draws the progress; a line for each change is logged where not given.

        Returns:
            The run as it was seen last. Its ``verdict`` is None where it ended well.
        """
        return self.follower(options, policy, display).follow([run])[0]

    def follower(
        self,
        options: WaitOptions | None = None,
        policy: Policy | None = None,
        display: OpenDisplay = open_lines,
    ) -> Follower:
        """Return what follows runs and judges them.

        Args:
            options: time limits and intervals.
            policy: what counts as a good end; what the configuration file says where not given.
            display: draws the progress; a line for each change is logged where not given.
        """
        return Follower(
            alma=self._alma,
            ledger=self._ledger,
            unreported=self.unreported,
            describe=self.describe,
            learn_tags=self._learn_tags,
            environment=self._environment,
            program=self._program,
            invocation=self._invocation,
            options=options or WaitOptions(),
            policy=policy or self.policy,
            display=display,
            messages=self.messages,
            late_after=self._late_after,
        )

    @property
    def messages(self) -> EndMessages | None:
        """What a webhook listener was told of the ends of runs; None where there is no place for it."""
        if not self._state_dir or not (identity := self._identity):
            return None
        return EndMessages(name_directory(self._state_dir, identity))

    def check_unended(self) -> list[Finding]:
        """Look once at each run that was started from here and has no end yet, and return what is not well.

        An end that is seen so is one for good: observers are called, and it is not looked at again. Runs that
        a process of this machine waits for are left to it, as are those that are a week old.
        """
        return run_check.check(self.follower(), self.look_at_each)

    def process_id(self, text: str) -> str:
        """Return the Process ID that a text stands for: itself, ``@last``, a run key or an id of the ledger.

        Raises:
            Refused: there is no such run, or it was not started, or in another Alma.
            OutcomeUnknown: it is unknown whether it was started.
        """
        now = clocks.system().now()
        record = find_run(self._ledger, text, environment=self._environment, now=now, identity=self._identity)
        if record is None:
            return text
        if record.has_run:
            self._refuse_other_alma(record)
            return record.instance_id
        if record.is_retry_safe:
            raise Refused(
                f"The run {record.run_key!r} was not started: {record.trail[-1].reason}.",
                hint=f"almajob runs show {record.id} has the details.",
            )
        raise outcome_unknown(record, self._program)

    def look(self, instance_id: str, job: str | None = None) -> Run:
        """Read one run; one call, whether its job is named, given by id or not at all.

        Args:
            instance_id: its Process ID.
            job: the exact name or the id of the job that it must be of.

        Raises:
            Refused: the run is of another job.
            AlmaRefused: there is no such run.
        """
        job_id = job if job is not None and JOB_ID.fullmatch(job) else ANY_JOB
        instance = self._find_instance(instance_id, job_id)
        found = instance.job
        if job is not None and job_id == ANY_JOB and not (found and found.id):
            LOG.warning("Alma does not name the job of run %s. %r is not checked.", instance_id, job)
        elif job is not None and found is not None and not is_named(found, job):
            raise Refused(
                f"Run {instance_id} is not of the job {job!r}.",
                reason=f"It is of {found.name!r} ({found.id}).",
                hint="Leave --job out, or correct it.",
            )
        return self.describe(instance)

    def look_at_each(self, instance_ids: Sequence[str], job: str | None = None) -> Iterator[Run]:
        """Read several runs, not faster than a wait does; one that cannot be seen has that as its verdict."""
        for number, instance_id in enumerate(instance_ids):
            if number:
                clocks.system().sleep(SPACING)
            try:
                yield self.look(instance_id, job)
            except AlmajobError as error:
                yield replace(self.make_run(instance_id), verdict=error)

    def read_history(
        self,
        job: Job,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        status: str = "",
        limit: int = 0,
    ) -> list[Run]:
        """Read the runs of a job that Alma lists, whoever started them: those that go on, then the newest.

        Args:
            since: with a time zone: only those that were submitted then or later.
            until: likewise, then or earlier.
            status: only those with this one, a code of Alma's table ``systemJobStatus`` such as ``FAILED``.
            limit: how many, at most; 0 for all. Those that go on are never left out.
        """
        wanted = Period(since, until, status)
        found = read_history(self._alma(), job.id, wanted, limit=limit)
        return [self.describe(with_job(instance, job)) for instance in found]

    def read_latest(self, job: Job) -> list[Run]:
        """Read the runs of a job that go on, the newest first; or else its last one, if there is any."""
        return self.read_history(job, limit=1)

    def find_last(self, job: Job) -> Run:
        """Find the last run of a job, whoever started it.

        Raises:
            Refused: there is none.
        """
        found = self.read_latest(job)
        if not found:
            raise Refused(f"Alma lists no run of {_name_job(job)} in {self._environment}.")
        return found[0]

    def find_going_on(self, job: Job) -> Run:
        """Find the run of a job that goes on, whoever started it.

        Raises:
            Refused: there is none, or there are several.
        """
        found = self.read_latest(job)
        going_on = [run for run in found if not run.instance.has_ended]
        if len(going_on) == 1:
            return going_on[0]
        if going_on:
            ids = [run.instance.id for run in going_on]
            shown = ", ".join(f"{run.instance.id} ({run.instance.status.value})" for run in going_on)
            raise Refused(
                f"{len(going_on)} runs of {_name_job(job)} are going on in {self._environment}.",
                reason=f"They are: {shown}.",
                hint=f"Name one by its Process ID, or all: {self._program} wait {' '.join(ids)}",
            )
        last = found[0].instance if found else None
        raise Refused(
            f"No run of {_name_job(job)} is going on in {self._environment}.",
            reason=f"The last one, run {last.id}, ended with {last.status.value}."
            if last
            else "Alma lists no run of it.",
            hint=f"To wait for the next one: {self._program} wait {job.id} --next"
            + (f"\nTo see the last one: {self._program} status {last.id}" if last else ""),
        )

    def make_next_run(self, job: Job) -> Run:
        """Return the next run of a job, which has not begun, for ``follow``; asks nothing of Alma."""
        return Run(Instance("", job=job), "", self._environment)

    def make_run(self, instance_id: str) -> Run:
        """Return a run of which only the Process ID is known, whoever started it; asks nothing of Alma."""
        return Run(Instance(instance_id), "", self._environment)

    def describe(self, instance: Instance) -> Run:
        """Make a run of what Alma shows, with the description of its status, judged if it has ended."""
        described = self._describe_status(instance.status) if instance.status.value else ""
        judgement = self.policy.judge(instance, described) if instance.has_ended else Judgement()
        verdict, is_nothing = judgement.error, judgement.is_nothing
        return Run(instance, described, self._environment, verdict, is_nothing=is_nothing)

    def close(self) -> None:
        """Release the runs that this process was busy with."""
        self._locks.release()

    @property
    def _identity(self) -> str:
        """The identity of the Alma that is called; empty where its key cannot be had."""
        try:
            return self._make_target().identity
        except AlmajobError:
            return ""

    @property
    def _deps(self) -> Deps:
        return Deps(self._make_target(), self._alma(), self._ledger, self._locks, busy=self._busy)

    def _use_kept_key(self, options: StartOptions) -> StartOptions:
        if not options.run_key:
            return options
        return replace(options, run_key=find_kept_key(self._ledger, options.run_key, self._environment))

    def _make_request(
        self, job: str, parameters: Parameters | Sequence[Parameter], options: StartOptions
    ) -> StartRequest:
        return resolve_request.make_request(job, parameters, options, self.find_job, self._deps)

    def find_job(self, text: str) -> Job:
        """Find a job by its name or id; where Alma cannot be asked, as the ledger knows it."""
        return resolve_request.find_job(text, self._make_catalogue, self._ledger, self._environment)

    def _find_instance(self, instance_id: str, job_id: str) -> Instance:
        try:
            return self._alma().instance(instance_id, job_id)
        except AlmaRefused as refused:
            # Alma says the same of a run of another job and of no run at all; tell them apart.
            if job_id == ANY_JOB or refused.code != NO_SUCH_INSTANCE:
                raise name_run(refused, instance_id) from None
            return self._find_instance(instance_id, ANY_JOB)

    def _warn_if_failed_before(self, run: Run, policy: Policy | None) -> Run:
        """Warn where a command's run ended badly long ago: that nothing is started is easily overlooked."""
        if run.is_earlier and run.instance.has_ended:
            verdict = self.follower(policy=policy).judge(run).verdict
            if verdict is not None:
                LOG.warning("%s", verdict)
        return run

    def _show_unseen(self, record: Record) -> Run:
        """Show a run that was started by what the ledger knows of it."""
        job = Job(record.job_id, record.job_name)
        instance = Instance(record.instance_id, submit_time=parse_time(record.submit_time), job=job)
        return Run(instance, "", self._environment, record=record)

    def _show_started(self, record: Record) -> Run:
        """Show a run that was started, as far as Alma shows it."""
        job = Job(record.job_id, record.job_name)
        try:
            with for_run(record.run_key):
                instance = self._alma().instance(record.instance_id, record.job_id, patience=_LOOK_PATIENCE)
        except AlmajobError as error:
            LOG.warning("The job was started; its status cannot be read at the moment: %s", error.message)
            return self._show_unseen(record)
        self._learn_tags(record, instance)
        return replace(self.describe(with_job(instance, job)), record=record)

    def _learn_tags(self, record: Record, instance: Instance) -> None:
        """Learn from a run whether Alma shows tags."""
        recover.learn_tags(record, instance, self._deps)

    def _ask_person(self, unknown: OutcomeUnknown, ask: Callable[[str], bool] | None) -> Record:
        """Ask a person whether the only run that fits is ours.

        Raises:
            OutcomeUnknown: whatever fails, or where nobody can be asked: the outcome stays unknown.
        """
        record = unknown.record
        is_question = record is not None and record.state is State.AMBIGUOUS and len(record.candidates) == 1
        if ask is None or not is_question:
            raise unknown
        only = record.candidates[0]
        try:
            if ask(
                f"Alma gave no clear answer to the start. Since then one run has appeared:\n"
                f"{sanitize(only.id)} ({sanitize(only.name)}), submitted at {sanitize(only.submit_time)} "
                f"by {sanitize(only.submitted_by)}.\n"
                "Look in Alma, Admin > Monitor Jobs. Is it the one that was started here?"
            ):
                return self.resolve(record, instance_id=only.id, by=_ASKED)
        except AlmajobError as error:
            LOG.warning("That cannot be saved at the moment: %s", error)
        except BaseException:
            LOG.warning("%s", unknown)
            raise
        raise unknown

    def _refuse_elsewhere(self, record: Record) -> None:
        deps = self._deps
        found = environment_check.find_proof(deps.alma, deps.ledger, deps.target.identity, deps.clock.now())
        idempotency.refuse_elsewhere(record, self._place_here(record, found.institution))

    def _refuse_other_alma(self, record: Record) -> None:
        """Refuse to look here for a run that was started elsewhere; asks nothing of Alma.

        Raises:
            Refused: it was, or may have been.
        """
        if not self._identity:
            return
        known = environment_check.recall(self._ledger, self._identity)
        if not idempotency.is_here(record, self._place_here(record, known.institution if known else "")):
            raise Refused(
                f"The run {record.run_key!r} ({record.instance_id}) was started with another key or address "
                f"of [{record.environment}], perhaps of another institution.",
                hint="Use the configuration file with which it was started.\n"
                "If it is the same institution, use its Process ID: "
                f"{self._make_target().program} wait {record.instance_id}",
            )

    def _place_here(self, record: Record, institution: str) -> Record:
        """Return a record as it would be made here."""
        target = self._make_target()
        return replace(
            record,
            environment=target.environment,
            institution=institution,
            identity=target.identity,
            named_institution=target.institution,
            kind=target.kind,
        )

    @contextmanager
    def _hold_locks(self, record: Record, seconds: float) -> Iterator[None]:
        clock = clocks.system()
        end = clock.elapsed() + seconds
        waiting = count_down("Waiting for another almajob that is busy with the job", end, clock.elapsed)
        with ExitStack() as held:
            with self._busy(waiting):
                for name in name_job_locks(record.environment, record.identity, record.job_id):
                    held.enter_context(self._locks.lock(name, max(end - clock.elapsed(), 0.0)))
            yield

    def _read_again(self, record: Record) -> Record:
        """Read a record again, now that nobody else can change it."""
        with self._ledger.read() as view:
            found = view.find(record.id)
        if found is None:
            raise Refused(
                f"The ledger has no run {record.id} any more.", hint="almajob runs list shows what it has."
            )
        return found


def _name_job(job: Job) -> str:
    return f"{job.name!r} ({job.id})"


def _confirm(request: StartRequest, asked: Unconfirmed, confirm: Callable[[str], str] | None) -> StartRequest:
    """Ask a person to agree to a start in production.

    Raises:
        Unconfirmed: nobody can be asked.
        Refused: something else than the job's id was typed.
    """
    if confirm is None:
        raise asked
    refuse_typed(asked, confirm(asked.question))
    return replace(request, options=replace(request.options, agreed_to=asked.question))
