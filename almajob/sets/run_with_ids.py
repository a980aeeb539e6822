"""A run on a set that is made for it alone: make the set, start once, delete the set when all is certain.

The run key names all of it. The set's name is made from the key and the ids, so the same command finds the
same set again. Whatever is known is kept before the next step is taken: the work before the set is made, the
set's id before the start, and nothing is deleted before the end of the run was seen.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from almajob.alma.models import Job
from almajob.errors import (
    AlmajobError,
    JobEndedBadly,
    ParametersRefused,
    Refused,
    RunKeyTaken,
    UsageError,
)
from almajob.runs.parameters import set_check
from almajob.runs.parameters.parameters import SET_ID, Given, Parameters
from almajob.runs.run import Run
from almajob.runs.run_key import make_period_key, make_random_key, takes_tag
from almajob.runs.run_reference import SHORT_WAIT
from almajob.runs.run_service import Runs
from almajob.runs.start.interruption import report_interruption
from almajob.runs.start.plan import Plan
from almajob.runs.start_request import OwnSet, StartOptions
from almajob.sets import kept_work
from almajob.sets.forecast import count_calls, count_pages, refuse_costly
from almajob.sets.id_file import IdList
from almajob.sets.kept_work import ALWAYS, GOOD, NEVER, Work
from almajob.sets.making import (
    MOST_SIFTING_CALLS,
    MadeSet,
    SetDeps,
    delete_set,
    list_rejected,
    make_set,
)
from almajob.sets.plan import SetPlan
from almajob.store.ledger.ledger import Ledger
from almajob.store.ledger.record import Record, checksum
from almajob.system import clock as clocks
from almajob.system.atomic_write import new_file
from almajob.text import time_format

LOG = logging.getLogger(__name__)

_HOUR = 3600.0
_LONGEST_JOB_NAME = 40
_LONGEST_KEY = 30
_DOING = "To make the set"


@dataclass(frozen=True, slots=True)
class OwnSetOptions:
    """How the set of a run is made, and what becomes of it.

    Attributes:
        id_type: of the ids, as Alma names it; empty for its standard.
        skip_invalid: leave out ids that Alma does not know, instead of starting nothing.
        delete: when it is deleted: never, good or always.
        source: what people call the ids: the file's name.
        rejected: the path of a file for the ids that Alma refuses; empty for none.
    """

    id_type: str = ""
    skip_invalid: bool = False
    delete: str = NEVER
    source: str = ""
    rejected: str = ""


@dataclass(frozen=True, slots=True)
class Workshop:
    """With what a run on ids is made.

    Attributes:
        runs: of the environment.
        ledger: what is known of them.
        sets: with what sets are made and deleted.
        environment: its name, which is in the run key of a period.
        identity: of the Alma that is called.
        calls_left: returns how many calls Alma takes today; None where nobody knows.
    """

    runs: Runs
    ledger: Ledger
    sets: Callable[[], SetDeps]
    environment: str
    identity: str
    calls_left: Callable[[], int | None] = lambda: None


@dataclass(frozen=True, slots=True)
class IdsPlan:
    """What a start on ids will do.

    Attributes:
        start: of the job.
        work: the set, by its name, and the run key.
        calls: that making the set takes, at most; 0 where it is made, or nothing will be started.
    """

    start: Plan
    work: Work
    calls: int

    def describe_set(self) -> str:
        """Return which set is worked on, and whether it is there, for people."""
        work = self.work
        if work.set_id:
            return f"{work.set_name} ({work.set_id}), {work.members} members"
        return f"{work.set_name}, to be made of {work.members} ids"


def _count_calls(ids: IdList, own: OwnSetOptions) -> int:
    """Return how many calls it takes, at most, to make a set of ids."""
    rejected = 0
    if own.rejected and own.skip_invalid:
        rejected = MOST_SIFTING_CALLS if own.id_type else count_pages(ids.count)
    return count_calls(ids.count) + rejected


def name_set(job: Job, run_key: str, digest: str) -> str:
    """Name the set of a run: always the same for the same key and ids, with signs that Alma can seek."""
    which = hashlib.sha256(f"{job.id}\0{run_key}\0{digest}".encode()).hexdigest()[:10]
    parts = ("almajob", _plain(job.name)[:_LONGEST_JOB_NAME], _plain(run_key)[:_LONGEST_KEY], which)
    return " ".join(filter(None, (part.strip() for part in parts)))


def start_on_ids(
    job: str,
    parameters: Parameters | Sequence[Any],
    options: StartOptions,
    ids: IdList,
    own: OwnSetOptions,
    shop: Workshop,
    *,
    confirm: Callable[[str], str] | None = None,
    **others: Any,
) -> Run:
    """Make a set of ids and start a job on it, once; or go on where the same command stopped.

    Args:
        job: its exact name, or its id; may be empty where the payload names it.
        parameters: without the set.
        ids: of the members.
        confirm: as for ``Runs.start``, but asked before the set is made.
        others: what ``Runs.start`` takes besides.

    Raises:
        OutcomeUnknown: it is unknown whether the job was started, or what became of the set.
        AlmajobError: nothing was started.
    """
    given, found = _read_given(job, parameters, options, shop)
    work = _find_work(found, given, options, ids, own, shop)
    options = _fit_options(options, work, ids)
    has_run = shop.runs.has_key(work.run_key)
    if has_run:
        _refuse_other_ids(work, ids)
    else:
        to_come = _with_set(given, set_check.TO_COME, own)
        options, content = shop.runs.prepare(job, to_come, options, confirm=confirm)
        work = _make(work, found, content, ids, own, shop)
    members = work.members if work.set_id else None
    options = replace(options, own_set=options.own_set and options.own_set._replace(members=members))
    given = _with_set(given, work.set_id or set_check.TO_COME, own)
    run = shop.runs.start(job, given, options, confirm=confirm, **others)
    if has_run and work.set_id:
        # What this command says of the set counts now.
        _keep(work, shop)
    return run


def plan_on_ids(
    job: str,
    parameters: Parameters | Sequence[Any],
    options: StartOptions,
    ids: IdList,
    own: OwnSetOptions,
    shop: Workshop,
) -> IdsPlan:
    """Return what ``start_on_ids`` would do now, and send nothing.

    Raises:
        AlmajobError: it would be refused.
    """
    given, found = _read_given(job, parameters, options, shop)
    work = _find_work(found, given, options, ids, own, shop, is_dry_run=True)
    options = _fit_options(options, work, ids)
    has_run = shop.runs.has_key(work.run_key)
    if has_run:
        _refuse_other_ids(work, ids)
    given = _with_set(given, work.set_id if has_run and work.set_id else set_check.TO_COME, own)
    plan = shop.runs.plan(job, given, options)
    calls = 0 if has_run or work.set_id else _count_calls(ids, own)
    refuse_costly(calls, shop.calls_left(), _DOING)
    return IdsPlan(plan, work, calls)


def settle_set(run: Run, shop: Workshop) -> None:
    """Delete the set of a run whose end was seen, if that was asked for; no failure here is one of the run.

    It is kept where anything is in doubt: the end, or another start on the same set.

    Args:
        run: as it was followed or looked at, with its verdict.
    """
    if not run.instance.has_ended:
        return
    try:
        record, work = _find_owed(run, shop)
    except AlmajobError as error:
        LOG.debug("It is not known whether the run has a set of its own: %s", error.message)
        return
    if record is None or work is None:
        return
    try:
        if not _is_due(work, run) or not _is_last(record, shop):
            LOG.info("The set %s (%s) is kept.", work.set_name, work.set_id)
            return
        delete_set(MadeSet(work.set_id, work.set_name, work.members), shop.sets())
        LOG.info("The set %s (%s) was deleted.", work.set_name, work.set_id)
        kept_work.keep_work(shop.ledger, shop.identity, work.replace(is_settled=True))
    except AlmajobError as error:
        LOG.warning(
            "The set %s (%s) may still be there: %s The same command tries to delete it again.",
            *(work.set_name, work.set_id, error.message),
        )


def describe_owed(run: Run, shop: Workshop) -> str:
    """Return what becomes of the set of a run that goes on, for people; empty where nothing does."""
    _record, work = _find_owed(run, shop)
    if work is None or run.instance.has_ended:
        return ""
    when = "has ended well" if work.delete == GOOD else "has ended"
    return f"The set {work.set_name} is deleted by the command that waits for the run, once it {when}."


def _find_owed(run: Run, shop: Workshop) -> tuple[Record | None, Work | None]:
    """Return the record of a run and its work, where its set may have to be deleted yet."""
    record = run.record or _find_record(run, shop)
    if record is None:
        return None, None
    work = kept_work.find_work(shop.ledger, shop.identity, record.run_key, wait=SHORT_WAIT)
    return record, (work if work is not None and work.is_owed else None)


def _plain(text: str) -> str:
    """Return a text with blanks in place of what Alma may not find a set by."""
    return " ".join(re.sub(r"[^\w-]+", " ", text).split())


def _read_given(
    job: str, parameters: Parameters | Sequence[Any], options: StartOptions, shop: Workshop
) -> tuple[Parameters, Job]:
    given = parameters if isinstance(parameters, Parameters) else Parameters.of(parameters)
    if given.get(SET_ID) is not None or options.set_name:
        raise UsageError("The ids and the parameters both name a set.", hint="Keep one of them.")
    if not (job or given.job_id):
        raise UsageError("Which job?", hint="Name it by its name or id: almajob list shows both.")
    found = shop.runs.find_job(job or given.job_id)
    # Of a job that only the ledger knows, as Alma is down, the type is not known.
    if found.type.value and not takes_tag(found):
        raise ParametersRefused(
            f"{found.name!r} is not a manual job, and takes no set; nothing was sent.",
            hint="Leave --ids out, or name a manual job: almajob list --type manual",
        )
    return given, found


def _with_set(given: Parameters, set_id: str, own: OwnSetOptions) -> Parameters:
    return given.override([Given(SET_ID, set_id, f"--ids {own.source}".strip())])


def _fit_options(options: StartOptions, work: Work, ids: IdList) -> StartOptions:
    own = OwnSet(work.set_name, ids.count)
    return replace(options, run_key=work.run_key, once_per="", own_set=own)


def _find_work(
    job: Job,
    given: Parameters,
    options: StartOptions,
    ids: IdList,
    own: OwnSetOptions,
    shop: Workshop,
    *,
    is_dry_run: bool = False,
) -> Work:
    """Find the work that a command is already, or name a new one."""
    if not ids.count:
        raise Refused("There is no id to make a set of; nothing was sent.", reason=f"From: {own.source}.")
    meant = checksum([job.id, given.canonical, ids.digest, own.id_type])
    run_key = options.run_key or _choose_key(job, meant, options, shop, is_dry_run=is_dry_run)
    kept = kept_work.find_work(shop.ledger, shop.identity, run_key)
    if kept is None or (kept.digest != ids.digest and not shop.runs.has_key(run_key)):
        kept = Work(run_key, ids.digest, name_set(job, run_key, ids.digest), ids.count)
    return kept.replace(delete=own.delete)


def _choose_key(job: Job, meant: str, options: StartOptions, shop: Workshop, *, is_dry_run: bool) -> str:
    """Choose the key of a command without one: its period's, that of its unfinished work, or a new one."""
    at = clocks.system().now() if options.requested_at is None else options.requested_at
    now = time_format.to_local(at)
    if options.once_per:
        return make_period_key(options.once_per, shop.environment, job.id, meant, now)
    kept = kept_work.find_key(shop.ledger, shop.identity, meant)
    if kept and _is_unfinished(kept, shop):
        LOG.info("Going on with the run key %s.", kept)
        return kept
    run_key = make_random_key(job.id, now)
    if not is_dry_run:
        kept_work.keep_key(shop.ledger, shop.identity, meant, run_key)
    return run_key


