"""``almajob job-types``: count the jobs of each type."""

import argparse
from collections import Counter
from typing import Any

from almajob.plugin import Lister


class JobTypes(Lister):
    """Count the jobs of each type.

    Examples:
      almajob --env sandbox job-types
    """

    columns = ("type", "jobs")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        types = Counter(job.type.value for job in self.context.catalogue.jobs())
        return self.columns, sorted(types.items())
