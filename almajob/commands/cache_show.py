"""``almajob cache show``: what is kept, and since when."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from almajob.plugin import Lister, Time

LOG = logging.getLogger(__name__)


class CacheShow(Lister):
    """Show what the cache holds; entries are used for a day.

    Examples:
      almajob cache show
    """

    columns = ("Name", "Entries", "Newest", "Bytes", "Directory")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        cache = self.context.cache
        contents = cache.contents()
        if not contents:
            LOG.info("The cache %s is empty.", cache.directory)
        return self.columns, [
            (item.name, item.entries, Time(item.newest), item.size, str(item.path)) for item in contents
        ]
