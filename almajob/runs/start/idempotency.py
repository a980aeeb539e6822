"""What the ledger says of a run before it is started: it was started already, or cannot be started so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from almajob.errors import Refused, RunKeyTaken
from almajob.runs.start.start_limits import HOUR
from almajob.store.ledger.record import Record, alma_of
from almajob.store.ledger.run_key_forms import move_key
from almajob.store.ledger.view import View

# An ordinary start lists the job's runs since yesterday: up to two days of them, whose records must be there.
_READ_BACK = 72 * HOUR


def read_records(view: View, draft: Record, now: float) -> list[Record]:
    """Read what matters to a start: its key's records, the job's open ones, all of three days.

    Of every section of the ini: another one may lead to the same Alma, or have had another name.

    Returns:
        The oldest first.
    """
    found = view.list_of_key(draft.run_key)
    found += view.list_open(draft.job_id)
    found += view.list_since(now - _READ_BACK)
    by_id = {record.id: record for record in found}
    return sorted(by_id.values(), key=lambda record: (record.created_at, record.id))


def is_here(record: Record, called: Record) -> bool | None:
    """Whether a record is of the Alma that one is made for now; None where that cannot be told.

    Two inis may give two institutions the same name, and many jobs have the same id everywhere. An
    institution may be renamed, and a section of the ini, too: an equal address and key count for more.
    """
    if alma_of(record.identity) == alma_of(called.identity):
        return True
    if record.environment != called.environment or _are_of_two_kinds(record, called):
        return False
    if record.named_institution and called.named_institution:
        return record.named_institution.casefold() == called.named_institution.casefold()
    if record.institution and called.institution:
        is_same = record.institution.casefold() == called.institution.casefold()
        # Sandbox and production of an institution have one name; earlier records do not say which it was.
        return None if is_same and record.identity and not record.kind else is_same
    return None


def _are_of_two_kinds(one: Record, other: Record) -> bool:
    """Whether one is of a sandbox and the other of production, though their sections have one name."""
    return bool(one.kind and other.kind) and one.kind != other.kind


def drop_foreign(draft: Record, records: Iterable[Record]) -> list[Record]:
    """Leave out the records that are of another Alma.

    Raises:
        Refused: one that matters to this start may be of another, or not: a person decides.
    """
    found = []
    for record in records:
        here = is_here(record, draft)
        if here:
            found.append(record)
        elif _is_question(draft, record, here):
            refuse_elsewhere(record, draft)
    return found


def _is_question(draft: Record, record: Record, here: bool | None) -> bool:
    """Whether a record that is not certainly of this Alma keeps a start from being made."""
    if record.is_retry_safe or record.environment != draft.environment:
        return False
    if here is None:
        return (record.is_open and record.job_id == draft.job_id) or is_this_run(draft, record)
    # Institutions that differ by the ini's word are two; one that Alma names otherwise may be the same.
    is_apart = bool(record.named_institution and draft.named_institution)
    is_apart |= _are_of_two_kinds(record, draft)
    return not is_apart and draft.is_named and is_same_key(draft, record)


def refuse_elsewhere(record: Record, called: Record) -> None:
    """Refuse to ask one Alma about a start that was perhaps made in another.

    Raises:
        Refused: the record is of another institution, or may be.
    """
    here = is_here(record, called)
    if here:
        return
    before, now = (item.named_institution or item.institution for item in (record, called))
    other = "perhaps of another institution"
    if before and now and before.casefold() != now.casefold():
        other = f"in the institution {before}; now it leads to {now}"
    reason = f"That was with another key or address of [{record.environment}], {other}."
    if record.has_run:
        error = Refused(
            f"The run key {record.run_key!r} was used before, and it is unknown whether "
            f"{record.job_name!r} was started here; nothing was sent.",
            reason=reason,
            hint=f"To see that run: almajob runs show {record.id}\n"
            "To start the job here: the same command with another --run-key.\n"
            "For later starts: a line institution = NAME in the section of each ini keeps them apart.",
        )
    else:
        error = Refused(
            f"The start {record.id} of {record.job_name!r} cannot be looked for with this key.",
            reason=reason,
            hint="Use the configuration file with which it was started.\n"
            "Only if Monitor Jobs there does not show it: "
            f"almajob --env {record.environment} runs resolve {record.id} --not-started",
        )
    # Nor can it be told that nothing was started, where it is the same run that is asked for.
    raise error.replace(is_retry_safe=not is_this_run(called, record))


def is_same_key(one: Record, other: Record) -> bool:
    """Whether two records have the same run key; that of a period has the section's name in it."""
    return move_key(one.run_key, "") == move_key(other.run_key, "")


def select_same_key(draft: Record, records: Iterable[Record]) -> list[Record]:
    """Return the records of the same run key."""
    return [record for record in records if is_same_key(draft, record)]


def is_same_start(one: Record, other: Record) -> bool:
    """Whether two records of one Alma mean the same job with the same parameters."""
    return (one.job_id, one.parameters) == (other.job_id, other.parameters)


def is_this_run(draft: Record, record: Record) -> bool:
    """Whether the same command has made a record: its key is the same, or neither was given one."""
    if draft.is_named or record.is_named:
        return is_same_key(draft, record)
    # What became of a start may be found out long after it was meant: then that was cut short until now.
    is_cut_short = not record.is_told and abs(draft.created_at - record.trail[-1].at) < HOUR
    return is_same_start(draft, record) and (record.is_open or is_cut_short)


def refuse_other_use(draft: Record, records: Iterable[Record]) -> None:
    """Refuse a run key that stands for something else."""
    for record in select_same_key(draft, records):
        if not record.is_retry_safe and not is_same_start(draft, record):
            what = (
                f"with other parameters for {record.job_name!r}"
                if record.job_id == draft.job_id
                else f"for {record.job_name!r} ({record.job_id})"
            )
            raise RunKeyTaken(
                f"The run key {draft.run_key!r} was used {what}.",
                reason="A run key belongs to one start: one job, with one set of parameters.",
                hint=f"Choose another key; almajob runs show {record.id} shows that run.",
            )


def select_open(draft: Record, records: Iterable[Record]) -> list[Record]:
    """Return the job's starts whose outcome is unknown, whatever their key."""
    return [record for record in records if record.is_open and record.job_id == draft.job_id]


def match_run(draft: Record, records: Sequence[Record], is_busy: Callable[[str], bool]) -> Record | None:
    """Find the run that this command already is, so that nothing is started.

    A command that names its run is that run, however long ago. One that does not is an earlier one only if
    that was cut short within the last hour, before it could say what it had started.

    Args:
        is_busy: whether a process that lives is still busy with the record of an id.
    """
    found = [record for record in records if record.has_run and is_same_start(draft, record)]
    if draft.is_named:
        return max(select_same_key(draft, found), key=lambda record: record.attempt, default=None)
    cut_short = [record for record in found if is_this_run(draft, record) and not is_busy(record.id)]
    return cut_short[-1] if cut_short else None
