"""The starts of this process whose result is not shown yet: they are named, whatever ends the command."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime

from almajob.alma.job_instances import Instance
from almajob.runs.run_reference import SHORT_WAIT
from almajob.store.ledger import Ledger, LedgerUnusable
from almajob.store.ledger_record import Record

LOG = logging.getLogger(__name__)


class UnreportedStarts:
    """The starts of this process that nobody has been told of.

    The ledger remembers which have been: one that has not is found again by the same command.
    """

    def __init__(self, ledger: Ledger, program: str) -> None:
        self._ledger = ledger
        self._program = program
        self._records: list[Record] = []

    def add(self, record: Record) -> None:
        """Add what was started, or found to be the run that was asked for."""
        if all(unreported.id != record.id for unreported in self._records):
            self._records.append(record)

    def note_end(self, record: Record, instance: Instance) -> None:
        """Remember how a run ended, and how long it took; no failure here is one of the run.

        Once that has been shown, the start has been, too.
        """
        self.add(record)
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
        for record in self._records:
            if not record.is_told:
                with suppress(LedgerUnusable):
                    self._ledger.amend(record, is_told=True)
        self._records.clear()

    def clear(self) -> None:
        """Forget them: they have been named, though their result was not shown."""
        self._records.clear()

    def name(self) -> None:
        """Name them where their result is not shown: it cannot be written, or a signal came."""
        for record in self._records:
            if not record.is_told:
                LOG.warning(
                    "The job was started all the same: run %s (%s). Resume: %s wait --id %s",
                    *(record.instance_id, record.run_key, self._program, record.instance_id),
                )
        self.clear()
