"""What following a run costs with a webhook listener: ``python -m tests.benchmarks.webhook``.

On a simulated clock, through the real schedule and the real files, against polling without a listener.
"""

from __future__ import annotations

import itertools
import logging
import random
import statistics
import tempfile
from pathlib import Path

from almajob.alma.job_instances import Instance
from almajob.alma.models import Code
from almajob.runs.wait.end_messages import EndMessages, Message
from almajob.runs.wait.poller import Poller
from almajob.runs.wait.watched_run import WatchedRun
from tests.benchmarks.polling import LENGTHS, TRIALS, Cost, cost
from tests.support.clocks import FastClock

RUN = "9563643080000561"


def cost_with_listener(length: float, *, trials: int = TRIALS, is_lost: bool = False) -> Cost:
    """Follow runs of about a length that were started now, while a listener runs.

    The call that the listener makes for a message counts as well.

    Args:
        length: in seconds; the runs are up to a twentieth shorter, as in ``polling``.
        is_lost: whether no message comes.
    """
    calls, delays = [], []
    for trial in range(trials):
        dice = random.Random(trial)
        ends = length * (1 - dice.random() / 20)
        time = FastClock(start=0.0)
        looks = itertools.count()
        with tempfile.TemporaryDirectory() as directory:
            messages = EndMessages(Path(directory, "sandbox-0"))

            def look(run: WatchedRun, _patience: float) -> tuple[Instance, float | None]:
                next(looks)  # noqa: B023  # called before the next trial
                age = time.elapsed()  # noqa: B023
                return Instance(run.instance_id, status=Code("FAILED" if age >= ends else "RUNNING")), age  # noqa: B023

            def sleep(seconds: float, messages: EndMessages = messages, ends: float = ends) -> None:
                was = time.elapsed()  # noqa: B023
                time.sleep(seconds)  # noqa: B023
                if not is_lost and was < ends <= time.elapsed():  # noqa: B023
                    messages.keep(Message(RUN))
                    next(looks)  # noqa: B023
                    messages.keep_end(Instance(RUN, status=Code("FAILED")))
                    messages.drop(RUN)

            clock = time.clock._replace(sleep=sleep)
            with messages.listen():
                messages.note_heard()
                run = WatchedRun(RUN, is_ours=True, started=0.0)
                Poller([run], look, clock=clock, chance=dice.random, messages=messages).follow()
        calls.append(next(looks))
        delays.append(time.elapsed() - ends)
    return Cost(max(calls), statistics.fmean(delays), max(delays))


def table() -> str:
    """Return the figures as a table in Markdown."""
    rows = [
        "| a run of | calls with a listener | end noticed after | if the message is lost "
        "| without a listener | end noticed after, at most |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, length in LENGTHS.items():
        told = cost_with_listener(length, trials=2)
        lost = cost_with_listener(length, trials=1, is_lost=True)
        polled = cost(length)
        rows.append(
            f"| {name} | {told.calls} | {told.longest_delay:.1f} s "
            f"| {lost.calls}, {lost.longest_delay:.0f} s | {polled.calls} | {polled.longest_delay:.0f} s |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(table())
