"""``almajob cache clear``: forget what can be fetched again."""

from __future__ import annotations

import argparse
import logging

from almajob.cli.command import Command
from almajob.errors import Refused
from almajob.store.cache import RUNS

LOG = logging.getLogger(__name__)


class CacheClear(Command):
    """Remove cached lists; they are fetched again when needed.

    With --env, only that environment's job lists and ended runs are removed.

    Examples:
      almajob cache clear
      almajob --env sandbox cache clear
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cache, chosen = self.context.cache, self.context.settings.env
        if chosen is not None and chosen.source == "--env":
            environment = self.context.environment.name
            gone, left = cache.clear(f"jobs.{environment}", f"{RUNS}{environment}")
        else:
            gone, left = cache.clear()
        if cache.directory is None:
            LOG.info("There is no cache directory.")
            return
        lists = "1 cached list" if len(gone) == 1 else f"{len(gone)} cached lists"
        LOG.info("Removed %s from %s.", lists, cache.directory)
        if left:
            raise Refused(
                f"{', '.join(path.name for path in left)} cannot be removed.",
                hint=f"Look at the owner and the mode of {cache.directory}.",
            )
