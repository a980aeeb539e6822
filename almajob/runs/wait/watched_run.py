"""What a wait is about: the runs that are followed, how, and who is shown what becomes of them."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from almajob.alma.client import ANY_JOB
from almajob.alma.job_instances import Instance, label_run
from almajob.config.environments import LateAfter
from almajob.errors import AlmajobError, CallsUsedUp, QuotaUsedUp

LOG = logging.getLogger(__name__)

OUTAGE = 3600.0
"""How long looks may fail, one after the other, before almajob stops looking, in seconds."""
USED_UP = (CallsUsedUp, QuotaUsedUp)
"""The errors of a day whose calls are used up, by what is known here and by Alma's word."""


@dataclass(frozen=True, slots=True)
class WaitOptions:
    """How runs are followed; lengths of time in seconds.

    Attributes:
        timeout: after which to stop looking; None for never.
        interval: between looks at one run; None for one that grows with the run's age.
        outage: how long nothing but failures is survived.
    """

    timeout: float | None = None
    interval: float | None = None
    outage: float = OUTAGE

    def words(self) -> str:
        """Return the options that say the same on a command line; not the time limit, which is over."""
        interval = "" if self.interval is None else f"--interval {_format_seconds(self.interval)}s"
        outage = "" if self.outage == OUTAGE else f"--outage {_format_seconds(self.outage)}s"
        return " ".join(filter(None, (interval, outage)))


class Over(enum.Enum):
    """Why a run is not looked at any more."""

    ENDED = "it has ended"
    OUT_OF_TIME = "the time limit was reached"
    OUTAGE = "nothing but failures came for too long"
    REFUSED = "nothing says that there is such a run"


@dataclass(eq=False, slots=True)
class WatchedRun:
    """One run that is followed, and what is known of it so far.

    Attributes:
        instance_id: its Process ID; empty while it is a job's next run, which has not begun.
        job_id: of its job; ALL where it is not known.
        job_name: likewise; empty where it is not known.
        run_key: of the start that it came of, where the ledger knows it; for the log.
        was_listed: whether Alma has listed the job's runs without it, so that it may be waited for.
        is_ours: whether this invocation started it, so that nothing can say that it is not there.
        started: how long ago it was started, as far as the ledger knows, in seconds.
        earlier: how long runs of its job took, in seconds.
        instance: as it was seen last.
        age: of the run at that look, in seconds.
        due: when to look next, by the clock's elapsed seconds.
        answered: when it was seen last, likewise; when the wait began, before.
        failures: how many looks failed since.
        failing_since: when the first of them did, likewise.
        error: how the last look failed; None where it did not.
        over: why it is not looked at any more; None while it is.
        late_after: when it counts as late.
        is_late: whether it was seen to take much longer than usual.
    """

    instance_id: str
    job_id: str = ANY_JOB
    job_name: str = ""
    run_key: str = ""
    was_listed: bool = False
    is_ours: bool = False
    started: float | None = None
    earlier: tuple[float, ...] = ()
    instance: Instance | None = None
    age: float = 0.0
    due: float = 0.0
    answered: float = 0.0
    failures: int = 0
    failing_since: float = 0.0
    error: AlmajobError | None = None
    over: Over | None = None
    late_after: LateAfter = LateAfter()  # noqa: RUF009  # frozen
    is_late: bool = False

    @property
    def label(self) -> str:
        """How people are told of it: its job, as far as it is known, and its Process ID."""
        seen = self.instance.job if self.instance else None
        return label_run(self.instance_id, (seen.name if seen else "") or self.job_name)

    @property
    def is_awaited(self) -> bool:
        """Whether it is a job's next run, and has not begun."""
        return not self.instance_id

    @property
    def has_ended(self) -> bool:
        """Whether its end was seen."""
        return self.instance is not None and self.instance.has_ended


class Display(Protocol):
    """What people see of a wait while it lasts."""

    tick: float
    """Seconds after which it wants to be drawn anew."""

    def show_change(self, run: WatchedRun, text: str) -> None:
        """Show that a run has changed."""

    def draw(self, runs: Sequence[WatchedRun], now: float) -> None:
        """Draw all runs as they stand; ``now`` is the clock's elapsed seconds."""


class Lines:
    """A line for each change: for pipes, cron and logs."""

    tick = float("inf")

    def show_change(self, run: WatchedRun, text: str) -> None:
        LOG.info("%s", text)

    def draw(self, runs: Sequence[WatchedRun], now: float) -> None:
        """Draw nothing."""


def age_of(instance: Instance, clock: float | None) -> float | None:
    """Return how long ago a run was submitted, by Alma's clock alone; None where that is not known."""
    if not isinstance(instance.submit_time, datetime) or clock is None:
        return None
    return clock - instance.submit_time.timestamp()


OpenDisplay = Callable[[], AbstractContextManager[Display]]
"""Opens a display, and takes it away again."""


@contextmanager
def open_lines() -> Iterator[Display]:
    """Open the plainest of displays."""
    yield Lines()


def _format_seconds(seconds: float) -> str:
    """Write a number without an exponent, which no option takes."""
    return f"{seconds:f}".rstrip("0").rstrip(".")
