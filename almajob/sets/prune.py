"""Delete old sets that almajob has made and that nothing needs any more.

Each is looked at twice: before a person is asked, and directly before it is deleted, while no other process
can work on it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from almajob.alma.sets import Set
from almajob.errors import AlmajobError, AlmaRefused, Refused
from almajob.sets.kept_work import find_work
from almajob.sets.made_sets import DELETED, MakingRecord, list_made_sets
from almajob.sets.making import delete_made_set, find_made_set, note_gone
from almajob.sets.run_with_ids import Workshop
from almajob.store.ledger.place import LedgerUnusable
from almajob.text.sanitize import sanitize

LOG = logging.getLogger(__name__)


class OldSet(NamedTuple):
    """A set that nothing needs any more.

    Attributes:
        record: what is known of its making.
        found: the set as Alma has it.
    """

    record: MakingRecord
    found: Set


class Needed(Refused):
    """A set is not deleted, as something or somebody may need it; the message is the reason."""


def find_old_sets(
    before: float, shop: Workshop, *, also_lasting: bool = False, is_dry_run: bool = False
) -> list[OldSet]:
    """Find the sets that were last needed before a time; say why others are kept, and note which are gone.

    Args:
        before: in seconds since the epoch.
        also_lasting: those that were made to stay, too, and for no run.
        is_dry_run: note nothing.

    Raises:
        AlmajobError: Alma or the ledger cannot be asked.
    """
    deps, old, done = shop.sets(), list[OldSet](), 0
    made = [
        record
        for record in list_made_sets(shop.ledger, shop.identity)
        if record.state != DELETED and record.made_at < before and (record.run_key or also_lasting)
    ]
    with deps.busy(lambda: f"Looking at the sets that almajob has made: {done:,} of {len(made):,}"):
        for record in made:
            done += 1
            try:
                found = _look(record, before, shop)
            except Needed as needed:
                LOG.info("The set %s is kept: %s", sanitize(record.name), needed.message)
                continue
            if found is not None:
                old.append(OldSet(record, found))
            elif not is_dry_run:
                note_gone(record, deps)
    return old


def delete_old_sets(
    old: Sequence[OldSet], before: float, shop: Workshop, problems: list[AlmajobError]
) -> Iterator[OldSet]:
    """Delete sets that were found to be old, if they are so still; return each that was deleted.

    Args:
        problems: gets why a set was not deleted. What concerns more than one set ends the work.
    """
    for each in old:
        shown = f"{sanitize(each.found.name)} ({each.found.id})"
        try:
            is_deleted = delete_made_set(
                each.record.name, lambda record: _look(record, before, shop), shop.sets()
            )
        except AlmajobError as error:
            problems.append(error)
            if isinstance(error, LedgerUnusable) or not isinstance(error, Refused | AlmaRefused):
                return
            LOG.warning("The set %s is kept: %s", shown, error.message)
        else:
            if is_deleted:
                LOG.info("Deleted the set %s.", shown)
                yield each


def _look(record: MakingRecord, before: float, shop: Workshop) -> Set | None:
    """Return a set that nothing needs any more; None where it is gone.

    Raises:
        Needed: it may be needed.
    """
    if record.run_key:
        _refuse_needed(record, before, shop)
    found = find_made_set(record, shop.sets())
    if found is not None and (found.name != record.name or record.mark not in found.description):
        raise Needed("somebody has changed its name or description.")
    return found


def _refuse_needed(record: MakingRecord, before: float, shop: Workshop) -> None:
    """Refuse a set whose run has not ended for certain, was started lately, or is to delete it.

    Raises:
        Needed: that is so.
    """
    key = record.run_key
    work = find_work(shop.ledger, shop.identity, key)
    runs = shop.runs.records_of_key(key)
    if any(run.trail[-1].at >= before for run in runs) or (work is not None and work.at >= before):
        raise Needed(f"its run {key} was asked for since then.")
    for run in runs:
        if run.is_retry_safe or (run.has_run and run.end_status):
            continue
        if not run.has_run:
            raise Needed(f"it is unknown whether its run {key} was started.")
        if not _has_ended(run.instance_id, shop):
            raise Needed(f"Alma does not show that its run {run.instance_id} has ended.")
    if work is not None and work.is_owed and work.set_id == record.set_id:
        raise Needed(f"--delete-set {work.delete} of its run {key} still applies: almajob wait {key}")


def _has_ended(instance_id: str, shop: Workshop) -> bool:
    try:
        return shop.runs.look(instance_id).instance.has_ended
    except AlmaRefused:
        return False
