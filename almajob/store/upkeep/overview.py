"""What is in a ledger, in numbers."""

from __future__ import annotations

from typing import NamedTuple

from almajob.store.ledger import series
from almajob.store.ledger.gap import Gap
from almajob.store.ledger.ledger import NEWS, TURN_SECONDS
from almajob.store.ledger.place import Place
from almajob.store.ledger.sealed_rows import SealedRows
from almajob.store.ledger.view import GAP, View
from almajob.store.schema import LEDGER_FORMAT
from almajob.store.upkeep.archive import list_archives


class Overview(NamedTuple):
    """A ledger in numbers.

    Attributes:
        name: of its place.
        kind: ``directory`` or ``postgresql``.
        format: of its rows.
        records: how many; ``open`` of them have no outcome yet.
        archived: how many were moved into archives.
        oldest, newest: when they were made, seconds since the epoch; None where there is none.
        bytes: that it takes.
        announcements: that are still to be made to observers.
        lacks_since, lacks_until: the time of which it certainly lacks some; None where there is none.
        archives: the paths of the files.
    """

    name: str
    kind: str
    format: int
    records: int = 0
    open: int = 0
    archived: int = 0
    oldest: float | None = None
    newest: float | None = None
    bytes: int = 0
    announcements: int = 0
    lacks_since: float | None = None
    lacks_until: float | None = None
    archives: tuple[str, ...] = ()


def read_overview(place: Place) -> Overview:
    """Read how much is in a ledger; one that is not there is not made.

    Raises:
        LedgerUnusable: it cannot be read.
    """
    place.need()
    kind = "postgresql" if "://" in place.name else "directory"
    empty = Overview(place.name, kind, LEDGER_FORMAT)
    if not place.is_there:
        return empty
    with place.read(TURN_SECONDS) as opened:
        rows = SealedRows(opened)
        view = View(rows)
        first = next(series.read(rows, series.ALL), None)
        last = next(series.read_back(rows, series.ALL), None)
        oldest = view.find(first.id) if first else None
        gap = view.fact(GAP)
        lacks = Gap(**gap) if gap else None
        found = empty._replace(
            records=view.count(),
            open=len(view.list_open()),
            archived=series.count(rows, series.ARCHIVED),
            oldest=oldest.created_at if oldest else None,
            newest=last[1].latest if last else None,
            announcements=len(rows.list(f"{NEWS}:")),
            lacks_since=lacks.lost_since if lacks else None,
            lacks_until=lacks.lost_until if lacks else None,
            archives=tuple(each.path for each in list_archives(view)),
        )
    return found._replace(bytes=place.count_bytes())
