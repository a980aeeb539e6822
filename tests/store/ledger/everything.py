"""A ledger with all that one can hold, and all that a start asks of it."""

from __future__ import annotations

from typing import Any

from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import Candidate, Certainty, Record, State, Transition
from almajob.store.ledger.view import View
from tests.store.ledger.test_record import new
from tests.support.ledgers import write_steps

JOBS = ("S1", "S2")
COUNT = 36
"""Of the records of ``fill``: more than one row of a series has."""


def fill(ledger: Ledger, count: int = COUNT) -> list[Record]:
    """Write records of every state, and facts; returns the records, the oldest first."""
    made = []
    for number in range(count):
        record = new(
            id=f"r{number:03}",
            run_key=f"k{number // 2}",
            job_id=JOBS[number % 2],
            environment="production" if number % 5 == 0 else "sandbox",
            trail=(Transition(State.PREPARED, float(number), "x"),),
        )
        if number % 4:
            record = record.advance(State.SENDING, number + 0.5, "about to be sent", sent_at=float(number))
        if number % 4 == 1:
            record = record.advance(State.UNKNOWN, number + 0.6, "no answer")
            candidates = (Candidate(f"8{number}", "x", "", ""), Candidate("80", "x", "", ""))
            record = record.advance(State.AMBIGUOUS, number + 0.7, "two", candidates=candidates)
        elif number % 4:
            record = record.advance(
                *(State.STARTED, number + 0.7, "Alma named it"),
                instance_id=f"9{number}",
                certainty=Certainty.CONFIRMED,
            )
        made.append(write_steps(ledger, record))
    ledger.keep_fact("place:x", {"institution": "01X"})
    return made


def ask(view: View) -> list[Any]:
    """Ask what a start asks, of everything in the ledger."""
    return [
        [view.list_of_key(f"k{number}") for number in range(COUNT)],
        [view.list_open(job_id) for job_id in ("", *JOBS, "S3")],
        view.list_since(3.0),
        [view.list_of_job(job_id, 3.0) for job_id in JOBS],
        [view.list_claims([f"9{number}"]) for number in range(COUNT)],
        [view.list_of_instance(f"8{number}") for number in range(COUNT)],
        [view.knows(environment, job_id) for environment in ("sandbox", "production") for job_id in JOBS],
        [list(view.read_back(environment=environment)) for environment in ("", "sandbox", "production")],
        [view.find(f"r{number:03}") for number in range(COUNT)],
        [view.fact("place:x"), view.fact("place:y"), view.find_gap(99.0), view.count()],
    ]
