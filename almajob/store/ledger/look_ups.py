"""Short lists of records by what they are looked up by: a run key, a run of Alma's, being open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from almajob.store.errors import Damaged
from almajob.store.ledger.record import Record, checksum
from almajob.store.ledger.run_key_forms import shared_form
from almajob.store.ledger.sealed_rows import SealedRows

OPEN = "open"
"""Of those whose outcome is still to be found out."""


def name_look_ups(record: Record) -> frozenset[str]:
    """Name the lists in which a record stands, as it is."""
    names = {of_key(record.run_key), *(of_candidate(each.id) for each in record.candidates)}
    if record.is_open:
        names |= {OPEN, open_of_job(record.job_id)}
    if record.instance_id:
        names.add(of_instance(record.instance_id))
    return frozenset(names)


def of_key(run_key: str) -> str:
    """Name the list of a run key's records, in whatever form it was given."""
    return f"key {shared_form(run_key)}"


def open_of_job(job_id: str) -> str:
    """Name the list of a job's open records, in whatever Alma: ids are alike in many."""
    return f"open of job {job_id}"


def of_instance(instance_id: str) -> str:
    """Name the list of the records whose run an instance is: one, but for those that were attached to it."""
    return f"instance {instance_id}"


def of_candidate(instance_id: str) -> str:
    """Name the list of the records whose run an instance may be."""
    return f"candidate {instance_id}"


def name_row(name: str) -> str:
    """Return the key of a list's row, for who reads several rows at once."""
    return f"ids:{checksum(name)[:20]}"


def read(rows: SealedRows, names: Iterable[str]) -> list[str]:
    """Return the ids of the records in any of these lists, each once."""
    found = map(_check, rows.get(map(name_row, names)).values())
    return list(dict.fromkeys(record_id for ids in found for record_id in ids))


def change(rows: SealedRows, record_id: str, before: frozenset[str], after: frozenset[str]) -> None:
    """Take a record out of lists and put it into others.

    Args:
        before: the lists in which it stands.
        after: those in which it is to stand.
    """
    names = sorted(before ^ after)
    rows.get(map(name_row, names))
    for name in names:
        ids = [each for each in read(rows, [name]) if each != record_id]
        # An empty list stays: most jobs have an open record again with their next start.
        rows.put({name_row(name): [*ids, record_id] if name in after else ids})


def extend(rows: SealedRows, added: Mapping[str, Iterable[str]]) -> None:
    """Put records into lists in which they do not stand yet.

    Args:
        added: the ids for each list.
    """
    rows.get(map(name_row, added))
    for name, ids in added.items():
        rows.put({name_row(name): [*read(rows, [name]), *ids]})


def _check(raw: Any) -> list[str]:
    if not isinstance(raw, list) or not all(isinstance(each, str) for each in raw):
        raise Damaged("a row is not as it was written")
    return raw
