"""From what was typed to an intention: which job is meant, with which parameters, under which run key."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from almajob.alma.models import Job, Parameter
from almajob.errors import AlmaError, Unreachable, UsageError
from almajob.runs import sets
from almajob.runs.catalogue import Catalogue
from almajob.runs.guard import refuse_other_job
from almajob.runs.intention import Intention, Means, Place, StartOptions
from almajob.runs.parameters import SET_ID, Given, Parameters
from almajob.runs.prepare import with_key
from almajob.store.ledger import Ledger

LOG = logging.getLogger(__name__)


def intention(
    job: str,
    parameters: Parameters | Sequence[Parameter],
    options: StartOptions,
    find: Callable[[str], Job],
    place: Place,
    means: Means,
) -> Intention:
    """Make an intention of what was typed.

    Args:
        job: its name or id; may be empty where the payload names it.
        parameters: as they were given.
        options: how to go about it; a set that they name is found here.
        find: finds a job by its name or id.
        place: where it is to be started.
        means: with what.

    Raises:
        UsageError: nothing names a job.
        Refused: the payload is of another job, or there is no such job or set.
    """
    given = parameters if isinstance(parameters, Parameters) else Parameters.of(parameters)
    if not (job or given.job_id):
        raise UsageError(
            "Which job?",
            cure="Add --job NAME or ID; almajob list shows them. A payload can name it in its first line:\n"
            "POST /almaws/v1/conf/jobs/M44?op=run",
        )
    found = find(job or given.job_id)
    refuse_other_job(found, given, options, place)
    if options.set_name:
        set_id = sets.find(means.alma, options.set_name).id
        given = given.overridden([Given(SET_ID, set_id, f"--set {options.set_name}")])
    return with_key(Intention(found, given, options), place, means.clock.now())


def find_job(text: str, catalogue: Callable[[], Catalogue], ledger: Ledger, environment: str) -> Job:
    """Find a job; where Alma cannot be asked, as the ledger knows it."""
    try:
        return catalogue().find(text)
    except (Unreachable, AlmaError) as error:
        records = ledger.records(lambda row: row.environment == environment)
        found = {
            record.job_id: Job(record.job_id, record.job_name)
            for record in records
            if text in (record.job_id, record.job_name)
        }
        if len(found) != 1:
            raise
        LOG.info("Alma cannot be asked for the job list: %s The ledger knows the job.", error.what)
        return next(iter(found.values()))
