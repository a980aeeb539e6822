"""What people see of a wait: on a terminal a line with a bar for each run, elsewhere a line for each change.

The bars are drawn on stderr and are gone when the wait is over. They are Rich's, which is imported only when
one is drawn; where it is not installed, a terminal gets the lines too.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from almajob.alma.job_instances import Instance
from almajob.alma.status_codes import Meaning, meaning
from almajob.cli.console import log_setup
from almajob.cli.console.redrawn import ECHO_WIDTH, Line, Redrawn, can_draw
from almajob.cli.console.sign_of_life import hide_busy
from almajob.runs.wait.watched_run import USED_UP, Display, Lines, WatchedRun
from almajob.text import time_format
from almajob.text.sanitize import sanitize

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

LOG = logging.getLogger(__name__)

_BAR_WIDTH = 10
_NARROWEST_NAME = 10
_COLUMNS = ("id", "name", "status", "bar", "percent", "elapsed", "next")
# In the order in which they get room, with what they need of it, so that none comes and goes with each look.
_NEEDED = {
    "status": 12,
    "elapsed": 11,
    "name": _NARROWEST_NAME,
    "next": 17,
    "percent": 5,
    "id": 0,
    "bar": _BAR_WIDTH,
}


@contextmanager
def display() -> Iterator[Display]:
    """Return what shows a wait on this process's stderr, and take it away again."""
    with hide_busy():
        # Of threads that wait beside each other, none can draw.
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or not can_draw(sys.stderr) or importlib.util.find_spec("rich") is None:
            yield Lines()
            return
        drawn = Redrawn(sys.stderr)
        bars = Bars(drawn, sys.stderr)
        with drawn.open(), log_setup.beside(bars.aside):
            yield bars


class Bars:
    """A line for each run that goes on; an end is told in a line that stays."""

    tick = 1.0

    def __init__(self, drawn: Redrawn, stream: TextIO) -> None:
        from rich.console import Console

        self._drawn = drawn
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._named: set[str] = set()

    def show_change(self, run: WatchedRun, text: str) -> None:
        """Print an end, or that a run is given up; the rest is seen in its line."""
        LOG.log(logging.DEBUG if run.over is None else logging.INFO, "%s", text)

    def draw(self, runs: Sequence[WatchedRun], now: float) -> None:
        """Draw the runs that go on, as many as there is room for, and why some cannot be seen."""
        if self._drawn.is_stuck():
            return
        going_on = [run for run in runs if run.over is None]
        size = self._drawn.size
        width = max(size.columns - ECHO_WIDTH, 1)
        reasons = _list_reasons(going_on)
        room = max(size.lines - 2 - len(reasons), 1)
        shown, left_out = going_on[:room], len(going_on) - room
        columns = _choose_columns(shown, width)
        if "id" not in columns:
            self._name(shown)
        below = [*reasons, *([f"and {left_out} more"] if left_out > 0 else [])]
        self._drawn.draw(_render(self._console, shown, columns, below, now, width))

    def _name(self, runs: Sequence[WatchedRun]) -> None:
        """Print the Process IDs for which the lines have no room, each once."""
        for run in runs:
            # Those that were started just now have been named.
            if not (run.is_ours or run.is_awaited or run.instance_id in self._named):
                LOG.info("Waiting for run %s.", run.instance_id)
            self._named.add(run.instance_id)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the lines away, so that something else can be written; they are drawn again below it."""
        self._drawn.erase()
        yield


def _list_reasons(runs: Sequence[WatchedRun]) -> list[str]:
    """Return why runs cannot be seen, each reason once."""
    found = [run.error for run in runs if run.failures and run.error is not None]
    return list(
        dict.fromkeys(
            sanitize(error.message if isinstance(error, USED_UP) else f"Cannot be seen: {error.message}")
            for error in found
        )
    )


def _choose_columns(runs: Sequence[WatchedRun], width: int) -> list[str]:
    """Choose the columns for which there is room: a Process ID is whole or not there, a name is cut."""
    needed = {**_NEEDED, "id": max((len(run.instance_id) for run in runs), default=0)}
    needed["name"] = min(max((len(_find_name(run)) for run in runs), default=0), _NARROWEST_NAME)
    needed["status"] = max([needed["status"], *(len(_find_status(run)) for run in runs)])
    if all(run.is_ours for run in runs):
        # Their Process IDs stand above already, as they were started just now.
        needed["id"] = needed.pop("id")
    chosen, used = [], -1
    for name, cells in needed.items():
        if cells and used + cells + 1 <= width:
            chosen.append(name)
            used += cells + 1
    return [name for name in _COLUMNS if name in chosen]


def _render(
    console: Console,
    runs: Sequence[WatchedRun],
    columns: Sequence[str],
    below: Sequence[str],
    now: float,
    width: int,
) -> list[Line]:
    """Return the lines of a wait, none wider than this."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows = [_make_cells(run, now) for run in runs]
    filled = [name for name in columns if any(row[name] for row in rows)]
    widths = {name: max(_width_of(row[name]) for row in rows) for name in filled}
    if "name" in widths:
        # What is left is the name's.
        others = sum(cells + 1 for name, cells in widths.items() if name != "name")
        widths["name"] = min(widths["name"], max(width - others, 1))
    table = Table.grid(padding=(0, 1))
    for name, cells in widths.items():
        table.add_column(width=cells, no_wrap=True, overflow="ellipsis" if name == "name" else "crop")
    for row in rows:
        table.add_row(*(row[name] for name in filled))
    texts = [Text(text, style="dim", no_wrap=True, overflow="ellipsis") for text in below]
    with console.capture() as captured:
        console.print(Group(table, *texts), width=width)
    lines = [line.rstrip(" ") for line in captured.get().splitlines()]
    return [Line(line, Text.from_ansi(line).cell_len) for line in lines]


