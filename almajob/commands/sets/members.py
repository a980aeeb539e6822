"""``almajob sets members``: what is in a set."""

from __future__ import annotations

import argparse

from almajob.alma.models import text
from almajob.cli.command import Lister, Result
from almajob.cli.options.name_options import add_set_argument
from almajob.output.columns import Identifier, Text


class SetsMembers(Lister):
    """List the members of a set.

    All pages are read: a hundred members take one API call.

    Examples:
      almajob --env sandbox sets members 'Lost items'
      almajob --env sandbox sets members 'Lost items' -f csv -c id
    """

    columns = ("id", "description")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_set_argument(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.sets.set_lookup import find_set

        self.note_if_empty = "The set has no members."
        found = find_set(self.context.alma, parsed_args.set)
        listed = self.context.alma.pages("/conf/sets/{set_id}/members", {"set_id": found.id}, "member")
        return self.columns, (
            (Identifier(text(each.get("id"))), Text(text(each.get("description")))) for each in listed
        )
