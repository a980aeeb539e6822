"""Decides what messages are worth: one call each asks Alma, and observers hear of runs that have ended."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from almajob.alma.client import ANY_JOB, Alma
from almajob.alma.job_instances import Instance
from almajob.alma.status_codes import has_ended
from almajob.errors import AlmajobError, AlmaRefused
from almajob.runs.observers.ledger_events import OtherEnd
from almajob.runs.run import End, Run
from almajob.runs.unreported_starts import keep_end
from almajob.runs.wait import poll_interval
from almajob.runs.wait.end_messages import GAP_SECONDS, SAMPLE, EndMessages
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import Record
from almajob.system import clock as clocks

LOG = logging.getLogger(__name__)

_CALL_SECONDS = 30.0
# Seconds between calls; where few are left for the day, more of them.
_PACE, _SLOW_PACE = 0.25, 10.0
_BATCH = 16
# Seconds for a wait, which judges by its own options, to note the end of a run that was started from here.
_HEAD_START = 10.0
# Where the message itself says that the run goes on.
_EARLY_SECONDS = 60.0
# Where a start is being sent, or its run is looked for.
_OPEN_EVERY, _OPEN_SECONDS = 5.0, 600.0
_CLEAN_EVERY = 3600.0
# Of a run that ended before that nobody wants to be told any more; Alma sends a message for ten hours.
_OLD_SECONDS = 2 * 86400.0
_HALF = 0.5
# For which Alma may not list a run of which it has sent a message.
_UNSEEN_SECONDS = 900.0


class Decider:
    """Works on the messages of one environment, in a thread of its own.

    Args:
        messages: where they are kept.
        alma: makes the connection.
        judge: makes a run of an instance that has ended, with its verdict.
        ledger: knows what was started from here, and what observers are still to be told.
        environment: its name.
        kind: sandbox or production.
    """

    def __init__(
        self,
        messages: EndMessages,
        alma: Callable[[], Alma],
        judge: Callable[[Instance], Run],
        ledger: Ledger,
        *,
        environment: str,
        kind: str,
    ) -> None:
        self._messages = messages
        self._alma = alma
        self._judge = judge
        self._ledger = ledger
        self._environment = environment
        self._kind = kind
        self._news = threading.Event()
        self._is_stopped = False
        self._due: dict[str, float] = {}
        self._failures = 0
        self._next_call = self._next_cleaning = 0.0
        self._thread = threading.Thread(target=self._work, name="decider", daemon=True)

    def start(self) -> None:
        """Begin with what an earlier listener has left."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it works."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Look for messages now."""
        self._news.set()

    def stop(self, wait: float) -> None:
        """End the work after the message that it is at; what is left stays on disk.

        Args:
            wait: seconds, at most, until it has ended.
        """
        self._is_stopped = True
        self._news.set()
        self._thread.join(wait)

    def _work(self) -> None:
        while not self._is_stopped:
            self._news.clear()
            pause = self.decide_due()
            self._clean()
            if not self._is_stopped:
                self._news.wait(pause)

    def _clean(self) -> None:
        if time.monotonic() >= self._next_cleaning:
            self._next_cleaning = time.monotonic() + _CLEAN_EVERY
            self._messages.remove_old()

    def decide_due(self) -> float:
        """Decide some of the messages that are due, and return after how many seconds to go on."""
        pending = self._messages.list_pending()
        self._due = {name: self._due[name] for name in pending if name in self._due}
        now = time.monotonic()
        due = [name for name in pending if self._due.get(name, 0.0) <= now]
        for name in due[:_BATCH]:
            if self._is_stopped:
                return 0.0
            try:
                self._decide(name)
                self._failures = 0
            except (AlmajobError, OSError) as error:
                # Another one is tried next: it may be this message's fault.
                self._due[name] = time.monotonic() + poll_interval.LONGEST
                return self._note_failure(error)
            except Exception:
                # A bug of ours: the others must be decided all the same.
                LOG.warning("The message of run %s is not decided, because of a bug in almajob.", name)
                LOG.debug("It cannot be decided.", exc_info=True)
                self._due[name] = now + poll_interval.LONGEST
        if len(due) > _BATCH:
            return 0.0
        return max(min(self._due.values(), default=now + _CLEAN_EVERY) - time.monotonic(), 0.0)

    def _note_failure(self, error: Exception) -> float:
        """Return for how long nothing is tried, as Alma, the ledger or the disk fails."""
        self._failures += 1
        text = str(error) if isinstance(error, AlmajobError) else f"{error}."
        level = logging.WARNING if self._failures == 1 else logging.DEBUG
        LOG.log(level, "Messages wait until they can be decided: %s", text.partition("\n")[0])
        pause = poll_interval.retry_pause(self._failures, lambda: _HALF)
        end = time.monotonic() + pause
        while not self._is_stopped and time.monotonic() < end:
            # A message that comes meanwhile changes nothing.
            time.sleep(min(_HALF, pause))
        return 0.0

    def _decide(self, instance_id: str) -> None:
        """Decide one message; whatever ends the process on the way, the next one does the rest, once.

        Raises:
            AlmajobError: Alma cannot be asked, or the ledger cannot be used, at the moment.
            OSError: a file cannot be written.
        """
        if instance_id == SAMPLE:
            LOG.info("A sample message has come.")
            self._messages.drop(instance_id)
            return
        record = self._find_record(instance_id)
        ended = self._messages.find_end(instance_id)
        if ended is None:
            if self._puts_off_early(instance_id):
                return
            ended = self._ask(instance_id, record)
            if ended is None:
                self._messages.drop(instance_id)
                return
            self._messages.keep_end(ended)
            if record is not None:
                self._due[instance_id] = time.monotonic() + _HEAD_START
                return
        if record is None and self._may_be_ours(ended):
            self._due[instance_id] = time.monotonic() + _OPEN_EVERY
            return
        self._tell(ended, record)
        self._messages.drop(instance_id)

    def _find_record(self, instance_id: str) -> Record | None:
        """Return what the ledger has of a run; None where nobody started it from here."""
        with self._ledger.read() as view:
            found = view.list_claims([instance_id])
        return next((record for record in found if record.environment == self._environment), None)

    def _may_be_ours(self, ended: Instance) -> bool:
        """Whether a start of its job, whose run is not known yet, may turn out to be this one."""
        if ended.job is None or time.time() - self._messages.find_pending(ended.id).at > _OPEN_SECONDS:
            return False
        with self._ledger.read() as view:
            found = view.list_open(ended.job.id)
        return any(record.environment == self._environment for record in found)

    def _puts_off_early(self, instance_id: str) -> bool:
        """Put off a message by whose own words the run goes on: only one call is made for it."""
        message = self._messages.find_pending(instance_id)
        if not message.status or has_ended(message.status, has_end_time=True):
            return False
        rest = message.at + _EARLY_SECONDS - time.time()
        if not 0 < rest <= _EARLY_SECONDS:
            return False
        self._due[instance_id] = time.monotonic() + rest
        return True

    def _ask(self, instance_id: str, record: Record | None) -> Instance | None:
        """Ask Alma, with one call; None where the run has not ended, or there is none."""
        time.sleep(max(self._next_call - time.monotonic(), 0.0))
        alma = self._alma()
        self._next_call = time.monotonic() + (_SLOW_PACE if alma.is_quota_low else _PACE)
        try:
            found, _reading = alma.look(
                instance_id, record.job_id if record else ANY_JOB, patience=_CALL_SECONDS
            )
        except AlmaRefused as refused:
            LOG.info("The message of run %s is ignored: %s", instance_id, refused.message)
            self._messages.note_gap(_UNSEEN_SECONDS)
            return None
        if not found.has_ended:
            status = found.status.value or "no status"
            LOG.info("The message of run %s is ignored: the run has not ended (%s).", instance_id, status)
            self._messages.note_gap(GAP_SECONDS)
            return None
        return found

    def _tell(self, ended: Instance, record: Record | None) -> None:
        """Note the end of a run, and tell observers of it."""
        if record is not None and record.end_status:
            return
        run = self._judge(ended)
        LOG.info("%s has ended: %s", run.label, ended.status.value)
        if record is not None:
            keep_end(self._ledger, record, End(run))
        elif self._ledger.is_observed and not _is_old(ended):
            self._ledger.announce_other(f"{self._environment}:{ended.id}", OtherEnd(run, self._kind))


def _is_old(ended: Instance) -> bool:
    end = ended.end_time
    return isinstance(end, datetime) and clocks.system().now() - end.timestamp() > _OLD_SECONDS
