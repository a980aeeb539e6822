"""``almajob sets show``: one set, with the number of its members."""

from __future__ import annotations

import argparse

from almajob.cli.command import Result, ShowOne
from almajob.cli.options.name_options import add_set_argument
from almajob.commands.sets.set_columns import WHOLE_SET_COLUMNS, whole_set_values


class SetsShow(ShowOne):
    """Show a set, and how many members it has.

    Examples:
      almajob --env sandbox sets show 'Lost items'
      almajob --env sandbox sets show 'Lost items' -f json
    """

    columns = WHOLE_SET_COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_set_argument(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.sets.set_lookup import find_set

        return self.columns, whole_set_values(find_set(self.context.alma, parsed_args.set))
