"""What making a set will take: whether there is anything to do, and whether the day's calls are enough."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from almajob.alma.client import Alma
from almajob.errors import AlmaRefused, CallsUsedUp, KeyRefused
from almajob.sets.made_sets import DELETED, DELETING, FILLED
from almajob.sets.making import MEMBERS_A_CALL, SetDeps, find_kept, find_made_set
from almajob.sets.plan import SetPlan
from almajob.text.frozen import Frozen

CREATE, CONTINUE, SHOW = "create", "continue", "show"
_MEMBERS_A_PAGE = 100
_LOOKS = 20
"""Calls for the looks at a set that Alma fills, as a rule at most."""


class Forecast(Frozen):
    """What the making of a set comes to.

    Attributes:
        action: create; continue where it is begun, show where it is there.
        set_id: empty where none is known.
        calls: that it takes, at most.
    """

    action: str
    set_id: str
    calls: int


def count_calls(ids: int) -> int:
    """Return how many calls it takes, at most, to make a set of so many ids."""
    return 3 + -(-ids // MEMBERS_A_CALL) + 2


def count_pages(members: int) -> int:
    """Return how many calls it takes to read so many members."""
    return -(-members // _MEMBERS_A_PAGE)


def forecast_making(plan: SetPlan, deps: SetDeps) -> Forecast:
    """Return what making a set comes to, by what the ledger knows, and whether the set is still there.

    Raises:
        Refused: a set of the name is there that was made from something else.
    """
    kept = find_kept(plan, deps)
    whole = count_calls(plan.count) if plan.count else count_calls(0) + _LOOKS
    if kept is None or kept.state in (DELETING, DELETED) or find_made_set(kept, deps) is None:
        return Forecast(CREATE, "", whole)
    if kept.state == FILLED:
        return Forecast(SHOW, kept.set_id, count_calls(0))
    return Forecast(CONTINUE, kept.set_id, whole - kept.next_chunk)


def learn_calls_left(alma: Alma, calls_left: Callable[[], int | None]) -> int | None:
    """Return how many calls Alma takes today; where nobody knows, Alma is asked something, to hear it."""
    left = calls_left()
    if left is None:
        with suppress(AlmaRefused, KeyRefused):
            alma.general()
        left = calls_left()
    return left


def refuse_costly(calls: int, left: int | None, doing: str) -> None:
    """Refuse to begin what today's calls are not enough for.

    Args:
        left: the calls that Alma takes today; None where nobody knows.
        doing: what takes them, such as ``To make the set``.

    Raises:
        CallsUsedUp: they are not, by what Alma said last.
    """
    if left is not None and left < calls:
        raise CallsUsedUp(
            f"{doing} takes {calls:,} calls, and Alma takes {left:,} more today; nothing was sent.",
            hint="All programs of the institution share them. The count starts again after midnight UTC.",
        )