def _is_unfinished(run_key: str, shop: Workshop) -> bool:
    """Whether the work of a key was cut short, so that the same command without a key goes on with it.

    As for any run without a key, that is so for an hour after its last step; and as long as its start is in
    doubt, or its set waits for an end that nobody has seen.
    """
    work = kept_work.find_work(shop.ledger, shop.identity, run_key)
    records = shop.runs.records_of_key(run_key)
    last, now = (records[-1] if records else None), clocks.system().now()
    if last is None or last.is_retry_safe:
        return work is not None and abs(now - work.at) < _HOUR
    if last.is_open or (work is not None and work.is_owed and not last.end_status):
        return True
    return not last.is_told and abs(now - last.trail[-1].at) < _HOUR


def _make(work: Work, job: Job, content: str, ids: IdList, own: OwnSetOptions, shop: Workshop) -> Work:
    """Make the set, or the rest of it, and keep which it is.

    Raises:
        AlmajobError: it is not there, or not as it should be; nothing was started.
    """
    if not work.set_id:
        refuse_costly(_count_calls(ids, own), shop.calls_left(), _DOING)
    _keep(work, shop)
    plan = SetPlan(
        name=work.set_name,
        content=content,
        id_type=own.id_type,
        description=f"Made by almajob for the run {work.run_key} of {job.name}",
        is_public=True,
        skip_invalid=own.skip_invalid,
        source=ids.digest,
        count=ids.count,
        run_key=work.run_key,
        finds_refused=_sifts(own),
    )
    with report_interruption(lambda: _word_interruption(work)):
        made = make_set(plan, ids, shop.sets())
        if own.rejected:
            _write_rejected(own.rejected, ids, own, made, shop)
        expected = ids.count - made.rejected if own.skip_invalid else ids.count
        if made.count != expected or not made.count:
            _refuse_count(made.id, work, made.count, expected)
        work = work.replace(set_id=made.id, members=made.count)
        _keep(work, shop)
    return work


