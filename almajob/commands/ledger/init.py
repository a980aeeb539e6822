"""``almajob ledger init``: make or upgrade the tables of a ledger that several machines share."""

from __future__ import annotations

import argparse
import logging

from almajob.cli.command import Command

LOG = logging.getLogger(__name__)


class LedgerInit(Command):
    """Make or upgrade the ledger's tables in PostgreSQL.

    Do this once, and after an upgrade of almajob that asks for it. To do it again does no harm.
    It needs the rights of the database's owner, whom ALMAJOB_LEDGER can name; to run jobs
    afterwards, a role with fewer rights is enough.

    Exit codes: 0 the tables are there. 5 they cannot be made. 7 the address of the database is
    wrong.

    Examples:
      almajob ledger init
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--role", metavar="ROLE", default="", help="let this role of the database use the ledger, too"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        LOG.info("%s", self.context.ledger.place.initialize(parsed_args.role))
