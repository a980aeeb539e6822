"""``almajob list``: the jobs of an environment."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from almajob.alma.api import JobFilter
from almajob.alma.models import Job
from almajob.plugin import Lister, Word, non_empty
from almajob.runs.catalogue import named_like

LOG = logging.getLogger(__name__)


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
        parser.add_argument("--type", choices=("manual", "scheduled", "other"), help="only jobs of this type")
        parser.add_argument("--category", metavar="CODE", type=non_empty, help="only jobs of this category")
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

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        wanted = JobFilter(
            type=(parsed_args.type or "").upper(),
            category=parsed_args.category or "",
            profile_id=parsed_args.profile_id or "",
        )
        jobs = self.context.catalogue.jobs(wanted)
        if parsed_args.name is not None:
            jobs = named_like(jobs, parsed_args.name)
        if not jobs:
            LOG.info("No job matches.")
        return self.columns, [_row(job) for job in jobs]


def _row(job: Job) -> tuple[str, str, Word, Word]:
    return job.id, job.name, Word(job.type), Word(job.category)
