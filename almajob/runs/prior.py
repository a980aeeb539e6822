"""What the ledger says of a run before it is started: it was started already, or cannot be started so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from almajob.errors import Refused
from almajob.runs.slots import HOUR
from almajob.store.ledger import RowKey, Wanted, key_hash
from almajob.store.record import Record, State


def rows_for(draft: Record, now: float) -> Wanted:
    """Say which rows of the ledger matter to a start: its key's, its job's, and all of the last day."""
    hashed = key_hash(draft.run_key)

    def wanted(row: RowKey) -> bool:
        return row.environment == draft.environment and (
            row.key_hash == hashed
            or (row.job_id == draft.job_id and row.is_open)
            or row.created > (now - 24 * HOUR) * 1000
        )

    return wanted


def of_same_key(draft: Record, records: Iterable[Record]) -> list[Record]:
    """Give the records of the same run key."""
    return [record for record in records if record.run_key == draft.run_key]


def is_same_start(one: Record, other: Record) -> bool:
    """Whether two records mean the same job with the same parameters in the same institution.

    A key that may not ask for its institution has none; that is no other one.
    """
    institutions = {one.institution, other.institution} - {""}
    return (
        len(institutions) < 2
        and (one.environment, one.job_id) == (other.environment, other.job_id)
        and one.parameters == other.parameters
    )


def refuse_other_use(draft: Record, records: Iterable[Record]) -> None:
    """Refuse a run key that stands for something else.

    Raises:
        Refused: it does.
    """
    for record in of_same_key(draft, records):
        if record.state is not State.NOT_STARTED and not is_same_start(draft, record):
            what = (
                f"with other parameters for {record.job_name!r}"
                if record.job_id == draft.job_id
                else f"for {record.job_name!r} ({record.job_id})"
            )
            raise Refused(
                f"The run key {draft.run_key!r} was used {what}.",
                why="A run key stands for one start: one job, with one set of parameters.",
                cure=f"Choose another key; almajob runs show {record.id} shows that run.",
            )


def open_of_job(draft: Record, records: Iterable[Record]) -> list[Record]:
    """Give the job's starts whose outcome is unknown, whatever their key."""
    return [record for record in records if record.is_open and record.job_id == draft.job_id]


def same_run(
    draft: Record, records: Sequence[Record], now: float, is_busy: Callable[[str], bool]
) -> Record | None:
    """Find the run that this command already is, so that nothing is started.

    A command that names its run is that run, however long ago. One that does not is an earlier one only if
    that was cut short within the last hour, before it could say what it had started.

    Args:
        draft: the start that is meant.
        records: what the ledger has.
        now: seconds since the epoch.
        is_busy: whether a process that lives is still busy with the record of an id.
    """
    found = [record for record in records if record.has_run and is_same_start(draft, record)]
    if draft.is_named:
        return max(of_same_key(draft, found), key=lambda record: record.attempt, default=None)
    cut_short = [
        record
        for record in found
        if not record.is_named
        and not record.is_told
        and abs(now - record.created) < HOUR
        and not is_busy(record.id)
    ]
    return cut_short[-1] if cut_short else None
