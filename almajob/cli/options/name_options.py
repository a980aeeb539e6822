"""Arguments that name jobs and runs, and options that choose jobs: the same words everywhere."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from almajob.cli.help_format import show_as_needed
from almajob.cli.options.value_types import non_empty, profile_id, run_id
from almajob.errors import UsageError
from almajob.system.terminal import chooser

if TYPE_CHECKING:
    from almajob.alma.models import Job
    from almajob.cli.context import Context
    from almajob.runs.run import Run
    from almajob.store.ledger.record import Record

_T = TypeVar("_T")
_MOST_CHOICES = 10
_JOB = "the job's exact name, or its id"
_RUN = "the run's Process ID, @last for the last run started from here, its run key, or its id in the ledger"
_SET = "the set's exact name, or its id"
_PROFILE = "the one job of this import or integration profile, instead of its name"
_SEVERAL = "; several may be named"


def add_job_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names one job, its older spelling and its profile; ``find_job`` reads them."""
    _add_one(parser, "JOB", "--job", dest="job", type=non_empty, help=_JOB)
    add_profile_option(parser)


def add_profile_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a job by its profile; ``name_job`` reads it."""
    parser.add_argument("--profile-id", metavar="ID", type=profile_id, help=_PROFILE)


def add_jobs_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names several jobs, and its older spelling; ``jobs_of`` reads them."""
    parser.add_argument("jobs", metavar="JOB", nargs="*", type=non_empty, default=[], help=_JOB + _SEVERAL)
    parser.add_argument("--job", metavar="JOB", type=non_empty, help="another way to name a job")


