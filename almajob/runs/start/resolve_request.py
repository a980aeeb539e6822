"""From what was typed to a start request: which job is meant, with which parameters, under which run key."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from almajob.alma.models import Job, Parameter
from almajob.errors import AlmaError, CallsUsedUp, Refused, Unreachable, UsageError
from almajob.jobs.job_lookup import Catalogue, find_named, is_named
from almajob.runs.parameters import set_check
from almajob.runs.parameters.parameters import SET_ID, Given, Parameters
from almajob.runs.start.preflight import choose_key
from almajob.runs.start_request import Deps, StartOptions, StartRequest, Target
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import checksum
from almajob.text.redaction import is_shown_in

LOG = logging.getLogger(__name__)

# Records that are looked through for a job where Alma cannot be asked.
_REMEMBERED = 5000

_NO_ANSWER = (AlmaError, CallsUsedUp, Unreachable)


def make_request(
    job: str,
    parameters: Parameters | Sequence[Parameter],
    options: StartOptions,
    find: Callable[[str], Job],
    deps: Deps,
) -> StartRequest:
    """Make a start request of what was typed; a set that the options name is found here.

    Args:
        job: its name or id; may be empty where the payload names it.

    Raises:
        UsageError: nothing names a job.
        Refused: the payload is of another job or has a key in it, or there is no such job or set.
    """
    given = parameters if isinstance(parameters, Parameters) else Parameters.of(parameters)
    if not (job or given.job_id):
        raise UsageError(
            "Which job?",
            hint="Name it by its name or id (see almajob list), or in the first line of the payload:\n"
            "POST /almaws/v1/conf/jobs/M44?op=run",
        )
    _refuse_keys(given, options)
    found = find(job or given.job_id)
    _refuse_other_job(found, given, options, deps.target)
    if options.set_name:
        set_id = _find_set_id(options.set_name, deps)
        given = given.override([Given(SET_ID, set_id, f"--set {options.set_name}")])
    now = deps.clock.now() if options.requested_at is None else options.requested_at
    typed = "" if (job or given.job_id) in (found.id, found.name) else job or given.job_id
    if typed and (options.only_exact or not is_named(found, typed)):
        # It is the job of a profile today, or the older script took no such name: a person must agree.
        options = replace(options, is_confirmed=False)
    return choose_key(StartRequest(found, given, options, typed_job=typed), deps.target.environment, now)


def find_job(text: str, catalogue: Callable[[], Catalogue], ledger: Ledger, environment: str) -> Job:
    """Find a job; where Alma cannot be asked, as the ledger knows it."""
    try:
        return catalogue().find(text)
    except _NO_ANSWER as error:
        with ledger.read() as view:
            records = list(itertools.islice(view.read_back(environment=environment), _REMEMBERED))
        known = {record.job_id: Job(record.job_id, record.job_name) for record in reversed(records)}
        found = find_named(known.values(), text)
        if len(found) != 1:
            raise
        LOG.info("Alma cannot be asked for the job list: %s The ledger knows the job.", error.message)
        return found[0]


def _refuse_keys(parameters: Parameters, options: StartOptions) -> None:
    """Refuse what would put an API key into the ledger, which keeps run keys and payloads as they are.

    Raises:
        Refused: with the name of what has it.
    """
    texts = [(f"parameter {item.name}", f"{item.name}={item.value}") for item in parameters.given]
    for what, text in [("run key", options.run_key), *texts]:
        if is_shown_in(text):
            raise Refused(
                f"The {what} has an API key in it. Nothing was sent.",
                reason="The ledger and Alma would keep it.",
                hint="Put keys in the configuration file. If others may have seen this one, make a new one.",
            )


def _refuse_other_job(found: Job, parameters: Parameters, options: StartOptions, target: Target) -> None:
    """Refuse a payload of another job than the one that was named, and an id that is another job's now.

    Raises:
        Refused: with both ids, or both names.
    """
    if parameters.job_id not in ("", found.id):
        raise Refused(
            f"The payload is of the job {parameters.job_id}, and {found.name!r} is {found.id} in "
            f"{target.environment}; nothing was sent.",
            reason=f"That id is from {parameters.job_source}.",
            hint="Correct --job, or take the payload of this job; ids differ between environments.",
        )
    if options.job_name not in ("", found.name):
        raise Refused(
            f"{found.id} is not the job that was saved; nothing was sent.",
            reason=f"It was {options.job_name!r}; Alma calls it {found.name!r} now.",
            hint=f"{target.program} list --refresh shows today's ids; then save the run again.",
        )


def _find_set_id(name: str, deps: Deps) -> str:
    """Find the id of a set by its name; where Alma cannot be asked, as it was found last.

    A start whose answer was lost must be found again also then; nothing is sent without the set.
    """
    fact = f"set:{deps.target.environment}:{checksum(name)[:16]}"
    try:
        found = set_check.find(deps.alma, name).id
    except _NO_ANSWER as error:
        kept = _read_fact(deps.ledger, fact)
        if not isinstance(kept, str):
            raise
        LOG.info("Alma cannot be asked for the set: %s The ledger knows it.", error.message)
        return kept
    if _read_fact(deps.ledger, fact) != found:
        deps.ledger.keep_fact(fact, found)
    return found


def _read_fact(ledger: Ledger, name: str) -> Any:
    with ledger.read() as view:
        return view.fact(name)
