"""``almajob ledger import``: bring an export back into the ledger."""  # noqa: N999  # as the command

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from almajob.cli.command import Result, ShowOne
from almajob.cli.options.ledger_options import MERGED_COLUMNS, add_trial_option, merged_values
from almajob.cli.options.value_types import non_empty

LOG = logging.getLogger(__name__)


class LedgerImport(ShowOne):
    """Bring an export, or an archive, back into the ledger.

    The file is checked to its end before anything is written, and then all of it is written or
    nothing. Runs that are there are only updated, so that it may be done twice. A file that
    contradicts the ledger is refused.

    Examples:
      almajob ledger import ledger.jsonl --dry-run
      almajob ledger import ledger.jsonl
    """

    columns = MERGED_COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", type=non_empty, help="an export of almajob ledger export")
        add_trial_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.store.upkeep.transfer import import_file

        place = self.context.ledger.place
        merged = import_file(place, Path(parsed_args.file), is_trial=parsed_args.dry_run)
        return self.columns, merged_values(parsed_args.file, place.name, merged, is_trial=parsed_args.dry_run)
