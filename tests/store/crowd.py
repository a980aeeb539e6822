"""One of many processes that write to one ledger; imports little, as each of them does so."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from almajob.store.ledger import Ledger
from almajob.store.ledger_record import Record, State


def write_many(directory: Path, like: Record, number: int, times: int) -> None:
    """Write what some starts write, each from PREPARED to STARTED.

    Args:
        directory: the ledger's.
        like: what the records are made of.
        number: of this process, which tells its records from those of the others.
        times: how many starts.
    """
    ledger = Ledger(directory)
    for start in range(times):
        name = f"{number}-{start}"
        record = replace(like, id=name, run_key=name, job_id=f"S{number}")
        ledger.write(record)
        record = record.advance(State.SENDING, time.time(), "x")
        ledger.write(record)
        ledger.write(record.advance(State.STARTED, time.time(), "x", instance_id="7"))
