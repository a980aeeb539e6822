"""What the ledger says of a run before it is started: it was started already, or cannot be started so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from almajob.errors import Refused
from almajob.runs.slots import HOUR
from almajob.store.ledger import Wanted
from almajob.store.record import Record
from almajob.store.rows import RowKey, key_hash


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


def is_here(record: Record, institution: str, identity: str) -> bool | None:
    """Whether a record is of the Alma that is called now; None where that cannot be told.

    Two inis may give two institutions the same name, and many jobs have the same id everywhere.

    Args:
        record: of an environment of that name.
        institution: its code, where the key may ask for it.
        identity: of its address and key.
    """
    if record.institution and institution:
        return record.institution == institution
    return True if record.identity == identity else None


def of_here(draft: Record, records: Iterable[Record]) -> list[Record]:
    """Leave out the records that are certainly of another institution."""
    return [record for record in records if is_here(record, draft.institution, draft.identity) is not False]


def refuse_elsewhere(record: Record, institution: str, identity: str) -> None:
    """Refuse to ask one Alma about a start that was perhaps made in another.

    Raises:
        Refused: the record is of another institution, or may be.
    """
    here = is_here(record, institution, identity)
    if not here:
        other = f"the institution {record.institution}" if here is False else "perhaps another institution"
        raise Refused(
            f"The start {record.id} of {record.job_name!r} cannot be looked for with this key.",
            why=f"It was made with another key of [{record.environment}], in {other}.",
            cure="Use the ini with which it was started. If you know what became of it:\n"
            f"almajob --env {record.environment} runs resolve {record.id} --not-started",
        )


def of_same_key(draft: Record, records: Iterable[Record]) -> list[Record]:
    """Give the records of the same run key."""
    return [record for record in records if record.run_key == draft.run_key]


def is_same_start(one: Record, other: Record) -> bool:
    """Whether two records mean the same job with the same parameters."""
    return (one.environment, one.job_id, one.parameters) == (
        other.environment,
        other.job_id,
        other.parameters,
    )


def is_this_run(draft: Record, record: Record) -> bool:
    """Whether the same command has made a record: its key is the same, or neither was given one."""
    if draft.is_named or record.is_named:
        return draft.run_key == record.run_key
    return is_same_start(draft, record)


def refuse_other_use(draft: Record, records: Iterable[Record]) -> None:
    """Refuse a run key that stands for something else.

    Raises:
        Refused: it does.
    """
    for record in of_same_key(draft, records):
        if not record.is_retry_safe and not is_same_start(draft, record):
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
