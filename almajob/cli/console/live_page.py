"""The page of ``almajob top`` while somebody looks at it: asks, draws, and reads keys."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue

from rich.console import Console

from almajob.cli.console.full_screen import FullScreen
from almajob.cli.console.log_setup import hold_messages
from almajob.cli.console.sign_of_life import hide_busy
from almajob.cli.console.top_page import Moment, print_lines, render
from almajob.runs.top.watch import Ask, Watch
from almajob.system import clock as clocks
from almajob.system.deadline import SLICE
from almajob.system.terminal import has_colour

_LEAVE = b"qQ"
_TICK = 1.0
_Answer = tuple[Ask, object]


def show(watches: Sequence[Watch], *, in_utc: bool) -> None:
    """Show what runs until somebody types q.

    Args:
        watches: of the environments.
        in_utc: show times in UTC.

    Raises:
        AlmajobError: Alma has not answered, and to try again would not help, as with a wrong key.
    """
    screen = FullScreen(sys.stdin, sys.stdout)
    with hide_busy(), hold_messages() as held, screen.open():
        LivePage(watches, screen, lambda: _find_warning(list(held)), in_utc=in_utc).run()


def _find_warning(messages: Iterable[logging.LogRecord]) -> str:
    """Return the last message that a person should know of while the page is shown; empty for none."""
    warnings = [each for each in messages if each.levelno >= logging.WARNING]
    return warnings[-1].getMessage() if warnings else ""


class LivePage:
    """Asks in threads of their own, so that a call that hangs keeps nobody from leaving."""

    def __init__(
        self, watches: Sequence[Watch], screen: FullScreen, last_message: Callable[[], str], *, in_utc: bool
    ) -> None:
        self._watches = watches
        self._screen = screen
        self._last_message = last_message
        self._in_utc = in_utc
        self._clock = clocks.system()
        self._answers: SimpleQueue[_Answer] = SimpleQueue()
        self._size = screen.size
        self._console = Console(
            file=sys.stdout,
            force_terminal=True,
            color_system="standard",
            no_color=not has_colour(sys.stdout),
            highlight=False,
            markup=False,
            emoji=False,
        )

    def run(self) -> None:
        """Show the page until somebody leaves it."""
        next_drawn = self._clock.elapsed()
        while True:
            now = self._clock.elapsed()
            self._begin_asks(now)
            if self._is_resized() or now >= next_drawn:
                self._draw(now)
                next_drawn = now + _TICK
            typed = self._screen.read_keys(self._find_rest(next_drawn))
            if any(key in _LEAVE for key in typed) and not typed.startswith(b"\x1b"):
                return
            if typed:
                # As with Ctrl-L: something else may have written on the terminal.
                self._screen.clear()
            if self._take_answers() or typed:
                next_drawn = self._clock.elapsed()

    def _begin_asks(self, now: float) -> None:
        for watch in self._watches:
            while (ask := watch.next_ask(now)) is not None:
                self._begin(ask)

    def _begin(self, ask: Ask) -> None:
        def attempt() -> None:
            try:
                self._answers.put((ask, ask.work()))
            except Exception as error:  # noqa: BLE001  # judged by the watch
                self._answers.put((ask, error))

        try:
            threading.Thread(target=attempt, daemon=True).start()
        except RuntimeError as error:
            # No more threads: those of calls that hang may come back.
            self._answers.put((ask, error))

    def _take_answers(self) -> bool:
        """Note the answers that came; return whether there were any."""
        has_come = False
        while True:
            try:
                ask, answer = self._answers.get_nowait()
            except Empty:
                return has_come
            has_come = True
            ask.take(answer, self._clock.elapsed())

    def _find_rest(self, next_drawn: float) -> float:
        """Return how long to wait for a key; not long, as a signal or a new size is noticed only then."""
        now = self._clock.elapsed()
        due = min(next_drawn, *(watch.due(now) for watch in self._watches))
        return min(max(due - now, 0.0), SLICE)

    def _is_resized(self) -> bool:
        size, self._size = self._size, self._screen.size
        if size == self._size:
            return False
        self._screen.clear()
        return True

    def _draw(self, now: float) -> None:
        pages = [watch.page(now) for watch in self._watches]
        columns, rows = self._size
        moment = Moment(self._clock.now(), self._in_utc)
        page = render(pages, columns, rows, moment, self._last_message())
        self._screen.draw(print_lines(self._console, page, columns, rows))
