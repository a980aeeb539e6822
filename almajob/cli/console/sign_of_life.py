"""A sign of life for whatever takes more than two seconds: a line that comes and goes, or one that is logged.

On a terminal the line is drawn over again each second, and goes away; elsewhere there is a line of the log
where it takes much longer. There is one of it for the whole process, as there is one stderr.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

from almajob.cli.console import log_setup
from almajob.cli.console.redrawn import ECHO_WIDTH, Line, Redrawn, can_draw
from almajob.system.sharing.forks import forget_in_children
from almajob.system.signals import around_stop
from almajob.text.display_width import measure_width, shorten_text
from almajob.text.sanitize import sanitize

LOG = logging.getLogger(__name__)

_SILENCE = 2.0
_LONG_SILENCE = 10.0
_TICK = 1.0
# Calls that follow each other closer than that are one wait.
_SAME_WAIT = 0.5
_PATIENCE = 1.0


class _Wait(NamedTuple):
    """One thing that is waited for, as ``Busy`` describes it; without words where something else is shown."""

    describe: Callable[[], str] | None
    is_long: bool = False
    is_minor: bool = False


class _Sign:
    """What is waited for just now: the last of those that began and have not ended."""

    def __init__(self) -> None:
        self.forget_parent()
        forget_in_children(self)

    def forget_parent(self) -> None:
        """Begin with nothing that is waited for; what a parent's threads draw stays theirs."""
        # Whoever holds it logs nothing: a log message takes the line away, for which it is needed.
        self._lock = threading.RLock()
        self._waits: list[_Wait] = []
        self._begun = self._ended = -_SAME_WAIT
        self._is_logged = self._is_alone = False
        self._drawn: Redrawn | None = None

    @contextmanager
    def show(
        self, describe: Callable[[], str], *, is_long: bool = False, is_minor: bool = False
    ) -> Iterator[None]:
        """Show what is waited for, as ``Busy`` says."""
        is_hidden = self._is_alone or any(each.describe is None for each in self._waits)
        if is_hidden or (is_minor and self._waits):
            yield
            return
        wait, stop = _Wait(describe, is_long, is_minor), threading.Event()
        is_drawn = can_draw(sys.stderr)
        with ExitStack() as stack:
            if is_drawn and not self._waits:
                stack.enter_context(around_stop(before=self._erase, after=self._forget))
                stack.enter_context(log_setup.beside(self._aside))
            stack.enter_context(self._begin(wait))
            if is_long and not is_drawn:
                LOG.info("%s", describe())
            else:
                stack.callback(stop.set)
                # Where there is no thread for it there is no sign of life.
                with suppress(RuntimeError):
                    work = self._draw if is_drawn else self._log
                    threading.Thread(target=work, args=(wait, stop), daemon=True).start()
            yield

    @contextmanager
    def show_alone(self, describe: Callable[[], str]) -> Iterator[None]:
        """Show what the main thread waits for, and nothing of what others wait for meanwhile."""
        with self.show(describe):
            self._is_alone = True
            try:
                yield
            finally:
                self._is_alone = False

    @contextmanager
    def hide(self) -> Iterator[None]:
        """Show nothing meanwhile: something else is."""
        if self._is_alone:
            yield
            return
        with self._begin(_Wait(None)):
            yield

    @contextmanager
    def _begin(self, wait: _Wait) -> Iterator[None]:
        now = time.monotonic()
        if not self._waits and now - self._ended > _SAME_WAIT:
            self._begun, self._is_logged = now, False
        self._waits.append(wait)
        try:
            self._erase()
            yield
        finally:
            self._waits.remove(wait)
            # What comes after something else was shown has not been waited for all that time.
            self._ended = time.monotonic() if wait.describe else float("-inf")
            self._erase()

    def _draw(self, wait: _Wait, stop: threading.Event) -> None:
        """Draw a wait once it takes long, each second, where nothing within it is shown."""
        pause = 0.0 if wait.is_long else self._begun + _SILENCE - time.monotonic()
        while not stop.wait(max(pause, 0.0)):
            pause = _TICK
            with self._lock, suppress(Exception):
                if not stop.is_set() and self._waits[-1] is wait:
                    self._drawn = self._drawn or Redrawn(sys.stderr)
                    text = shorten_text(self._word(wait), max(self._drawn.size.columns - ECHO_WIDTH, 1))
                    self._drawn.draw([Line(text, measure_width(text))])

    def _log(self, wait: _Wait, stop: threading.Event) -> None:
        """Log a wait once it takes very long."""
        if not stop.wait(max(self._begun + _LONG_SILENCE - time.monotonic(), 0.0)):
            with suppress(Exception):
                if self._waits[-1] is wait and not self._is_logged:
                    self._is_logged = True
                    LOG.info("%s", self._word(wait))

    def _word(self, wait: _Wait) -> str:
        text = sanitize(wait.describe() if wait.describe else "")
        return f"{text} … {time.monotonic() - self._begun:.0f} s" if wait.is_minor else text

    def _erase(self) -> None:
        with self._aside():
            pass

    def _forget(self) -> None:
        if self._drawn is not None:
            self._drawn.forget()

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Take the line away; it is not drawn again before the block ends."""
        # A terminal that hangs while it is drawn on must not hold up what is waited for.
        is_held = self._drawn is not None and self._lock.acquire(timeout=_PATIENCE)
        try:
            if is_held and self._drawn is not None:
                self._drawn.erase()
            yield
        finally:
            if is_held:
                self._lock.release()


_SIGN = _Sign()
show_busy = _SIGN.show
"""Shows what is waited for; a ``Busy``."""
show_alone = _SIGN.show_alone
"""Shows what is waited for in several threads, as one."""
hide_busy = _SIGN.hide
"""Shows nothing of what is waited for, while something else is shown."""
