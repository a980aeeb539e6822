"""``almajob sets list``: the sets of an environment."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.cli.options.value_types import non_empty
from almajob.commands.sets.set_columns import SET_BRIEF, SET_COLUMNS, set_values
from almajob.text.suggestions import make_matcher


class SetsList(Lister):
    """List the sets of an environment.

    How many members a set has is shown by almajob sets show. Completions know the names for a day
    after they were listed, without --content and --type.

    Examples:
      almajob --env sandbox sets list
      almajob --env sandbox sets list --name lost --content ITEM
      almajob --env sandbox sets list --name 'almajob *' -f json
    """

    environments = "each"
    columns = SET_COLUMNS
    brief = SET_BRIEF
    least_needed = ("type", "content")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--name",
            metavar="PATTERN",
            type=non_empty,
            help="only sets whose name has this in it; with * or ?, only those it fits as a whole",
        )
        parser.add_argument(
            "--content",
            metavar="TYPE",
            type=str.upper,
            default="",
            help="only sets of these: BIB_MMS, ITEM, USER or another code of Alma's",
        )
        parser.add_argument(
            "--type", choices=("itemized", "logical"), default="", help="only sets of this type"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.sets.set_lookup import keep_names, list_sets

        self.note_if_empty = "There is no such set."
        context, content, kind = self.context, parsed_args.content, parsed_args.type
        found = list_sets(context.alma, content=content, kind=kind)
        if not content and not kind:
            found = keep_names(found, context.cache, context.environment.name)
        is_wanted = make_matcher(parsed_args.name or "")
        return self.columns, (set_values(each) for each in found if is_wanted(each.name))
