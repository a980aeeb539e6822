"""Follow runs to their ends: one schedule and one rate for all of them, through whatever fails meanwhile."""

from __future__ import annotations

import logging
import queue
import random
import threading
from bisect import insort
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field

from almajob.alma.http.error_responses import NO_SUCH_INSTANCE, NO_SUCH_JOB
from almajob.alma.http.timeouts import AT_ONCE
from almajob.alma.job_instances import Instance
from almajob.errors import AlmaFailed, AlmajobError, AlmaRefused, NotAlma, Unreachable
from almajob.runs.wait import poll_interval
from almajob.runs.wait.end_messages import LOOK_EVERY, EndMessages
from almajob.runs.wait.lateness import Lateness, find_lateness
from almajob.runs.wait.watched_run import USED_UP, Display, Lines, Over, WaitOptions, WatchedRun
from almajob.system import clock as clocks
from almajob.system.clock import Clock
from almajob.system.deadline import SLICE
from almajob.system.sharing.stop import raise_if_stopped

LOG = logging.getLogger(__name__)

LOOKS_PER_SECOND = 8
"""The most calls that one wait makes; Alma counts those of the whole institution, and starts need room."""
NOT_VISIBLE_YET = 60.0
"""How long after its start a run may be unknown to Alma (402218), in seconds; nobody has seen so long."""
SPACING = 1 / (LOOKS_PER_SECOND - 1)
"""Seconds between looks; a little more than would do, as calls can arrive closer than they were made."""
# Seconds: for one look, as the next one is not far; and for those that are due at the time limit.
_PATIENCE = 30.0
_GRACE = 5.0
# How often it is asked whether a listener runs, in seconds.
_ASK_EVERY = 5.0


Seen = tuple[Instance | None, float | None]
"""What a look found: the run, None where it has not begun; and its age, None where that is not known."""
Look = Callable[[WatchedRun, float], Seen]
"""Looks at a run, within so many seconds."""
_Answer = tuple[WatchedRun, "Seen | Exception"]


