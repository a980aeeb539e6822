"""``almajob job-report``: count the jobs of some categories, for a page that needs a token."""

import argparse
from collections import Counter
from dataclasses import dataclass
from typing import Any

from almajob.plugin import ConfigurationError, Lister, Secret


@dataclass(frozen=True)
class Options:
    """The settings in [plugin:job-report]."""

    least: int = 1
    categories: tuple[str, ...] = ()
    token: Secret | None = None


class JobReport(Lister):
    """Count the jobs of some categories.

    Examples:
      almajob --env sandbox job-report
    """

    columns = ("category", "jobs")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        options = self.context.options(Options())
        if options.token is None:
            raise ConfigurationError("There is no token for the report.", hint="Set token_file.")
        counts = Counter(job.category.value for job in self.context.catalogue.jobs())
        wanted = {name: counts[name] for name in options.categories or counts}
        return self.columns, [row for row in wanted.items() if row[1] >= options.least]
