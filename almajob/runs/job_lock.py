"""The names of the locks of a job and of a run key; the ledger's place has the locks."""

from __future__ import annotations

from almajob.store.ledger.record import alma_of

LOCK_WAIT = 60.0
"""Seconds to wait for another process that starts the same job, where nobody says otherwise."""


def name_key_locks(environment: str, identity: str, run_key: str) -> list[str]:
    """Name the locks of a run key, as ``name_job_locks`` those of a job."""
    return sorted(f"key:{where}:{run_key}" for where in {environment, alma_of(identity)})


def name_job_locks(environment: str, identity: str, job_id: str) -> list[str]:
    """Name the locks of a job, in the order in which everybody takes them.

    Both by the section of the ini and by the Alma that it leads to: another section may lead to the same one,
    and a section's key may be exchanged.
    """
    return sorted({f"{environment}:{job_id}", f"{alma_of(identity)}:{job_id}"})
