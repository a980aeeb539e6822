"""Ledgers in directories of tests, and all that is in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from almajob.store.directory.directory_place import DirectoryPlace
from almajob.store.ledger.announcements import Announcer
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import Record


def open_ledger(directory: Path, announcer: Announcer | None = None) -> Ledger:
    """Return the ledger of a directory, which need not be there yet."""
    return Ledger(DirectoryPlace(directory), announcer)


def write_steps(ledger: Ledger, record: Record) -> Record:
    """Write a record as a process does that takes its steps one by one; returns it."""
    for count in range(1, len(record.trail)):
        ledger.write(replace(record, trail=record.trail[:count], instance_id=""))
    ledger.write(record)
    return record


def list_records(ledger: Ledger) -> list[Record]:
    """Return all records, the oldest first."""
    with ledger.read() as view:
        return sorted(view.read_back(), key=lambda record: (record.created_at, record.id))


def list_open(ledger: Ledger) -> list[Record]:
    """Return the records without an outcome, the oldest first."""
    with ledger.read() as view:
        return view.list_open()


def read_fact(ledger: Ledger, name: str) -> Any:
    """Return a fact, or None."""
    with ledger.read() as view:
        return view.fact(name)


def directory_of(ledger: Ledger) -> Path:
    """Return the directory in which a ledger is kept."""
    assert isinstance(ledger.place, DirectoryPlace)
    return ledger.place.directory
