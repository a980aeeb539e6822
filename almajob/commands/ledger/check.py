"""``almajob ledger check``: read all of the ledger, and find out whether it is as it was written."""

from __future__ import annotations

import argparse
import logging

from almajob.cli.command import Result, ShowOne
from almajob.output.columns import Lines, Sentence
from almajob.store.ledger.place import LedgerUnusable

LOG = logging.getLogger(__name__)


class LedgerCheck(ShowOne):
    """Read the whole ledger, and report what is damaged.

    Starts wait meanwhile, if the ledger is a directory: a minute for 100,000 runs. Nothing is
    changed.

    Exit codes: 0 all is as it was written. 5 something is not.

    Examples:
      almajob ledger check
      almajob ledger check -f json
    """

    columns = ("ledger", "records", "open", "archived", "facts", "announcements", "rows", "problems")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.store.upkeep.audit import audit, describe

        place = self.context.ledger.place
        found = audit(place)
        if found.count:
            self.verdict = LedgerUnusable(
                f"The ledger {place.name} is damaged.",
                reason=describe(found.problems, found.count),
                hint="Look in Alma (Admin > Monitor Jobs) what was started lately. Then restore\n"
                "a backup, or empty the ledger's place and type: almajob ledger import FILE",
            )
        else:
            LOG.info("All rows of the ledger are as they were written.")
        return self.columns, (
            Sentence(place.name),
            found.records,
            found.open,
            found.archived,
            found.facts,
            found.announcements,
            found.rows,
            Lines(found.problems),
        )
