"""Follow runs to their ends: one schedule and one rate for all of them, through whatever fails meanwhile."""

from __future__ import annotations

import logging
import queue
import random
import threading
from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from almajob.alma.http.error_responses import NO_SUCH_INSTANCE, NO_SUCH_JOB
from almajob.alma.http.timeouts import AT_ONCE
from almajob.alma.job_instances import Instance
from almajob.errors import AlmaFailed, AlmajobError, AlmaRefused, NotAlma, Unreachable
from almajob.runs.wait import poll_interval
from almajob.runs.wait.watched_run import USED_UP, Display, Lines, Over, WaitOptions, WatchedRun
from almajob.system import clock as clocks
from almajob.system.clock import Clock
from almajob.system.deadline import SLICE

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


Look = Callable[[WatchedRun, float], tuple[Instance, float | None]]
"""Looks at a run, within so many seconds; returns it and its age, None where that is not known."""
_Answer = tuple[WatchedRun, "tuple[Instance, float | None] | Exception"]


@dataclass(slots=True)
class Poller:
    """Looks at several runs until they have ended.

    Args:
        runs: to be followed; what becomes of them is written into them.
        look: reads a run from Alma; may be called from several threads at once.
        chance: gives numbers from 0 to 1, for the pauses.
    """

    runs: Sequence[WatchedRun]
    look: Look
    options: WaitOptions = field(default_factory=WaitOptions)
    clock: Clock = field(default_factory=clocks.system)
    display: Display = field(default_factory=Lines)
    chance: Callable[[], float] = random.random
    is_thrifty: Callable[[], bool] = lambda: False
    _begun: float = field(init=False, default=0.0)
    _answers: queue.SimpleQueue[_Answer] = field(init=False, default_factory=queue.SimpleQueue)
    _under_way: int = field(init=False, default=0)
    _waiting: list[WatchedRun] = field(init=False, default_factory=list)

    def follow(self) -> None:
        """Look at the runs until each has ended or is given up; returns where all are over."""
        self._begun = next_call = self.clock.elapsed()
        for run in self.runs:
            run.answered = self._begun
            if run.over is not None:
                continue
            if run.instance is None:
                self._plan(run, self._begun)
            elif run.has_ended:
                run.over = Over.ENDED
            else:
                self.display.show_change(run, _describe(run))
                self._plan(run, self._begun + self._pause(run))
        while self._waiting or self._under_way:
            self.display.draw(self.runs, self.clock.elapsed())
            now = self.clock.elapsed()
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
            threading.Thread(target=attempt, daemon=True).start()
        except RuntimeError as error:
            # No more threads: those of looks that hang may come back.
            self._answers.put((run, error))

    def _next_answer(self, due: float | None) -> _Answer | None:
        """Wait for an answer, or until something is due or drawn; a signal is noticed meanwhile."""
        now = self.clock.elapsed()
        rest = min(self.display.tick, float("inf") if due is None else max(due - now, 0.0))
        if not self._under_way:
            self.clock.sleep(rest)
            return None
        try:
            return self._answers.get(timeout=min(rest, SLICE))
        except queue.Empty:
            return None

    def _take(self, run: WatchedRun, answer: tuple[Instance, float | None] | Exception) -> None:
        """Note what a look found, and plan the next one."""
        now = self.clock.elapsed()
        if isinstance(answer, Exception):
            self._note_failure(run, answer, now)
        elif not answer[0].status.value:
            # It says nothing, and must not keep a wait going for ever.
            self._note_failure(run, NotAlma("Alma shows it without a status."), now)
        else:
            self._note_seen(run, *answer, now)
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
        if instance.status.value != before:
            self.display.show_change(run, _describe(run))
        elif recovered:
            self.display.show_change(run, f"{_describe(run)}; it can be seen again")

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
                self.display.show_change(run, f"Run {run.instance_id} is given up: {failure.message}")
        elif run.failures == 1:
            until = failure.hint.partition("\n")[0] if isinstance(failure, USED_UP) else ""
            what = f"Run {run.instance_id} cannot be seen just now: {failure.message} {until}"
            self.display.show_change(run, what.rstrip())

    def _explain_giving_up(self, run: WatchedRun, failure: AlmajobError, now: float) -> Over | None:
        if run.failures > 1 and now - run.failing_since >= self.options.outage:
            return Over.OUTAGE
        # Where a day's calls are used up, the ledger knows the run, and a day ends.
        is_known = isinstance(failure, USED_UP) and bool(run.run_key)
        was_there = run.instance is not None or run.is_ours or is_known
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
        usual = poll_interval.pause(run.age, self.chance, run.earlier)
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
    return f"Run {run.instance_id}: {status or 'no status yet'}"


def _may_pass(failure: AlmajobError) -> bool:
    """Whether the same look may succeed in a while, although the run was never seen."""
    if isinstance(failure, AlmaRefused):
        return failure.code not in {NO_SUCH_INSTANCE, *NO_SUCH_JOB}
    return isinstance(failure, (Unreachable, AlmaFailed))
