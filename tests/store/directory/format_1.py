"""Ledgers as almajobs wrote them in format 1, in which each row's key said what its record was."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from almajob.store.directory.directory_place import LEDGER
from almajob.store.diskcache_directory import open_directory
from almajob.store.ledger.record import Record, checksum


def write_ledger(
    directory: Path,
    records: Iterable[Record],
    facts: Mapping[str, Any] | None = None,
    news: Sequence[tuple[str, str, Any, int]] = (),
) -> Path:
    """Write a ledger, and return its directory.

    Args:
        news: what observers are still to be called with: event, observer, message and calls.
    """
    rows: dict[str, Any] = {key_of(record): record.to_json() for record in records}
    rows |= {_check("fact", name): fact for name, fact in (facts or {}).items()}
    for event, observer, *rest in news:
        rows[_check("fact", "news", checksum(observer)[:16], event)] = [event, observer, *rest]
    with open_directory(directory, LEDGER) as opened, opened.transact():
        opened.write_rows({key: {"value": row, "sum": checksum([key, row])} for key, row in rows.items()})
    return directory


def key_of(record: Record) -> str:
    """Return the key of a record's row."""
    group, made_at = "open" if record.is_open else "done", f"{round(record.created_at * 1000):013d}"
    key = checksum(record.run_key)[:16]
    return _check(group, made_at, record.environment, record.job_id, key, record.id)


def _check(*parts: str) -> str:
    text = ":".join(("1", *parts))
    return f"{text}:{zlib.crc32(text.encode()):08x}"
