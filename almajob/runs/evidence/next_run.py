"""Which of a job's runs began after somebody began to wait for one; decided without asking anybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from almajob.alma.job_instances import Instance
from almajob.alma.pagination import Listing
from almajob.runs.evidence.match_instance import is_ahead

HIDDEN = 60.0
"""How long a run may be missing in Alma's list, in seconds; nobody has seen so long."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """When a wait for a job's next run began.

    Attributes:
        known: the runs that the first list had.
        at: by Alma's clock, seconds since the epoch; None where it told none.
        error: seconds by which that may be off.
        is_ahead: whether Alma's submit times are ahead of its clock, so that they prove nothing.
    """

    known: frozenset[str]
    at: float | None
    error: float
    is_ahead: bool


def note_beginning(listing: Listing, waited: float) -> Beginning:
    """Note when a wait began that has its first list now, after so many seconds."""
    return Beginning(
        frozenset(item.id for item in listing.instances),
        None if listing.clock is None else listing.clock - waited,
        listing.clock_error,
        is_ahead(listing),
    )


def find_next(beginning: Beginning, listing: Listing) -> Instance | None:
    """Find the first run that began after the wait did, whether it goes on or has ended; None as yet."""
    found = [item for item in listing.instances if _began_after(beginning, item)]
    return min(found, key=lambda item: (_submitted(item) or 0.0, item.id), default=None)


def _began_after(beginning: Beginning, item: Instance) -> bool:
    is_new = item.id not in beginning.known
    submitted = _submitted(item)
    if submitted is None or beginning.at is None:
        return is_new
    if not is_new:
        # The first list may have come late, when Alma had been down.
        return not beginning.is_ahead and submitted > beginning.at + beginning.error
    # One of the minute before was only hidden from the first list. One that is older was not: then the two
    # clocks of Alma do not agree, and its time proves nothing.
    first = beginning.at - beginning.error
    return not first - HIDDEN <= submitted < first


def _submitted(item: Instance) -> float | None:
    when = item.submit_time
    return when.timestamp() if isinstance(when, datetime) else None
