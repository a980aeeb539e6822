"""The same work in several environments: a few at a time, each in a thread of its own.

Those that were slow the last time begin first, so that all of them take little longer than the slowest.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from almajob.cli.console.log_setup import name_environment
from almajob.cli.console.sign_of_life import show_alone
from almajob.cli.context import Context
from almajob.cli.many.outcome import Outcome, word_briefly
from almajob.cli.options.global_options import Pace
from almajob.errors import AlmajobError, LeftOut, name_error
from almajob.store.cache import PACE
from almajob.system.deadline import SLICE
from almajob.system.sharing.stop import stop_with
from almajob.system.signals import Terminated

LOG = logging.getLogger(__name__)

_LAST_SECONDS = 3.0
_SLOW = 2.0
"""Seconds after which one is not counted any more: it only waits, and the others need not wait for it."""
_SIGNALS = (KeyboardInterrupt, Terminated)
_SECONDS = "seconds"
_FORGETTING = 0.5
"""What is left of what one took before: an answer out of the cache says little of the next."""
_MOST_SECONDS = 86400

_T = TypeVar("_T")
Work = Callable[[Context], tuple[_T, AlmajobError | None]]
"""What is done in one environment: returns its result, and what is wrong all the same; or raises."""


@dataclass(slots=True)
class _Rounds(Generic[_T]):
    """One round through all environments."""

    contexts: Sequence[Context]
    work: Work[_T]
    pace: Pace
    doing: str
    is_told: bool
    is_timed: bool
    stop: threading.Event = field(default_factory=threading.Event)
    ended: SimpleQueue[tuple[int, Outcome[_T]]] = field(default_factory=SimpleQueue)
    threads: list[threading.Thread] = field(default_factory=list)
    begun: dict[int, float] = field(default_factory=dict)
    outcomes: dict[int, Outcome[_T]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: int = 0

    def run(self) -> list[Outcome[_T]]:
        before = _read_seconds(self.contexts)
        waiting = deque(range(len(self.contexts)))
        if not self.pace.stop_after:
            waiting = deque(sorted(waiting, key=lambda place: -before.get(self._name(place), 0)))
        try:
            with show_alone(self._describe):
                while self.begun or (waiting and not self._is_over()):
                    while waiting and self._has_room() and not self._is_over():
                        if not self._begin(waiting[0]):
                            break
                        waiting.popleft()
                    with suppress(Empty):
                        self._take(*self.ended.get(timeout=SLICE))
        except BaseException:
            self._end()
            raise
        if self.is_timed:
            _keep_seconds(self.contexts, before, self.seconds)
        for place in waiting:
            self.outcomes[place] = Outcome(self.contexts[place], error=self._word_left_out())
        return [self.outcomes[place] for place in range(len(self.contexts))]

    def _is_over(self) -> bool:
        return 0 < self.pace.stop_after <= self.failures

    def _has_room(self) -> bool:
        now = time.monotonic()
        counted = [at for at in self.begun.values() if self.pace.is_strict or now - at < _SLOW]
        return not self.pace.at_once or len(counted) < self.pace.at_once

    def _begin(self, place: int) -> bool:
        """Begin with an environment; return whether there was a thread for it."""
        may_wait = bool(self.begun)
        thread = threading.Thread(target=self._work_in, args=(place,), daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if may_wait:
                return False
            # There is none for any other either.
            self._work_in(place)
        else:
            self.threads.append(thread)
        self.begun[place] = time.monotonic()
        return True

    def _work_in(self, place: int) -> None:
        context = self.contexts[place]
        with stop_with(self.stop), name_environment(context.environment_name):
            try:
                outcome = Outcome(context, *self.work(context))
            except AlmajobError as error:
                outcome = Outcome(context, error=error)
            # A bug met in one of them keeps nobody from the results of the others.
            except BaseException as error:
                if threading.current_thread() is threading.main_thread() and isinstance(error, _SIGNALS):
                    raise
                if not self.stop.is_set():
                    LOG.debug("It failed.", exc_info=True)
                outcome = Outcome(context, error=AlmajobError(f"almajob failed on it: {name_error(error)}."))
        self.ended.put((place, outcome))

    def _name(self, place: int) -> str:
        return self.contexts[place].environment_name

    def _take(self, place: int, outcome: Outcome[_T]) -> None:
        self.seconds[self._name(place)] = time.monotonic() - self.begun.pop(place)
        self.outcomes[place] = outcome
        self.failures += outcome.error is not None
        count, error = f"{len(self.outcomes)} of {len(self.contexts)}", outcome.error
        if error is not None:
            LOG.warning("%s: %s (%s)", outcome.environment, word_briefly(error), count)
        elif self.is_told:
            LOG.info("%s: done (%s)", outcome.environment, count)

    def _describe(self) -> str:
        count = len(self.contexts)
        return f"{self.doing} {count} environment{'s' * (count > 1)}: {len(self.outcomes)} done"

    def _word_left_out(self) -> LeftOut:
        times = "failure" if self.failures == 1 else "failures"
        return LeftOut(
            "Nothing was done here.", reason=f"--stop-after ended it after {self.failures} {times}."
        )

    def _end(self) -> None:
        """End the threads: what they wait for is no longer waited for, and what is not sent never is."""
        self.stop.set()
        end = time.monotonic() + _LAST_SECONDS
        for thread in self.threads:
            thread.join(max(end - time.monotonic(), 0.0))


def _read_seconds(contexts: Sequence[Context]) -> dict[str, int]:
    """Read how many whole seconds each took before; nothing of those that took less than one."""
    if not contexts or contexts[0].cache.directory is None:
        return {}
    entry = contexts[0].cache.get(PACE, _SECONDS)
    found = entry.value.items() if entry is not None and isinstance(entry.value, dict) else ()
    return {name: value for name, value in found if isinstance(value, int) and 0 < value <= _MOST_SECONDS}


def _keep_seconds(contexts: Sequence[Context], before: dict[str, int], seconds: dict[str, float]) -> None:
    """Keep how long each took, where that changes the order of the next time."""
    found = {
        name: int(min(max(took, before.get(name, 0) * _FORGETTING), _MOST_SECONDS))
        for name, took in seconds.items()
    }
    now = {name: value for name, value in {**before, **found}.items() if value}
    if now != before and contexts[0].cache.directory is not None:
        contexts[0].cache.put(PACE, _SECONDS, now)


def do_in_each(
    contexts: Sequence[Context],
    work: Work[_T],
    pace: Pace,
    *,
    doing: str = "Asking",
    is_told: bool = True,
    is_timed: bool = True,
) -> list[Outcome[_T]]:
    """Do the same work in several environments, and return what came of each, in their order.

    Nothing of it is raised, but what interrupts the main thread. The work in the others ends then as if
    Ctrl-C had come there.

    Args:
        work: called in a thread for each environment, with its context. What it logs begins with the
            environment's name, and nobody is asked anything.
        doing: what is done, as the sign of life says it.
        is_told: whether a line is logged for each environment that is done, as for each that has failed.
        is_timed: whether the time that it takes is Alma's, and not that of the jobs.
    """
    return _Rounds(contexts, work, pace, doing, is_told, is_timed).run()
