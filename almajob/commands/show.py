"""``almajob show``: one job, as Alma has it now."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from almajob.cli.command import Result, ShowOne
from almajob.cli.options.name_options import add_job_argument, find_job
from almajob.output.columns import Text


class Show(ShowOne):
    """Show a job's details, read fresh from Alma.

    Examples:
      almajob --env sandbox show M44
      almajob --env sandbox show 'ERP export using profile FINANCE' -f json
    """

    environments = "each"
    columns = (
        *("id", "name", "type", "category", "description", "content"),
        *("schedule", "next_run", "creator", "related_profile"),
    )

    @property
    def words_for_people(self) -> tuple[Sequence[str], str]:
        return ("id", "name", "schedule", "next_run", "category"), ""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_job_argument(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        job = find_job(parsed_args, self.context, self.context.catalogue.current)
        values = (
            *(job.id, job.name, job.type.value, job.category.value, job.description, job.content.value),
            *(job.schedule.value, job.next_run, job.creator, job.related_profile),
        )
        return self.columns, [Text(value) for value in values]