def add_set_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names one set, as ``set``."""
    parser.add_argument("set", metavar="SET", type=non_empty, help=_SET)


def add_run_argument(parser: argparse.ArgumentParser, *, is_needed: bool = True) -> None:
    """Add the argument that names one run, and its older spelling.

    ``process_id_of`` and ``record_of`` read them.
    """
    _add_one(parser, "RUN", "--id", dest="run_id", is_needed=is_needed, type=run_id, help=_RUN)


def add_runs_argument(parser: argparse.ArgumentParser, *, more: str = "", metavar: str = "RUN") -> None:
    """Add the argument that names several runs, and its older spelling; ``runs_of`` reads them."""
    both: dict[str, Any] = {"type": run_id, "action": "extend", "default": []}
    help_text = _RUN + more + _SEVERAL
    show_as_needed(parser.add_argument("run_ids", metavar=metavar, nargs="*", help=help_text, **both))
    parser.add_argument(
        "--id", dest="run_ids", metavar="RUN", nargs="+", help="another way to name runs", **both
    )


def add_runs_or_job_arguments(parser: argparse.ArgumentParser, of_job: str, *, job: str) -> None:
    """Add the arguments of ``add_runs_argument``, of which one may be a job; ``process_ids_of`` reads them.

    Args:
        of_job: which run of a job is meant.
        job: the help of ``--job``.
    """
    add_runs_argument(parser, more=f"; or a job (exact name or id), for {of_job}", metavar="RUN|JOB")
    parser.add_argument("--job", metavar="JOB", type=non_empty, help=job)


def _add_one(
    parser: argparse.ArgumentParser,
    word: str,
    option: str,
    *,
    dest: str,
    is_needed: bool = True,
    **given: Any,
) -> None:
    # Where the argument is not there it must not undo what the option says.
    argument = parser.add_argument(dest, metavar=word, nargs="?", default=argparse.SUPPRESS, **given)
    if is_needed:
        show_as_needed(argument)
    parser.add_argument(
        option, dest=dest, metavar=word, **{**given, "help": f"another way to name the {word.lower()}"}
    )


def find_job(
    parsed_args: argparse.Namespace, context: Context, find: Callable[[str], _T], *, may_ask: bool = True
) -> _T:
    """Find the job that ``add_job_argument`` names, with whatever finds one by its name or id.

    Where that finds none, or several, a person at a terminal may choose.

    Raises:
        UsageError: no job is named, or one by its profile and by its name.
        UnclearJob: there is none, or there are several.
    """
    if parsed_args.profile_id is not None:
        if parsed_args.job is not None:
            raise UsageError("--profile-id and JOB both name a job.", hint="Keep one of them.")
        return find(context.catalogue.of_profile(parsed_args.profile_id).id)
    if parsed_args.job is None:
        raise _no_job()
    return find_chosen(parsed_args.job, find, may_ask=may_ask)


def find_chosen(
    text: str,
    find: Callable[[str], _T],
    *,
    may_ask: bool = True,
    find_one: Callable[[str], _T] | None = None,
) -> _T:
    """Find a job by its name or id; where there is none, or several, let a person at a terminal choose.

    Args:
        find_one: finds the one that was chosen, where that is not to be done as for one that was named.

    Raises:
        UnclearJob: nobody can choose, or chooses none.
    """
    from almajob.jobs.job_lookup import UnclearJob

    try:
        return find(text)
    except UnclearJob as unclear:
        choose = chooser() if may_ask else None
        candidates = unclear.candidates[:_MOST_CHOICES]
        if choose is None or not candidates:
            raise
        # Where the names are the same, only the category tells jobs apart.
        is_same = len({job.name for job in candidates}) < len(candidates)
        shown = [
            f"{job.name!r} ({job.id}{f', {job.category.value}' if is_same else ''})" for job in candidates
        ]
        place = choose(f"{unclear.message} Which one do you mean?", shown)
        if place is None:
            raise
        return (find_one or find)(candidates[place].id)


def jobs_of(parsed_args: argparse.Namespace, *, may_be_none: bool = False) -> list[str]:
    """Read the arguments of ``add_jobs_argument``: each job once.

    Raises:
        UsageError: no job is named, or ``--job`` names another one.
    """
    jobs = list(dict.fromkeys(parsed_args.jobs))
    if parsed_args.job is None:
        if not (jobs or may_be_none):
            raise _no_job()
        return jobs
    other = next((job for job in jobs if job != parsed_args.job), None)
    if other is not None:
        raise UsageError(
            f"--job {parsed_args.job!r} and {other!r} are different jobs.",
            hint="Name all of them without --job, or only one.",
        )
    return [parsed_args.job]


def runs_of(parsed_args: argparse.Namespace) -> list[str]:
    """Read the arguments of ``add_runs_argument``: how each run is named, once.

    Raises:
        UsageError: no run is named.
    """
    if not parsed_args.run_ids:
        raise _no_run()
    refuse_stray_statuses(parsed_args, parsed_args.run_ids)
    return list(dict.fromkeys(parsed_args.run_ids))


def refuse_stray_statuses(parsed_args: argparse.Namespace, words: Sequence[str]) -> None:
    """Refuse a second status behind ``--accept``, where it would be taken for a name.

    Raises:
        UsageError: there is one.
    """
    from almajob.alma.status_codes import STATUSES

    stray = [word for word in words if word.upper() in STATUSES]
    if stray and getattr(parsed_args, "accept", None):
        raise UsageError(
            f"--accept takes one value, and {stray[0]} is another one.",
            hint=f"Separate statuses by commas: --accept {','.join([*parsed_args.accept, *stray])}",
        )


def run_of(parsed_args: argparse.Namespace) -> str:
    """Read the arguments of ``add_run_argument``: how the run is named.

    Raises:
        UsageError: no run is named.
    """
    if parsed_args.run_id is None:
        raise _no_run()
    return str(parsed_args.run_id)


def process_id_of(parsed_args: argparse.Namespace, context: Context) -> str:
    """Return the Process ID of the run that ``add_run_argument`` names.

    Raises:
        AlmajobError: none is named, or there is none, as ``Runs.process_id`` says.
    """
    return context.runs.process_id(run_of(parsed_args))


def process_ids_of(
    parsed_args: argparse.Namespace, context: Context, *, find_run: Callable[[Job], Run]
) -> list[str]:
    """Return the Process IDs of the runs that ``add_runs_or_job_arguments`` names, each once.

    Args:
        find_run: finds the run that is meant where a job is named.

    Raises:
        AlmajobError: none is named, or there is none, as ``Runs.process_id`` says.
    """
    if not parsed_args.run_ids and parsed_args.job is not None:
        return [find_run(find_chosen(parsed_args.job, context.catalogue.find)).instance.id]
    return list(dict.fromkeys(_find_run(text, context, find_run) for text in runs_of(parsed_args)))


def _find_run(text: str, context: Context, find_run: Callable[[Job], Run]) -> str:
    """Return the Process ID of a run; a word that names none may name a job."""
    from almajob.jobs.job_lookup import NoSuchJob
    from almajob.runs.run_reference import LAST, NoSuchRun

    try:
        return context.runs.process_id(text)
    except NoSuchRun:
        if text == LAST:
            raise
    try:
        job = find_chosen(text, context.catalogue.find)
    except NoSuchJob as unknown:
        raise unknown.replace(
            message=f"There is no run and no job called {text!r}.",
            hint=f"{unknown.hint}\nalmajob runs list shows the run keys of what was started from here.",
        ) from None
    return find_run(job).instance.id


def is_one_run(parsed_args: argparse.Namespace) -> bool:
    """Whether the arguments of ``add_runs_or_job_arguments`` name one run, or the one of a job."""
    return (not parsed_args.run_ids and parsed_args.job is not None) or len(runs_of(parsed_args)) == 1


def record_of(parsed_args: argparse.Namespace, context: Context) -> Record:
    """Return the record of the ledger that ``add_run_argument`` names.

    Raises:
        AlmajobError: none is named, or the ledger has none.
    """
    from almajob.runs.run_reference import find_record

    return find_record(context.ledger, run_of(parsed_args), environment=context.named_environment)


def _no_job() -> UsageError:
    return UsageError("Which job?", hint="Name it by its exact name or its id; almajob list shows both.")


def _no_run() -> UsageError:
    return UsageError(
        "Which run?",
        hint="Name it by its Process ID, by its run key, or as @last for what was started last from here.\n"
        "To find it: almajob history JOB, or almajob runs list for what was started from here.",
    )


def add_job_filter_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose jobs; ``choose_jobs`` reads them, and the argument ``JOB``."""
    parser.add_argument(
        "--type", type=str.lower, choices=("manual", "scheduled", "other"), help="only of jobs of this type"
    )
    parser.add_argument(
        "--category", metavar="CODE", type=non_empty, help="only of jobs of this category, as in almajob list"
    )
    parser.add_argument(
        "--name",
        metavar="PATTERN",
        type=non_empty,
        help="only of jobs with this in their name; or whose whole name matches, with * and ?",
    )


