"""The starts of one environment, as the ledger knows them: begun once, looked for, settled by a person."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import cached_property

from almajob.alma.api import Alma
from almajob.alma.models import Instance, Parameter
from almajob.errors import OutcomeUnknown, Refused
from almajob.runs import settle, submit
from almajob.runs.catalogue import Catalogue
from almajob.runs.intention import Intention, Means, Place, StartOptions
from almajob.runs.locks import LOCK_WAIT, Locks
from almajob.runs.prepare import with_key
from almajob.store.ledger import Ledger, LedgerUnusable
from almajob.store.record import Record, State

LOG = logging.getLogger(__name__)

_ASKED = "the person who was asked"


class Starts:
    """The starts of one environment.

    Args:
        alma: makes the connection; called only where Alma is needed.
        catalogue: its jobs.
        ledger: of all environments.
        place: says where it is; called only where that is needed.
    """

    def __init__(
        self, alma: Callable[[], Alma], catalogue: Catalogue, ledger: Ledger, place: Callable[[], Place]
    ) -> None:
        self._alma = alma
        self._catalogue = catalogue
        self._ledger = ledger
        self._make_place = place
        self._locks = Locks(ledger.directory.with_name("locks"))
        self._untold: list[Record] = []

    def start(
        self,
        job: str,
        parameters: Sequence[Parameter],
        options: StartOptions,
        ask: Callable[[str], bool] | None = None,
    ) -> Record:
        """Start a job once, or find the run that this already is; as ``Runs.start``."""
        try:
            record = submit.start_when_free(
                self._intention(job, parameters, options), self._place, self._means
            )
        except OutcomeUnknown as unknown:
            adopted = self._asked(unknown.record, ask)
            if adopted is None:
                raise
            record = adopted
        self._untold.append(record)
        return record

    def plan(self, job: str, parameters: Sequence[Parameter], options: StartOptions) -> submit.Plan:
        """Say what ``start`` would do now, and send nothing.

        Raises:
            AlmajobError: it would be refused.
        """
        return submit.plan(self._intention(job, parameters, options), self._place, self._means)

    def settle(self, record: Record) -> Record:
        """Look again for a start whose outcome is unknown; it is still open where that decides nothing.

        Raises:
            Refused: another process is busy with the job.
        """
        with self._locked(record):
            found = self._current(record)
            if found.is_open:
                found = settle.settle(found, self._place, self._means)
        if found.has_run:
            self._untold.append(found)
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
        with self._locked(record):
            current = self._current(record)
            if not current.is_open or current.state is State.PREPARED:
                raise Refused(
                    f"The outcome of {current.id} is known: {current.state}.",
                    why=f"{current.trail[-1].reason}.",
                    cure=f"almajob runs show {current.id} tells more.",
                )
            if instance_id:
                self._refuse_other_run(current, instance_id)
            return settle.resolve(current, self._means, instance_id=instance_id, by=by)

    def learn(self, record: Record, instance: Instance) -> None:
        """Learn from a run whether Alma shows tags."""
        settle.learn_tags(record, instance, self._place, self._means)

    def told(self) -> None:
        """Remember that what was started has been named to somebody; for the end of an invocation."""
        for record in self._untold:
            if record.is_told:
                continue
            with suppress(LedgerUnusable):
                self._ledger.write(replace(record, is_told=True))
        self._untold.clear()
        self._locks.release()

    @cached_property
    def _place(self) -> Place:
        return self._make_place()

    @property
    def _means(self) -> Means:
        return Means(self._alma(), self._ledger, self._locks)

    def _intention(self, job: str, parameters: Sequence[Parameter], options: StartOptions) -> Intention:
        wanted = Intention(self._catalogue.find(job), tuple(parameters), options)
        return with_key(wanted, self._place, self._means.clock.now())

    def _refuse_other_run(self, record: Record, instance_id: str) -> None:
        """Refuse a run that is not of the job, or that another start has.

        Raises:
            Refused: it is so.
            AlmaRefused: Alma knows no such run of the job.
        """
        self._alma().instance(instance_id, record.job_id)
        for other in self._ledger.records(lambda row: row.environment == record.environment):
            if other.instance_id == instance_id and other.id != record.id:
                raise Refused(
                    f"Run {instance_id} is the one of another start: {other.id}.",
                    cure=f"almajob runs show {other.id} tells more.",
                )

    def _asked(self, record: object, ask: Callable[[str], bool] | None) -> Record | None:
        """Ask a person whether the only run that fits is ours."""
        if ask is None or not isinstance(record, Record) or record.state is not State.AMBIGUOUS:
            return None
        if len(record.candidates) != 1:
            return None
        only = record.candidates[0]
        is_ours = ask(
            f"Alma gave no clear answer to the start. Since then one run has appeared:\n"
            f"{only.id} ({only.name}), submitted at {only.submit_time} by {only.submitted_by}.\n"
            "Is it the one that was started here?"
        )
        return self.resolve(record, instance_id=only.id, by=_ASKED) if is_ours else None

    def _locked(self, record: Record) -> AbstractContextManager[None]:
        return self._locks.lock(f"{record.environment}:{record.job_id}", LOCK_WAIT)

    def _current(self, record: Record) -> Record:
        return next(iter(self._ledger.records(lambda row: row.id == record.id)), record)
