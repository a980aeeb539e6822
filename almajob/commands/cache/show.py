"""``almajob cache show``: what is kept, and since when."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.output.columns import Time


class CacheShow(Lister):
    """Show what the cache holds; entries are used for a day.

    Examples:
      almajob cache show
    """

    columns = ("Name", "Entries", "Newest", "Bytes", "Directory")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        cache = self.context.cache
        contents = cache.contents()
        self.note_if_empty = f"The cache {cache.directory} is empty."
        return self.columns, [
            (item.name, item.entries, Time(item.newest), item.size, str(item.path)) for item in contents
        ]
