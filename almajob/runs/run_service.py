"""Runs of jobs, as the commands and plugins use them: start one, look at one, follow one to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache

from almajob.alma.call_log import for_run
from almajob.alma.client import ANY_JOB, Alma
from almajob.alma.http.error_responses import NO_SUCH_INSTANCE
from almajob.alma.job_instances import Instance, parse_time
from almajob.alma.models import Code, Job, Parameter
from almajob.errors import AlmajobError, AlmaRefused, OutcomeUnknown, Refused
from almajob.jobs.job_lookup import JOB_ID, Catalogue, reread
from almajob.jobs.success_policy import Policy
from almajob.runs.evidence.unknown_outcome import outcome_unknown
from almajob.runs.job_lock import LOCK_WAIT, Locks, name_job_locks
from almajob.runs.ledger_queries import read_records_of_key, recall
from almajob.runs.parameters import payload_history
from almajob.runs.parameters.parameters import Parameters
from almajob.runs.run import Run
from almajob.runs.run_reference import find_kept_key, find_run
from almajob.runs.start import environment_check, idempotency, recover, resolve_request, submit
from almajob.runs.start.confirmation import Unconfirmed, refuse_typed
from almajob.runs.start.plan import Plan, make_plan
from almajob.runs.start.preflight import check_payload
from almajob.runs.start_request import Deps, StartOptions, StartRequest, Target
from almajob.runs.unreported_starts import UnreportedStarts
from almajob.runs.wait.follower import Follower, name_run, with_job
from almajob.runs.wait.poller import SPACING
from almajob.runs.wait.watched_run import OpenDisplay, WaitOptions, WatchedRun, open_lines
from almajob.store.ledger import Ledger
from almajob.store.ledger_record import Record, State
from almajob.system import clock as clocks
from almajob.text.sanitize import sanitize

LOG = logging.getLogger(__name__)

# Seconds: the start is certain, so its status is worth a short wait only.
_LOOK_PATIENCE = 30.0
_RECOVER_WAIT = 5.0
_ASKED = "the person who was asked"
_ParametersLike = Parameters | Sequence[Parameter]


class Runs:
    """The runs of one environment.

    Args:
        alma: makes the connection; called only where Alma is needed.
        catalogue: its jobs; called only where they are needed.
        target: the environment as a start needs it; called only where that is needed, as it needs the key.
        describe_status: describes a status, by Alma's code table.
        policy: what counts as a good end, where a call does not say otherwise.
        program: how almajob is called for this environment.
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
    ) -> None:
        self._alma = alma
        self._make_catalogue = catalogue
        self._ledger = ledger
        self._make_target = cache(target)
        self._describe_status = describe_status
        self._environment = environment
        self.policy = policy or Policy()
        self._program = program or f"almajob --env {environment}"
        self._locks = Locks(ledger.directory.with_name("locks"))
        self.unreported = UnreportedStarts(ledger, self._program)

    def start(
        self,
        job: str,
        parameters: _ParametersLike = (),
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
            ask: asks a person yes or no, where only a person can tell whether a run is the one.
            confirm: shows a start in production to a person, and gives what was typed: the job's id agrees to
                it. Without it a start in production needs ``options.is_confirmed``.
            look: read how it stands; not needed where it is followed next.

        Raises:
            OutcomeUnknown: it cannot be told whether the job was started; the error has the ledger's record.
            AlmajobError: nothing was started; the error has the record, if there is one.
        """
        options = options or StartOptions()
        run_key, clock = options.run_key, clocks.system()
        try:
            options = self._use_kept_key(options)
            run_key = options.run_key
            request = self._make_request(job, parameters, options)
            run_key, begun = request.run_key, clock.elapsed()
            while True:
                try:
                    record = submit.start(request, self._deps)
                    break
                except Unconfirmed as asked:
                    # All checks are made once more; what is sent is what was shown, or it is asked again.
                    request, begun = _confirm(request, asked, confirm), clock.elapsed()
                except AlmajobError as error:
                    submit.wait_for_slot(error, options.wait_for_slot, begun, clock)
        except OutcomeUnknown as unknown:
            record = self._ask_person(unknown, ask)
        except AlmajobError as error:
            recalled = recall(error, run_key, self._environment, self._ledger, self._identity)
            raise recalled from error.__cause__
        except BaseException:
            # A signal, when Alma may have answered already: whoever ends the command names it.
            for record in read_records_of_key(self._ledger, run_key, self._environment, self._identity)[-1:]:
                if record.has_run:
                    self.unreported.add(record)
            raise
        self.unreported.add(record)
        started = WatchedRun(record.instance_id)
        with self.follower(policy=options.policy).name_unended([started]):
            return self._show_started(record) if look else self._show_unseen(record)

    def plan(self, job: str, parameters: _ParametersLike = (), options: StartOptions | None = None) -> Plan:
        """Return what ``start`` would do now, and send nothing.

        Raises:
            AlmajobError: it would be refused.
        """
        options = self._use_kept_key(options or StartOptions())
        return make_plan(self._make_request(job, parameters, options), self._deps)

    def check(self, job: str, parameters: _ParametersLike, options: StartOptions) -> Job:
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
        found = self._find_job(job)
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
                found = recover.recover_start(found, self._deps)
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
                    hint=f"almajob runs show {current.id} tells more.",
                )
            found = None
            if instance_id:
                self._refuse_elsewhere(current)
                found = recover.read_claimed_run(current, instance_id, self._deps)
            return recover.resolve(current, self._deps, found=found, by=by)

    def follow(
        self,
        run: Run,
        options: WaitOptions | None = None,
        *,
        policy: Policy | None = None,
        display: OpenDisplay = open_lines,
    ) -> Run:
        """Follow a run to its end and judge it, as ``follower`` does several."""
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
            policy: what counts as a good end; what the ini says where not given.
            display: opens what shows the runs meanwhile; a line for each change where not given.
        """
        return Follower(
            alma=self._alma,
            ledger=self._ledger,
            unreported=self.unreported,
            describe=self.describe,
            learn_tags=self._learn_tags,
            environment=self._environment,
            program=self._program,
            options=options or WaitOptions(),
            policy=policy or self.policy,
            display=display,
        )

    def process_id(self, text: str) -> str:
        """Return the Process ID that a text stands for: itself, ``@last``, a run key or an id of the ledger.

        Raises:
            Refused: there is no such run, or it was not started, or in another Alma.
            OutcomeUnknown: it cannot be told whether it was started.
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
                hint=f"almajob runs show {record.id} tells more.",
            )
        raise outcome_unknown(record)

    def look(self, instance_id: str, job: str | None = None) -> Run:
        """Read one run; one call, whether its job is named, given by id or not at all.

        Raises:
            Refused: the run is of another job.
        """
        job_id = job if job is not None and JOB_ID.fullmatch(job) else ANY_JOB
        instance = self._find_instance(instance_id, job_id)
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

    def look_at_each(self, instance_ids: Sequence[str], job: str | None = None) -> Iterator[Run]:
        """Read several runs, not faster than a wait does; one that cannot be seen has that as its verdict."""
        for number, instance_id in enumerate(instance_ids):
            if number:
                clocks.system().sleep(SPACING)
            try:
                yield self.look(instance_id, job)
            except AlmajobError as error:
                yield replace(self.make_run(instance_id), verdict=error)

    def make_run(self, instance_id: str) -> Run:
        """Return a run of which only the Process ID is known, whoever started it; asks nothing of Alma."""
        return Run(Instance(instance_id), "", self._environment)

    def describe(self, instance: Instance) -> Run:
        """Make a run of what Alma shows, with the description of its status, judged if it has ended."""
        described = self._describe_status(instance.status) if instance.status.value else ""
        verdict = self.policy.judge(instance, described).error if instance.has_ended else None
        return Run(instance, described, self._environment, verdict)

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
        return Deps(self._make_target(), self._alma(), self._ledger, self._locks)

    def _use_kept_key(self, options: StartOptions) -> StartOptions:
        if not options.run_key:
            return options
        return replace(options, run_key=find_kept_key(self._ledger, options.run_key, self._environment))

    def _make_request(self, job: str, parameters: _ParametersLike, options: StartOptions) -> StartRequest:
        return resolve_request.make_request(job, parameters, options, self._find_job, self._deps)

    def _find_job(self, text: str) -> Job:
        return resolve_request.find_job(text, self._make_catalogue, self._ledger, self._environment)

    def _find_instance(self, instance_id: str, job_id: str) -> Instance:
        try:
            return self._alma().instance(instance_id, job_id)
        except AlmaRefused as refused:
            # Alma says the same of a run of another job and of no run at all; tell them apart.
            if job_id == ANY_JOB or refused.code != NO_SUCH_INSTANCE:
                raise name_run(refused, instance_id) from None
            return self._find_instance(instance_id, ANY_JOB)

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
            LOG.warning("The job was started; its status cannot be seen just now: %s", error.message)
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
                LOG.info("Run %s is taken for this one.", only.id)
                return self.resolve(record, instance_id=only.id, by=_ASKED)
        except AlmajobError as error:
            LOG.warning("That cannot be kept just now: %s", error)
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
                f"of [{record.environment}], perhaps in another institution.",
                hint="Use the ini with which it was started. If it is the same institution, name the run by\n"
                f"its Process ID: {self._make_target().program} wait --id {record.instance_id}",
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
        with ExitStack() as held:
            for name in name_job_locks(record.environment, record.identity, record.job_id):
                held.enter_context(self._locks.lock(name, max(end - clock.elapsed(), 0.0)))
            yield

    def _read_again(self, record: Record) -> Record:
        """Read a record again, now that nobody else can change it."""
        found = self._ledger.records(lambda row: row.id == record.id)
        if not found:
            raise Refused(
                f"The ledger has no run {record.id} any more.", hint="almajob runs list shows what it has."
            )
        return found[0]


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
