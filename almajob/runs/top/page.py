"""What is known of one environment at a moment: the facts that ``almajob top`` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from almajob.errors import AlmajobError
from almajob.runs.run import Run
from almajob.store.ledger.record import Record


class GoingOn(NamedTuple):
    """A run that goes on.

    Attributes:
        run: as it was seen last; without a status where Alma does not show it yet.
        age: seconds since its submission, now; None where that is not known.
        usual: how long runs of its job take, in seconds; None where nobody knows.
        is_late: whether it takes much longer than that.
    """

    run: Run
    age: float | None = None
    usual: float | None = None
    is_late: bool = False


class Trouble(NamedTuple):
    """Why nothing new is seen.

    Attributes:
        error: how the last look failed.
        seconds: for how long looks have failed.
    """

    error: AlmajobError
    seconds: float


@dataclass(frozen=True, slots=True)
class Page:
    """What runs in one environment.

    Attributes:
        environment: its name.
        is_production: whether it is one of production.
        going_on: the runs that go on, the latest first.
        unclear: the starts from here whose outcome is not known, the oldest first.
        ended: the runs that ended within the last hour, or while somebody watches, the last first.
        jobs: how many jobs are asked for; None as long as that is not known.
        asked: how many of them were asked for by now.
        calls_left: how many calls the day has left; None where that is not known.
        is_thrifty: whether so few are left that looks are seldom.
        next_look: in how many seconds the next one is; None while one is under way.
        seen: how many seconds ago Alma answered last; None where it never did.
        trouble: why nothing new is seen; None where there is no trouble.
        ledger_problem: why it is not known what was started from here; empty where it is.
    """

    environment: str
    is_production: bool = False
    going_on: tuple[GoingOn, ...] = ()
    unclear: tuple[Record, ...] = ()
    ended: tuple[Run, ...] = ()
    jobs: int | None = None
    asked: int = 0
    calls_left: int | None = None
    is_thrifty: bool = False
    next_look: float | None = None
    seen: float | None = None
    trouble: Trouble | None = None
    ledger_problem: str = ""
