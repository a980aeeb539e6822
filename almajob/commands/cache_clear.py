"""``almajob cache clear``: forget what can be fetched again."""

from __future__ import annotations

import argparse
import logging

from almajob.plugin import Command

LOG = logging.getLogger(__name__)


class CacheClear(Command):
    """Empty the cache, for all environments. Nothing is lost that Alma cannot give again.

    Examples:
      almajob cache clear
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cache = self.context.cache
        removed = cache.clear()
        LOG.info("Removed %d of the cache's directories from %s.", len(removed), cache.directory)
