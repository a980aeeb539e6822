"""What people see of a wait: on a terminal a line with a bar for each run, elsewhere a line for each change.

The bars are drawn on stderr and are gone when the wait is over. They are Rich's, which is imported only when
one is drawn; where it is not installed, a terminal gets the lines too.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from almajob.alma.status_codes import Meaning, meaning
from almajob.cli.console import log_setup
from almajob.runs.wait.watched_run import USED_UP, Display, Lines, WatchedRun
from almajob.system.signals import defer_signals
from almajob.text import time_format
from almajob.text.sanitize import sanitize

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

LOG = logging.getLogger(__name__)

_BAR_WIDTH = 10
# The terminal's own "^C" must not begin a new line: what was drawn could not be taken away any more.
_ECHO_WIDTH = 4
_WIDE, _NARROW = 100, 70
# The last cell; a narrow terminal has no room for it.
_JOB = 6


@contextmanager
def display() -> Iterator[Display]:
    """Return what shows a wait on this process's stderr, and take it away again."""
    if not _can_draw(sys.stderr):
        yield Lines()
        return
    bars = Bars(sys.stderr)
    with bars.drawing(), log_setup.beside(bars.aside):
        yield bars


def _can_draw(stream: TextIO) -> bool:
    try:
        is_terminal = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    except (AttributeError, ValueError):
        return False
    return is_terminal and log_setup.is_at_default_level() and importlib.util.find_spec("rich") is not None


class Bars:
    """A line for each run that goes on; an end is told in a line that stays."""

    tick = 1.0

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._live = self._make_live()
        self._is_gone = False

    def show_change(self, run: WatchedRun, text: str) -> None:
        """Print an end, or that a run is given up; the rest is seen in its line."""
        LOG.log(logging.DEBUG if run.over is None else logging.INFO, "%s", text)

    def draw(self, runs: Sequence[WatchedRun], now: float) -> None:
        """Draw the runs that go on, as many as there is room for; nothing on a terminal that is stuck."""
        if self._is_stuck():
            return
        going_on = [run for run in runs if run.over is None]
        room = max(self._console.height - 2, 1)
        width = self._console.width - _ECHO_WIDTH
        table = _make_table(going_on[:room], len(going_on) - room, now, width)
        with defer_signals(self._is_stuck):
            self._attempt(lambda: self._live.update(table, refresh=True))

    def _make_live(self) -> Live:
        from rich.live import Live

        return Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Draw as long as this lasts."""
        with defer_signals(self._is_stuck):
            self._attempt(self._live.start)
        try:
            yield
        finally:
            if not self._is_stuck():
                with defer_signals(self._is_stuck):
                    self._attempt(self._live.stop)

    def _attempt(self, draw: Callable[[], None]) -> None:
        """Draw; a terminal that was closed is the end of the bars, but not of the wait."""
        try:
            draw()
        except OSError:
            self._is_gone = True

    def _is_stuck(self) -> bool:
        """Whether the terminal takes no more output, as after Ctrl-S, or where its other end hangs."""
        if self._is_gone:
            return True
        try:
            return not select.select([], [self._console.file], [], 0)[1]
        except (OSError, ValueError):
            return False

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the lines away for a moment, so that something else can be written."""
        with defer_signals(self._is_stuck):
            self._attempt(self._live.stop)
            yield
            if not self._is_gone:
                # One that is started again would draw over what was written meanwhile.
                self._live = self._make_live()
                self._attempt(self._live.start)


def _make_table(runs: Sequence[WatchedRun], left_out: int, now: float, width: int) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    count = _JOB + 1 if width >= _WIDE else _JOB if width >= _NARROW else 2
    table = Table.grid(padding=(0, 1), expand=count > _JOB)
    table.width = width
    for number in range(count):
        # The job's name has what room is left.
        is_job = number == _JOB
        table.add_column(no_wrap=True, overflow="ellipsis" if is_job else "crop", ratio=1 if is_job else None)
    for run in runs:
        table.add_row(*_format_cells(run, now)[:count])
    return Group(table, Text(f"and {left_out} more")) if left_out > 0 else table


def _format_cells(run: WatchedRun, now: float) -> list[RenderableType]:
    from rich.progress_bar import ProgressBar

    instance, done = run.instance, progress(run)
    return [
        run.instance_id,
        sanitize(instance.status.value if instance else "") or "not seen yet",
        ProgressBar(total=100, completed=done or 0, width=_BAR_WIDTH),
        "" if done is None else f"{done:3.0f} %",
        time_format.format_duration(math.floor(run.age + max(now - run.answered, 0.0))),
        describe_next_look(run, now),
        sanitize(instance.job.name if instance and instance.job else ""),
    ]


def progress(run: WatchedRun) -> float | None:
    """Return the progress in per cent where it can be believed: of a run that is running, from 0 to 100.

    Alma's stays 0 where a run fails, and 101.3 has been seen.
    """
    if run.instance is None or run.instance.progress is None:
        return None
    is_running = meaning(run.instance.status.value) is Meaning.RUNNING
    return run.instance.progress if is_running and 0 <= run.instance.progress <= 100 else None


def describe_next_look(run: WatchedRun, now: float) -> str:
    """Return when a run is looked at next, and why it was not seen."""
    rest = run.due - now
    when = (
        f"next look in {time_format.format_ago(-math.ceil(rest)).removeprefix('in ')}"
        if rest > 0
        else "looking"
    )
    if isinstance(run.error, USED_UP):
        return "Alma's calls for today are used up"
    return f"cannot be seen, {when}" if run.failures else when
