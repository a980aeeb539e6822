"""``almajob cache show``: what is kept, and since when."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.output.columns import Identifier, Sentence, Time


class CacheShow(Lister):
    """Show what is in the cache.

    Job lists and code tables are used for a day, and runs that have ended for 100 days.

    Examples:
      almajob cache show
    """

    columns = ("name", "entries", "newest", "bytes", "directory")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        cache = self.context.cache
        contents = cache.contents()
        self.note_if_empty = (
            f"The cache {cache.directory} is empty." if cache.directory else "There is no cache directory."
        )
        return self.columns, [
            (Identifier(item.name), item.entries, Time(item.newest), item.size, Sentence(str(item.path)))
            for item in contents
        ]