def _sifts(own: OwnSetOptions) -> bool:
    """Whether the ids that Alma refuses are found as the set is filled; ids of Alma itself are afterwards."""
    return bool(own.rejected and own.id_type and own.skip_invalid)


def _write_rejected(path: str, ids: IdList, own: OwnSetOptions, made: MadeSet, shop: Workshop) -> None:
    """Write the ids that are not in the set to a file, one a line; an empty one where all are."""
    found = made.refused if own.id_type else list_rejected(ids, made, shop.sets())
    count = 0
    try:
        with new_file(Path(path), overwrite=True) as file:
            for each in found if made.rejected else ():
                file.write(f"{each}\n".encode())
                count += 1
    except OSError as error:
        raise Refused(
            f"{path} cannot be written; nothing was started.", reason=f"{error.strerror}."
        ) from None
    if made.rejected:
        LOG.warning("Alma did not take %s of the ids; %s of them are in %s.", made.rejected, count, path)
    if made.rejected > count:
        LOG.warning(
            "Which the others are is not known: they name a record that is in the set already, were sent by "
            "a command without --rejected, or are more than %s calls can find.",
            MOST_SIFTING_CALLS,
        )


def _keep(work: Work, shop: Workshop) -> None:
    kept_work.keep_work(shop.ledger, shop.identity, work.replace(at=clocks.system().now()))


