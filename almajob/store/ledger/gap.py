"""Of which time a ledger may lack records: it was restored from a backup, began anew, or was idle."""

from __future__ import annotations

from typing import NamedTuple

LONGEST_MEMORY = 31 * 24 * 60 * 60.0
"""Seconds for which it matters that the ledger may lack records."""
# Longer than from one day's command to the next day's, and less than a start looks back anyway.
_USUAL_PAUSE = 26 * 60 * 60.0


class Gap(NamedTuple):
    """A time of which the ledger may lack records, in seconds since the epoch.

    Attributes:
        since, until: nothing was written meanwhile.
        lost_since, lost_until: the part of which it certainly lacks some, as it had a record that it has no
            more; None where there is none.
    """

    since: float
    until: float
    lost_since: float | None = None
    lost_until: float | None = None

    def is_past(self, now: float) -> bool:
        """Whether it ended so long ago that it does not matter any more."""
        return self.until < now - LONGEST_MEMORY

    def join(self, other: Gap | None) -> Gap:
        """Return the time from the beginning of one to the end of the other, unless that is long past."""
        if other is None or other.is_past(self.until):
            return self
        lost = [gap for gap in (self, other) if gap.lost_since is not None]
        return Gap(
            min(self.since, other.since),
            max(self.until, other.until),
            min((gap.lost_since or 0.0 for gap in lost), default=None),
            max((gap.lost_until or 0.0 for gap in lost), default=None),
        )


def find_gap(latest: float, known: Gap | None, now: float, *, lacks_newest: bool) -> Gap | None:
    """Find out of which time a ledger may lack records; None where it was written to within a day.

    Args:
        latest: when its latest record was made, in seconds since the epoch; 0 where it has none.
        known: what was found out before.
        lacks_newest: it does not have the record that was written last.
    """
    latest = min(latest, now)
    if known is not None and known.is_past(now):
        known = None
    if lacks_newest:
        return Gap(latest, now, latest, now).join(known)
    return known if now - latest < _USUAL_PAUSE else Gap(latest, now).join(known)
