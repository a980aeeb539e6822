"""``almajob ledger show``: where the ledger is, and what is in it."""

from __future__ import annotations

import argparse

from almajob.cli.command import Result, ShowOne
from almajob.output.columns import Identifier, Lines, Sentence, moment


class LedgerShow(ShowOne):
    """Show where the ledger is, and how much is in it.

    Examples:
      almajob ledger show
      almajob ledger show -f json
    """

    columns = (
        *("ledger", "kind", "format", "records", "open", "done", "archived", "oldest", "newest", "bytes"),
        *("announcements", "lacks_since", "lacks_until", "archives"),
    )

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.store.upkeep.overview import read_overview

        found = read_overview(self.context.ledger.place)
        return self.columns, (
            Sentence(found.name),
            Identifier(found.kind),
            found.format,
            found.records,
            found.open,
            found.records - found.open,
            found.archived,
            moment(found.oldest),
            moment(found.newest),
            found.bytes,
            found.announcements,
            moment(found.lacks_since),
            moment(found.lacks_until),
            Lines(found.archives),
        )
