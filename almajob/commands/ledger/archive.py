"""``almajob ledger archive``: move old records into a file."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from almajob.cli.command import Result, ShowOne
from almajob.cli.options.ledger_options import add_trial_option
from almajob.cli.options.value_types import moment, non_empty
from almajob.errors import NotConfirmed, UsageError
from almajob.output.columns import Sentence, Time
from almajob.store.ledger.gap import LONGEST_MEMORY
from almajob.system import clock as clocks
from almajob.system.terminal import asker
from almajob.text.time_format import format_utc

LOG = logging.getLogger(__name__)


class LedgerArchive(ShowOne):
    """Move runs that ended before a date into a file.

    runs list leaves them out from then on. runs show still shows them, from the file, and a run
    key still stands for its run: nothing is started again. Runs without an outcome stay, and so
    does the newest run of each environment.

    The file is written and read back before anything leaves the ledger. If it is interrupted,
    the same command goes on. Keep the file: the ledger knows it by its path.

    Examples:
      almajob ledger archive --before 2026-01-01 --output 2025.jsonl --dry-run
      almajob ledger archive --before 400d --output old-runs.jsonl --yes
    """

    columns = ("file", "before", "records", "left", "dry_run")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--before",
            metavar="DATE",
            type=moment,
            required=True,
            help="runs that ended before a day (2026-01-01, local time), or so long ago: 400d; at least 31d",
        )
        parser.add_argument("--output", metavar="FILE", type=non_empty, required=True, help="file to write")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        add_trial_option(parser)
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.before.timestamp() > clocks.system().now() - LONGEST_MEMORY:
            raise UsageError(
                "--before must be at least 31 days ago.",
                reason="Starts look at the runs of the last month.",
                hint="Choose an earlier date.",
            )

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.store.upkeep.archive import archive, count_old

        place, before = self.context.ledger.place, parsed_args.before
        path = Path(parsed_args.output).absolute()
        old = count_old(place, before.timestamp())
        if parsed_args.dry_run or not old.records:
            if not old.records:
                LOG.info("No run that may be archived ended before then.")
            moved, left = old.records if parsed_args.dry_run else 0, old.left
            return self.columns, (Sentence(str(path)), Time(before), moved, left, parsed_args.dry_run)
        if not parsed_args.yes:
            _confirm(old.records, path)
        done = archive(place, before.timestamp(), path, made=format_utc(self.context.now()))
        if done.is_resumed:
            LOG.info("The file was there from before; its runs have now left the ledger.")
        return self.columns, (Sentence(str(path)), Time(before), done.records, done.left, False)


def _confirm(count: int, path: Path) -> None:
    """Ask a person whether records are to be moved.

    Raises:
        NotConfirmed: nobody can answer, or the answer is no.
    """
    runs = "1 run" if count == 1 else f"{count:,} runs"
    ask = asker()
    if ask is None:
        raise NotConfirmed(f"Nobody has confirmed that {runs} leave the ledger.", hint="Add --yes.")
    if not ask(f"Move {runs} from the ledger into {path}?"):
        raise NotConfirmed("Nothing was moved.", hint="Answer y, or add --yes.")
