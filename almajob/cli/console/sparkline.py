"""How runs of a job went, in two short lines for a terminal: how long each took, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from almajob.text.time_format import format_duration

_BARS = "▁▂▃▄▅▆▇█"
# For an encoding without those.
_PLAIN_BARS = "_.-=+*#@"
_FEWEST = 3
_TOOK, _ENDED = "duration  ", "ended     "
_LEGEND = "  x: not well, newest last"
_MOST_TIMES = 3.0
_ASIDE = 30
"""Columns behind the runs: for the shortest and the longest duration."""


class Ended(NamedTuple):
    """A run that has ended.

    Attributes:
        seconds: how long it took; None where that is not known.
        is_good: whether it ended well.
    """

    seconds: float | None
    is_good: bool


def draw_runs(runs: Sequence[Ended], width: int, encoding: str) -> list[str]:
    """Draw runs, the oldest on the left; nothing where there are hardly any.

    Args:
        width: of the terminal; of more runs the newest are drawn.
        encoding: of the stream.
    """
    shown = runs[-max(width - len(_TOOK) - _ASIDE, _FEWEST) :]
    lengths = [run.seconds for run in shown if run.seconds is not None]
    if len(lengths) < _FEWEST:
        return []
    bars = _BARS if _can_write(_BARS, encoding) else _PLAIN_BARS
    # One that took ten times as long would make all others look the same.
    full = min(max(lengths), _MOST_TIMES * sorted(lengths)[len(lengths) // 2]) or 1.0
    took = "".join(
        " " if run.seconds is None else bars[round(min(run.seconds / full, 1.0) * (len(bars) - 1))]
        for run in shown
    )
    ended = "".join("." if run.is_good else "x" for run in shown)
    span = f"  {format_duration(min(lengths))} to {format_duration(max(lengths))}"
    return [line[:width] for line in (f"{_TOOK}{took}{span}", f"{_ENDED}{ended}{_LEGEND}")]


def _can_write(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
