"""What following a run costs, and how late its end is noticed: ``python -m tests.benchmarks.polling``.

On a simulated clock, through the real schedule, against a look every 15 seconds.
"""

from __future__ import annotations

import itertools
import logging
import random
import statistics
from dataclasses import dataclass

from almajob.alma.job_instances import Instance
from almajob.alma.models import Code
from almajob.runs.wait.poller import Poller
from almajob.runs.wait.watched_run import WaitOptions, WatchedRun
from tests.support.clocks import FastClock

LENGTHS = {"30 min": 1800.0, "8 h": 28_800.0, "24 h": 86_400.0}
TRIALS = 40
FIXED = 15.0


@dataclass(frozen=True)
class Cost:
    """What runs of one length cost: calls at most, and how late their ends were noticed, in seconds."""

    calls: int
    mean_delay: float
    longest_delay: float


def cost(length: float, *, interval: float | None = None, trials: int = TRIALS) -> Cost:
    """Follow runs of about a length to their ends.

    Args:
        length: in seconds; the runs are up to a twentieth shorter, so that none fits the schedule by chance.
        interval: between looks; None for almajob's own pace.
        trials: how many runs.
    """
    calls, delays = [], []
    for trial in range(trials):
        dice = random.Random(trial)
        ends = length * (1 - dice.random() / 20)
        time = FastClock(start=0.0)
        looks = itertools.count()

        def look(run: WatchedRun, _patience: float) -> tuple[Instance, float | None]:
            next(looks)  # noqa: B023  # called before the next trial
            age = time.elapsed()  # noqa: B023
            return Instance(run.instance_id, status=Code("FAILED" if age >= ends else "RUNNING")), age  # noqa: B023

        Poller(
            [WatchedRun("1")], look, WaitOptions(interval=interval), time.clock, chance=dice.random
        ).follow()
        calls.append(next(looks))
        delays.append(time.elapsed() - ends)
    return Cost(max(calls), statistics.fmean(delays), max(delays))


def table() -> str:
    """Return the figures as a table in Markdown."""
    rows = [
        "| a run of | looks, at most | end noticed after, on average | at most | looks every 15 s |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, length in LENGTHS.items():
        paced = cost(length)
        fixed = int(length // FIXED) + 1
        rows.append(
            f"| {name} | {paced.calls} | {paced.mean_delay:.0f} s ({paced.mean_delay / length:.1%}) "
            f"| {paced.longest_delay:.0f} s | {fixed:,} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(table())
