"""One of many processes that write to one ledger; imports little, as each of them does so."""

from __future__ import annotations

import time
from dataclasses import replace

from almajob.store.ledger.record import Record, State
from tests.support.places import Home


def write_many(home: Home, like: Record, number: int, times: int) -> None:
    """Write what some starts write, each from PREPARED to STARTED.

    Args:
        home: the ledger's.
        like: what the records are made of.
        number: of this process, which tells its records from those of the others.
        times: how many starts.
    """
    ledger = home.open_ledger()
    for start in range(times):
        name = f"{number}-{start}"
        record = replace(like, id=name, run_key=name, job_id=f"S{number}")
        ledger.write(record)
        record = record.advance(State.SENDING, time.time(), "x")
        ledger.write(record)
        ledger.write(record.advance(State.STARTED, time.time(), "x", instance_id=name))