def _word_interruption(work: Work) -> str:
    return (
        f"The job was not started: the set {work.set_name} is not ready. The same command goes on where it "
        f"stopped; its run key is {work.run_key}."
    )


def _refuse_count(set_id: str, work: Work, count: int, expected: int) -> None:
    if not count and not expected:
        raise Refused(
            "Alma knows none of the ids; the job was not started.",
            reason=f"The set {work.set_name} ({set_id}) is empty.",
            hint="--id-type says what the ids are.",
        )
    raise Refused(
        f"The set {work.set_name} ({set_id}) has {count} members, not {expected}; the job was not started.",
        reason="Two ids may be of one record, or somebody has changed the set.",
        hint="Look at it in Alma, Admin > Manage Sets. Once it is as you want it: almajob run JOB --param "
        f"set_id={set_id}",
    )


def _refuse_other_ids(work: Work, ids: IdList) -> None:
    """Refuse a run key that stands for a start on other ids.

    Raises:
        RunKeyTaken: it does.
    """
    if work.digest != ids.digest:
        raise RunKeyTaken(
            f"The run key {work.run_key!r} was used with other ids.",
            reason="A run key belongs to one start: one job, on one set.",
            hint="Choose another key, or give the same file of ids again.",
        )


def _find_record(run: Run, shop: Workshop) -> Record | None:
    """Return the record of a run that was started from here; None where there is none."""
    with shop.ledger.read(wait=SHORT_WAIT) as view:
        found = view.list_claims([run.instance.id])
    return next((record for record in found if record.environment == run.environment), None)


def _is_due(work: Work, run: Run) -> bool:
    """Whether a run has ended so that its set is to be deleted."""
    return run.verdict is None or (work.delete == ALWAYS and isinstance(run.verdict, JobEndedBadly))


def _is_last(record: Record, shop: Workshop) -> bool:
    """Whether no other start works on the set, or may do so."""
    if record.is_attached or len(record.candidates) > 1:
        return False
    others = [each for each in shop.runs.records_of_key(record.run_key) if each.id != record.id]
    return all(each.is_retry_safe or (each.end_status and each.attempt < record.attempt) for each in others)
