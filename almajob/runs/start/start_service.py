"""The starts of one environment, as the ledger knows them: begun once, looked for, settled by a person."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from almajob.alma.client import Alma
from almajob.alma.job_instances import Instance
from almajob.alma.models import Job, Parameter
from almajob.errors import AlmajobError, OutcomeUnknown, Refused
from almajob.jobs.job_lookup import Catalogue, reread
from almajob.runs.job_lock import LOCK_WAIT, Locks, job_locks
from almajob.runs.ledger_queries import SHORT_WAIT, Known, is_of, kept_key, process_id, read_known, recall
from almajob.runs.parameters import payload_history
from almajob.runs.parameters.parameters import Parameters
from almajob.runs.run_key import key_in
from almajob.runs.start import dry_run, environment_check, idempotency, recover, resolve_request, submit
from almajob.runs.start.confirmation import Unconfirmed, refuse_typed
from almajob.runs.start.dry_run import Plan
from almajob.runs.start.preflight import check_payload
from almajob.runs.start_request import Deps, StartOptions, StartRequest, Target
from almajob.store.ledger import Ledger, LedgerUnusable
from almajob.store.ledger_record import Record, State
from almajob.store.ledger_rows import key_hash
from almajob.system import clock as clocks
from almajob.text.sanitize import visible

LOG = logging.getLogger(__name__)

_Wanted = Parameters | Sequence[Parameter]
_ASKED = "the person who was asked"
_SETTLE_WAIT = 5.0


class Starts:
    """The starts of one environment.

    Args:
        alma: makes the connection; called only where Alma is needed.
        catalogue: gives its jobs; called only where they are needed.
        ledger: of all environments.
        target: says where it is; called only where that is needed, as it needs the key.
        environment: its name.
    """

    def __init__(
        self,
        alma: Callable[[], Alma],
        catalogue: Callable[[], Catalogue],
        ledger: Ledger,
        target: Callable[[], Target],
        *,
        environment: str,
    ) -> None:
        self._alma = alma
        self._make_catalogue = catalogue
        self._environment = environment
        self._ledger = ledger
        self._make_target = target
        self._locks = Locks(ledger.directory.with_name("locks"))
        self._untold: list[Record] = []

    def start(
        self,
        job: str,
        parameters: _Wanted,
        options: StartOptions,
        ask: Callable[[str], bool] | None = None,
        confirm: Callable[[str], str] | None = None,
    ) -> Record:
        """Start a job once, or find the run that this already is; as ``Runs.start``."""
        run_key = options.run_key
        try:
            options = self._under_kept_key(options)
            run_key = options.run_key
            request = self._request(job, parameters, options)
            run_key = request.run_key
            record = self._start_once(request, confirm)
        except OutcomeUnknown as unknown:
            adopted = self._ask_person(unknown, ask)
            if adopted is None:
                raise
            record = adopted
        except AlmajobError as error:
            recall(error, run_key, self._environment, self._ledger, self._identity)
            raise
        except BaseException:
            # A signal, when Alma may have answered already: whoever ends the command names it.
            self._untold += [record for record in self._under(run_key)[-1:] if record.has_run]
            raise
        self._untold.append(record)
        return record

    def plan(self, job: str, parameters: _Wanted, options: StartOptions) -> Plan:
        """Return what ``start`` would do now, and send nothing.

        Raises:
            AlmajobError: it would be refused.
        """
        options = self._under_kept_key(options)
        return dry_run.plan(self._request(job, parameters, options), self._target, self._deps)

    def check(self, job: str, parameters: _Wanted, options: StartOptions) -> Job:
        """Find the job, and check the parameters and the set as a start does; for a run that is only saved.

        Raises:
            AlmajobError: it would be refused.
        """
        request = self._request(job, parameters, options)
        found = reread(self._alma(), request.job, self._environment)
        check_payload(request, found, self._target, self._deps)
        return found

    def last_payload(self, job: str) -> tuple[Job, tuple[Parameter, ...] | None]:
        """Find a job, and with which parameters it was started from here last; None if that is not known."""
        found = self._find(job)
        known = payload_history.recall(self._ledger, self._environment, found.id)
        return found, None if known is None else known.last

    def settle(self, record: Record) -> Record:
        """Look again for a start whose outcome is unknown; it is still open where that decides nothing.

        Raises:
            Refused: another process is busy with the job, or this key leads elsewhere.
        """
        # Those that are busy do not keep the others from being looked for.
        with self._hold_locks(record, _SETTLE_WAIT):
            found = self._current(record)
            if found.is_open:
                self._refuse_elsewhere(found)
                found = recover.settle(found, self._target, self._deps)
        return found

    def resolve(self, record: Record, *, instance_id: str = "", by: str) -> Record:
        """Write down what a person knows of a start whose outcome is unknown.

        Args:
            record: the start.
            instance_id: the run that it is; empty where it was not started.
            by: who says so.

        Raises:
            Refused: its outcome is known, or the run cannot be it.
        """
        with self._hold_locks(record, LOCK_WAIT):
            current = self._current(record)
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
                found = recover.run_for(current, instance_id, self._deps)
            return recover.resolve(current, self._deps, found=found, by=by)

    def learn(self, record: Record, instance: Instance) -> None:
        """Learn from a run whether Alma shows tags."""
        recover.learn_tags(record, instance, self._target, self._deps)

    def process_id(self, text: str) -> str:
        """Return the Process ID that a text stands for, as ``records.process_id``."""
        now = clocks.system().now()
        environment, identity = self._environment, self._identity
        return process_id(
            self._ledger,
            text,
            environment=environment,
            now=now,
            identity=identity,
            refuse=self._refuse_other_alma,
        )

    def known_runs(self, instance_ids: Collection[str]) -> Known:
        """Return what the ledger knows of runs; nothing where it cannot be read, as only a wait wants it."""
        return read_known(
            self._ledger, instance_ids, environment=self._environment, now=clocks.system().now()
        )

    def note_end(self, record: Record, instance: Instance) -> None:
        """Remember how a run ended, and how long it took; no failure here is one of the run.

        Once that has been shown, the start has been, too.
        """
        if all(untold.id != record.id for untold in self._untold):
            self._untold.append(record)
        if record.end_status == instance.status.value:
            return
        begun, end = instance.submit_time, instance.end_time
        took = None
        if isinstance(begun, datetime) and isinstance(end, datetime) and end >= begun:
            took = (end - begun).total_seconds()
        with suppress(LedgerUnusable):
            self._ledger.amend(record, wait=SHORT_WAIT, end_status=instance.status.value, lasted=took)

    def note_shown(self) -> None:
        """Remember that what was started has been shown; for when it has."""
        for record in self._untold:
            if not record.is_told:
                with suppress(LedgerUnusable):
                    self._ledger.amend(record, is_told=True)
        self._untold.clear()

    def note_named(self) -> None:
        """Know that what was started has been named, though its result was not shown."""
        self._untold.clear()

    def name_untold(self) -> None:
        """Name what was started where its result is not shown: it cannot be written, or a signal came."""
        for record in self._untold:
            if not record.is_told:
                LOG.warning(
                    "The job was started all the same: run %s (%s). Resume: %s wait --id %s",
                    *(record.instance_id, record.run_key, self._target.program, record.instance_id),
                )
        self.note_named()

    def close(self) -> None:
        """Release the runs that this process was busy with."""
        self._locks.release()

    @cached_property
    def _target(self) -> Target:
        return self._make_target()

    @property
    def _identity(self) -> str:
        """The identity of the Alma that is called; empty where its key cannot be had."""
        try:
            return self._target.identity
        except AlmajobError:
            return ""

    @property
    def _deps(self) -> Deps:
        return Deps(self._alma(), self._ledger, self._locks)

    def _start_once(self, request: StartRequest, confirm: Callable[[str], str] | None) -> Record:
        """Start it; where a person must agree, ask first, and then make every check once more.

        What is sent is what was shown: where that has changed meanwhile, it is asked again.
        """
        while True:
            try:
                return submit.start_when_free(request, self._target, self._deps)
            except Unconfirmed as asked:
                if confirm is None:
                    raise
                refuse_typed(asked, confirm(asked.question))
                agreed = replace(request.options, agreed_to=asked.question)
            request = replace(request, options=agreed)

    def _request(self, job: str, parameters: _Wanted, options: StartOptions) -> StartRequest:
        return resolve_request.make_request(job, parameters, options, self._find, self._target, self._deps)

    def _under_kept_key(self, options: StartOptions) -> StartOptions:
        if not options.run_key:
            return options
        return replace(options, run_key=kept_key(self._ledger, options.run_key, self._environment))

    def _find(self, text: str) -> Job:
        return resolve_request.find_job(text, self._make_catalogue, self._ledger, self._environment)

    def _under(self, run_key: str) -> list[Record]:
        """Return what the ledger has under a run key, oldest first; nothing where it cannot be read."""
        try:
            found = self._ledger.records(
                lambda row: row.key_hash == key_hash(key_in(run_key, row.environment)), wait=SHORT_WAIT
            )
        except LedgerUnusable:
            return []
        return [record for record in found if is_of(record, self._environment, self._identity)]

    def _refuse_elsewhere(self, record: Record) -> None:
        deps = self._deps
        found = environment_check.current(deps.alma, deps.ledger, self._target.identity, deps.clock.now())
        idempotency.refuse_elsewhere(record, self._rename_record(record, found.institution))

    def _refuse_other_alma(self, record: Record) -> None:
        """Refuse to look here for a run that was started elsewhere; asks nothing of Alma.

        Raises:
            Refused: it was, or may have been.
        """
        if not self._identity:
            return
        known = environment_check.recall(self._ledger, self._identity)
        if not idempotency.is_here(record, self._rename_record(record, known.institution if known else "")):
            raise Refused(
                f"The run {record.run_key!r} ({record.instance_id}) was started with another key or address "
                f"of [{record.environment}], perhaps in another institution.",
                hint="Use the ini with which it was started. If it is the same institution, name the run by\n"
                f"its Process ID: {self._target.program} wait --id {record.instance_id}",
            )

    def _rename_record(self, record: Record, institution: str) -> Record:
        """Return a record as it would be made here."""
        target = self._target
        return replace(
            record,
            environment=target.environment,
            institution=institution,
            identity=target.identity,
            named_institution=target.institution,
            kind=target.kind,
        )

    def _ask_person(self, unknown: OutcomeUnknown, ask: Callable[[str], bool] | None) -> Record | None:
        """Ask a person whether the only run that fits is ours; whatever fails, the doubt remains."""
        record = unknown.record
        if ask is None or record is None or record.state is not State.AMBIGUOUS:
            return None
        if len(record.candidates) != 1:
            return None
        only = record.candidates[0]
        try:
            is_ours = ask(
                f"Alma gave no clear answer to the start. Since then one run has appeared:\n"
                f"{visible(only.id)} ({visible(only.name)}), submitted at {visible(only.submit_time)} "
                f"by {visible(only.submitted_by)}.\n"
                "Look in Alma, Admin > Monitor Jobs. Is it the one that was started here?"
            )
            if not is_ours:
                return None
            LOG.info("Run %s is taken for this one.", only.id)
            return self.resolve(record, instance_id=only.id, by=_ASKED)
        except AlmajobError as error:
            LOG.warning("That cannot be kept just now: %s", error)
            return None
        except BaseException:
            LOG.warning("%s", unknown)
            raise

    @contextmanager
    def _hold_locks(self, record: Record, seconds: float) -> Iterator[None]:
        clock = clocks.system()
        end = clock.elapsed() + seconds
        with ExitStack() as held:
            for name in job_locks(record.environment, record.identity, record.job_id):
                held.enter_context(self._locks.lock(name, max(end - clock.elapsed(), 0.0)))
            yield

    def _current(self, record: Record) -> Record:
        """Read a record again, now that nobody else can change it."""
        found = self._ledger.records(lambda row: row.id == record.id)
        if not found:
            raise Refused(
                f"The ledger has no run {record.id} any more.", hint="almajob runs list shows what it has."
            )
        return found[0]
