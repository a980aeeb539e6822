"""``almajob saved delete``: forget a saved run."""

from __future__ import annotations

import argparse
import logging

from almajob.cli.command import Command
from almajob.cli.options.value_types import non_empty

LOG = logging.getLogger(__name__)


class SavedDelete(Command):
    """Delete a saved run; the runs it started are kept.

    It is removed from its file, together with the parameters that were saved with it; nothing
    else in the file changes. With --env, only what is saved for that environment is deleted.

    Examples:
      almajob saved delete invoices
      almajob --env sandbox saved delete invoices
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("saved", metavar="SAVED", type=non_empty, help="the name of the saved run")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        deleted = self.context.saved_runs.delete(parsed_args.saved, self.context.named_environment)
        which = f" for {deleted.environment}" if deleted.environment else ""
        LOG.info("Deleted the saved run %s%s from %s.", deleted.name, which, deleted.path)
        if deleted.files:
            LOG.info("Deleted its parameters, too: %s.", ", ".join(file.name for file in deleted.files))
