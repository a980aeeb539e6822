"""``almajob ledger copy``: bring all that a ledger has into another one."""

from __future__ import annotations

import argparse
import logging

from almajob.cli.command import Result, ShowOne
from almajob.cli.options.ledger_options import MERGED_COLUMNS, add_trial_option, merged_values
from almajob.cli.options.value_types import non_empty
from almajob.errors import UsageError
from almajob.store.ledger.place import Place

LOG = logging.getLogger(__name__)
_PLACE = "a directory, or an address such as postgresql://db.example.edu/alma"


class LedgerCopy(ShowOne):
    """Copy the ledger to another place, such as a database.

    Both ledgers are locked meanwhile: starts wait, or are refused. The copy is one change: if it
    is interrupted, nothing was written, and the same command does it all. It is read back and
    compared. Runs that were copied before are only updated. Ledgers that contradict each other
    are not merged.

    Change the setting right after it: a ledger that is still used elsewhere lets a job start
    twice.

    Examples:
      almajob ledger copy --to postgresql://db.example.edu/alma --dry-run
      almajob ledger copy --to postgresql://db.example.edu/alma
      almajob ledger copy --from postgresql://db.example.edu/alma --to directory
    """

    columns = MERGED_COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--to", metavar="PLACE", type=non_empty, help=f"{_PLACE} (default: the ledger in use)"
        )
        parser.add_argument(
            "--from",
            dest="source",
            metavar="PLACE",
            type=non_empty,
            help="copy from there (default: the ledger in use)",
        )
        add_trial_option(parser)
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.to is None and parsed_args.source is None:
            raise UsageError("Where to?", hint="Name it: --to DIRECTORY, or --to postgresql://HOST/DATABASE")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.store.upkeep.transfer import copy_ledger

        source, target = self._find_place(parsed_args.source), self._find_place(parsed_args.to)
        merged = copy_ledger(source, target, is_trial=parsed_args.dry_run)
        if not parsed_args.dry_run and target.name != self.context.ledger.place.name:
            LOG.info("Everything was read back. Now put this where almajob runs, and nowhere the other one:")
            LOG.info("  %s", _name_setting(target))
        return self.columns, merged_values(source.name, target.name, merged, is_trial=parsed_args.dry_run)

    def _find_place(self, text: str | None) -> Place:
        return self.context.ledger.place if text is None else self.context.ledger_place_named(text)


def _name_setting(place: Place) -> str:
    """Return what makes a place the one of the ledger."""
    from almajob.store.directory.directory_place import DirectoryPlace

    if isinstance(place, DirectoryPlace):
        return f"ALMAJOB_LEDGER=directory ALMAJOB_STATE_DIR={place.directory.parent}"
    return f"ledger = {place.name}   (in the section [almajob])"
