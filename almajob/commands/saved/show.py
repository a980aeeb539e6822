"""``almajob saved show``: one saved run, as it is written."""

from __future__ import annotations

import argparse

from almajob.cli.command import Result, ShowOne
from almajob.cli.options.value_types import non_empty
from almajob.output.columns import Identifier, Sentence, WordList
from almajob.output.saved_views import SavedSettings


class SavedShow(ShowOne):
    """Show the settings of a saved run, and its file.

    Examples:
      almajob saved show invoices
      almajob saved show invoices -f json
    """

    columns = ("name", "environments", "file", "settings")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("saved", metavar="SAVED", type=non_empty, help="the name of the saved run")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        saved = self.context.saved_runs.find(parsed_args.saved)
        environments = [name for name in saved.environments() if name]
        return self.columns, (
            *(Identifier(saved.name), WordList(environments), Sentence(str(saved.path))),
            SavedSettings(saved.section),
        )