@dataclass(slots=True)
class Poller:
    """Looks at several runs until they have ended.

    Args:
        runs: to be followed; what becomes of them is written into them.
        look: reads a run from Alma; may be called from several threads at once.
        chance: gives numbers from 0 to 1, for the pauses.
        report_late: called once with a run that takes much longer than usual.
        report_end: called once with a run that has ended, while others go on.
        messages: tell which runs have ended, where a webhook listener runs; None where none can.
    """

    runs: Sequence[WatchedRun]
    look: Look
    options: WaitOptions = field(default_factory=WaitOptions)
    clock: Clock = field(default_factory=clocks.system)
    display: Display = field(default_factory=Lines)
    chance: Callable[[], float] = random.random
    is_thrifty: Callable[[], bool] = lambda: False
    report_late: Callable[[WatchedRun, Lateness], None] | None = None
    report_end: Callable[[WatchedRun], None] = lambda _run: None
    messages: EndMessages | None = None
    _begun: float = field(init=False, default=0.0)
    _answers: queue.SimpleQueue[_Answer] = field(init=False, default_factory=queue.SimpleQueue)
    _under_way: int = field(init=False, default=0)
    _waiting: list[WatchedRun] = field(init=False, default_factory=list)
    _is_told: bool = field(init=False, default=False)
    _next_asked: float = field(init=False, default=0.0)
    _next_messages: float = field(init=False, default=0.0)
    _overdue: set[str] = field(init=False, default_factory=set)

    def follow(self) -> None:
        """Look at the runs until each has ended or is given up; returns where all are over."""
        self._begun = next_call = self._next_asked = self._next_messages = self.clock.elapsed()
        self._note_if_told(self._begun)
        for run in self.runs:
            run.answered = self._begun
            if run.over is not None:
                continue
            if run.instance is None:
                if run.is_awaited:
                    self.display.show_change(run, f"Waiting for {run.label[:1].lower()}{run.label[1:]}.")
                # A run that has only now begun has hardly ended.
                is_told = self._is_told and run.is_ours and (run.started or 0.0) < NOT_VISIBLE_YET
                self._plan(run, self._begun + (self._pause(run) if is_told else 0.0))
            elif run.has_ended:
                run.over = Over.ENDED
                self.report_end(run)
            else:
                self.display.show_change(run, _describe(run))
                self._plan(run, self._begun + self._pause(run))
        while self._waiting or self._under_way:
            raise_if_stopped()
            self.display.draw(self.runs, self.clock.elapsed())
            now = self.clock.elapsed()
            self._heed_messages(now)
            if self._waiting and now > self._ends + _GRACE:
                self._drop_waiting()
                continue
            # With too many looks under way the next one depends on their ends.
            is_free = self._waiting and self._under_way < AT_ONCE
            due = max(self._waiting[0].due, next_call) if is_free else None
            if due is not None and due <= now:
                next_call = now + SPACING
                self._look_at(self._waiting.pop(0))
            elif (answer := self._next_answer(due)) is not None:
                self._under_way -= 1
                self._take(*answer)

    def _note_if_told(self, now: float) -> None:
        """Note whether messages tell of ends; where they do so no longer, look as often as without them."""
        if self.messages is None or now < self._next_asked:
            return
        self._next_asked = now + _ASK_EVERY
        was_told, self._is_told = self._is_told, self.messages.is_relied_on
        if was_told and not self._is_told:
            LOG.debug("No webhook listener runs any more.")
            waiting, self._waiting = self._waiting, []
            for run in waiting:
                self._plan(run, min(run.due, now + self._pause(run)))

    def _heed_messages(self, now: float) -> None:
        """Take what messages have told of runs; look at those of which the listener cannot tell."""
        self._note_if_told(now)
        if self.messages is None or not self._is_told or now < self._next_messages:
            return
        self._next_messages = now + LOOK_EVERY
        for run in [run for run in self._waiting if not run.is_awaited]:
            found = self.messages.find_end(run.instance_id)
            if found is not None:
                self._waiting.remove(run)
                self._take(run, (found, None))
            elif run.instance_id not in self._overdue and self.messages.is_overdue(run.instance_id):
                # Once for a message.
                self._overdue.add(run.instance_id)
                self._waiting.remove(run)
                self._plan(run, now)

    def _drop_waiting(self) -> None:
        """Stop looking at the runs for which there is no time."""
        for run in self._waiting:
            run.over = Over.OUT_OF_TIME
        self._waiting.clear()

    def _look_at(self, run: WatchedRun) -> None:
        """Look at a run in a thread of its own: one that hangs does not keep the others waiting."""
        patience = min(_PATIENCE, self._ends + _GRACE - self.clock.elapsed())

        def attempt() -> None:
            try:
                self._answers.put((run, self.look(run, patience)))
            except Exception as error:  # noqa: BLE001  # judged where it is taken
                self._answers.put((run, error))

        self._under_way += 1
        try:
            threading.Thread(target=copy_context().run, args=(attempt,), daemon=True).start()
        except RuntimeError as error:
            # No more threads: those of looks that hang may come back.
            self._answers.put((run, error))

    def _next_answer(self, due: float | None) -> _Answer | None:
        """Wait for an answer, or until something is due or drawn; a signal is noticed meanwhile."""
        now = self.clock.elapsed()
        rest = min(self.display.tick, float("inf") if due is None else max(due - now, 0.0))
        if self._is_told:
            rest = min(rest, LOOK_EVERY)
        if not self._under_way:
            self.clock.sleep(rest)
            return None
        try:
            return self._answers.get(timeout=min(rest, SLICE))
        except queue.Empty:
            return None

    def _take(self, run: WatchedRun, answer: Seen | Exception) -> None:
        """Note what a look found, and plan the next one."""
        now = self.clock.elapsed()
        if isinstance(answer, Exception):
            self._note_failure(run, answer, now)
        elif answer[0] is None:
            self._note_not_begun(run, now)
        elif not answer[0].status.value:
            # It says nothing, and must not keep a wait going for ever.
            self._note_failure(run, NotAlma("Alma shows it without a status."), now)
        else:
            if run.is_awaited:
                # It is as old as Alma says, and not as this wait.
                run.instance_id, run.started = answer[0].id, self._begun - now
            self._note_seen(run, answer[0], answer[1], now)
        if run.over is None and now >= self._ends:
            run.over = Over.OUT_OF_TIME
        if run.over is None:
            self._plan(run, now + self._pause(run))

    def _note_seen(self, run: WatchedRun, instance: Instance, age: float | None, now: float) -> None:
        before = None if run.instance is None else run.instance.status.value
        recovered, run.failures, run.error = run.failures, 0, None
        run.instance, run.answered = instance, now
        # Alma's clock may be wrong, too; of the two a run is not younger than either says.
        run.age = max(now - self._begun + (run.started or 0.0), age or 0.0)
        run.over = Over.ENDED if instance.has_ended else None
        self._note_if_late(run)
        if instance.status.value != before:
            self.display.show_change(run, _describe(run))
        elif recovered:
            self.display.show_change(run, f"{_describe(run)}; it can be seen again")
        if run.has_ended:
            self.report_end(run)

    def _note_if_late(self, run: WatchedRun) -> None:
        if self.report_late is None or run.is_late or run.has_ended:
            return
        lateness = find_lateness(run.age, run.earlier, run.late_after)
        if lateness is not None:
            run.is_late = True
            self.report_late(run, lateness)

    def _note_not_begun(self, run: WatchedRun, now: float) -> None:
        recovered, run.failures, run.error = run.failures, 0, None
        run.was_listed, run.answered, run.age = True, now, now - self._begun
        if recovered:
            self.display.show_change(run, f"{run.label} has not begun; Alma can be reached again")

    def _note_failure(self, run: WatchedRun, failure: Exception, now: float) -> None:
        if not isinstance(failure, AlmajobError):
            # A bug of ours; the wait goes on, as the job does.
            LOG.debug("A look failed.", exc_info=failure)
            failure = Unreachable(f"almajob failed on the answer: {type(failure).__name__}.")
        run.failures += 1
        run.error = failure
        is_hidden = self._is_hidden(run, failure, now)
        # Nor is a day whose calls are used up an outage: it ends, and nobody is asked meanwhile.
        if run.failures == 1 or is_hidden or isinstance(failure, USED_UP):
            run.failing_since = now
        run.over = None if is_hidden else self._explain_giving_up(run, failure, now)
        if run.over is not None:
            if len(self.runs) > 1:
                self.display.show_change(run, f"{run.label} is given up: {failure.message}")
        elif run.failures == 1:
            until = failure.hint.partition("\n")[0] if isinstance(failure, USED_UP) else ""
            what = f"{run.label} cannot be seen at the moment: {failure.message} {until}"
            self.display.show_change(run, what.rstrip())

    def _explain_giving_up(self, run: WatchedRun, failure: AlmajobError, now: float) -> Over | None:
        if run.failures > 1 and now - run.failing_since >= self.options.outage:
            return Over.OUTAGE
        # Where a day's calls are used up, the ledger knows the run, and a day ends.
        is_known = isinstance(failure, USED_UP) and bool(run.run_key)
        was_there = run.instance is not None or run.was_listed or run.is_ours or is_known
        return None if was_there or _may_pass(failure) else Over.REFUSED

    def _is_hidden(self, run: WatchedRun, failure: AlmajobError, now: float) -> bool:
        """Whether a run is only not visible yet, as it was started within the last minute."""
        if run.started is None or not isinstance(failure, AlmaRefused) or failure.code != NO_SUCH_INSTANCE:
            return False
        return run.instance is None and run.started + now - self._begun < NOT_VISIBLE_YET

    def _pause(self, run: WatchedRun) -> float:
        if run.failures:
            return poll_interval.retry_pause(run.failures, self.chance)
        if self.options.interval is not None:
            return self.options.interval
        if self._is_told and not run.is_awaited:
            return poll_interval.floor_pause(self.chance)
        usual = poll_interval.pause(run.age, self.chance, () if run.is_awaited else run.earlier)
        return poll_interval.stretch_pause(usual) if self.is_thrifty() else usual

    def _plan(self, run: WatchedRun, due: float) -> None:
        """Plan the next look at a run; the last one is at the time limit itself."""
        run.due = min(due, self._ends)
        insort(self._waiting, run, key=lambda waiting: waiting.due)

    @property
    def _ends(self) -> float:
        return float("inf") if self.options.timeout is None else self._begun + self.options.timeout


def _describe(run: WatchedRun) -> str:
    status = run.instance.status.value if run.instance else ""
    return f"{run.label}: {status or 'no status yet'}"


def _may_pass(failure: AlmajobError) -> bool:
    """Whether the same look may succeed in a while, although the run was never seen."""
    if isinstance(failure, AlmaRefused):
        return failure.code not in {NO_SUCH_INSTANCE, *NO_SUCH_JOB}
    return isinstance(failure, (Unreachable, AlmaFailed))
