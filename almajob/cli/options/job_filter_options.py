"""Options that choose jobs by what they are, where none is named."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from almajob.cli.options.name_options import find_chosen, jobs_of
from almajob.cli.options.value_types import non_empty
from almajob.errors import UsageError

if TYPE_CHECKING:
    from almajob.alma.models import Job
    from almajob.cli.context import Context


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
