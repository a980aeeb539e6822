"""``almajob list``: the jobs of an environment."""

from __future__ import annotations

import argparse

from almajob.alma.models import JobFilter
from almajob.cli.command import Lister, Result
from almajob.cli.options.value_types import non_empty
from almajob.jobs.job_lookup import named_like
from almajob.output.columns import Text


class List(Lister):
    """List the jobs of an environment.

    The list is kept for a day; --refresh asks Alma anew.

    Examples:
      almajob --env sandbox list
      almajob --env sandbox list --name '*export*'
      almajob --env sandbox list --type scheduled -f csv
    """

    columns = ("ID", "Name", "Type", "Category")

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
            help="only jobs of this category, as the list shows it",
        )
        parser.add_argument(
            "--profile-id",
            metavar="ID",
            type=non_empty,
            help="only scheduled jobs of this integration profile",
        )
        parser.add_argument(
            "--name",
            metavar="PATTERN",
            type=non_empty,
            help="only jobs whose name matches: * any text, ? any character; the case does not matter",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        wanted = JobFilter(
            type=(parsed_args.type or "").upper(),
            category=parsed_args.category or "",
            profile_id=parsed_args.profile_id or "",
        )
        jobs = self.context.catalogue.jobs(wanted)
        if parsed_args.name is not None:
            jobs = named_like(jobs, parsed_args.name)
        self.note_if_empty = f"No job matches.{_hint(parsed_args.name)}"
        return self.columns, [
            [Text(value) for value in (job.id, job.name, job.type.value, job.category.value)] for job in jobs
        ]


def _hint(pattern: str | None) -> str:
    """Most who search mean a part of the name."""
    if pattern is None or any(sign in pattern for sign in "*?["):
        return ""
    return f" To search for a part of the name: --name '*{pattern}*'"