def _width_of(cell: RenderableType) -> int:
    from rich.cells import cell_len

    return cell_len(cell) if isinstance(cell, str) else _BAR_WIDTH


def _make_cells(run: WatchedRun, now: float) -> dict[str, RenderableType]:
    from rich.progress_bar import ProgressBar

    done = progress(run)
    return {
        "id": run.instance_id,
        "name": _find_name(run),
        "status": _find_status(run),
        "bar": ProgressBar(total=100, completed=done or 0, width=_BAR_WIDTH),
        "percent": "" if done is None else f"{done:3.0f} %",
        "elapsed": time_format.format_duration(math.floor(run.age + max(now - run.answered, 0.0))),
        "next": describe_next_look(run, now),
    }


def _find_name(run: WatchedRun) -> str:
    seen = run.instance.job if run.instance else None
    return sanitize((seen.name if seen else "") or run.job_name)


def _find_status(run: WatchedRun) -> str:
    status = sanitize(run.instance.status.value if run.instance else "")
    return status or ("not begun yet" if run.was_listed and run.is_awaited else "not seen yet")


def progress(run: WatchedRun) -> float | None:
    """Return the progress of a run that is followed, where it can be believed."""
    return None if run.instance is None else find_progress(run.instance)


def find_progress(instance: Instance) -> float | None:
    """Return the progress in per cent where it can be believed: of a run that is running, from 0 to 100.

    Alma's stays 0 where a run fails, and 101.3 has been seen.
    """
    done = instance.progress
    is_running = meaning(instance.status.value) is Meaning.RUNNING
    return done if done is not None and is_running and 0 <= done <= 100 else None


def describe_next_look(run: WatchedRun, now: float) -> str:
    """Return when a run is looked at next."""
    rest = run.due - now
    if rest <= 0:
        return "looking"
    return f"next look in {time_format.format_ago(-math.ceil(rest)).removeprefix('in ')}"
