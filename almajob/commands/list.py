"""``almajob list``: the jobs of an environment."""

from __future__ import annotations

import argparse
from functools import cache

from almajob.alma.models import JobFilter
from almajob.cli.command import Lister, Result
from almajob.cli.options.value_types import non_empty, profile_id
from almajob.jobs.job_lookup import named_like, of_category
from almajob.output.columns import Identifier, Name


class List(Lister):
    """List the jobs of an environment.

    The list is cached for a day; --refresh fetches it again.

    Examples:
      almajob --env sandbox list
      almajob --env sandbox list --name export
      almajob --env sandbox list --name 'ERP*FINANCE'
      almajob --env sandbox list --type scheduled -f csv
    """

    environments = "each"
    columns = ("id", "name", "type", "category")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--type",
            type=str.lower,
            choices=("manual", "scheduled", "other"),
            help="only jobs of this type",
        )
        parser.add_argument(
            "--category",
            metavar="CODE",
            type=non_empty,
            help="only jobs of this category, as shown in the list; the case does not matter",
        )
        parser.add_argument(
            "--profile-id",
            metavar="ID",
            type=profile_id,
            help="only scheduled jobs of this integration profile",
        )
        parser.add_argument(
            "--name",
            metavar="PATTERN",
            type=non_empty,
            help="only jobs with this in their name; or whose whole name matches, with * for any text and ? "
            "for any character; the case does not matter",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        wanted = JobFilter(
            type=(parsed_args.type or "").upper(),
            profile_id=parsed_args.profile_id or "",
        )
        jobs = self.context.catalogue.jobs(wanted)
        if parsed_args.category is not None:
            jobs = of_category(jobs, parsed_args.category)
        if parsed_args.name is not None:
            jobs = named_like(jobs, parsed_args.name)
        self.note_if_empty = "No job matches."
        # Types and categories are few, and jobs may be many.
        kind = cache(Identifier)
        return self.columns, (
            (Identifier(job.id), Name(job.name), kind(job.type.value), kind(job.category.value))
            for job in jobs
        )