def refuse_two_choices(parsed_args: argparse.Namespace) -> None:
    """Refuse jobs that are named and chosen by a filter as well.

    Raises:
        UsageError: both are there, or ``--job`` names another job.
    """
    filters = ("type", "category", "name")
    given = next((name for name in filters if getattr(parsed_args, name) is not None), None)
    if jobs_of(parsed_args, may_be_none=True) and given:
        raise UsageError(f"--{given} and JOB both choose jobs.", hint="Keep one of them.")


def choose_jobs(parsed_args: argparse.Namespace, context: Context) -> list[Job]:
    """Find the jobs that are named, each once; or else all that the filters leave.

    Raises:
        UnclearJob: there is none of a name, or there are several.
    """
    from almajob.alma.models import JobFilter
    from almajob.jobs.job_lookup import named_like, of_category

    texts = jobs_of(parsed_args, may_be_none=True)
    if texts:
        return list(dict.fromkeys(find_chosen(text, context.catalogue.find) for text in texts))
    jobs = context.catalogue.jobs(JobFilter(type=(parsed_args.type or "").upper()))
    if parsed_args.category is not None:
        jobs = of_category(jobs, parsed_args.category)
    if parsed_args.name is not None:
        jobs = named_like(jobs, parsed_args.name)
    return list(jobs)
