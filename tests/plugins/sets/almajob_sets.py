"""Commands that call Alma themselves: one makes a set of records, one lists its members."""

from __future__ import annotations

import argparse
from typing import Any

from almajob.plugin import Lister, ShowOne, asker, non_empty


class Create(ShowOne):
    """Make an empty set of records.

    Exit code 9: it is unknown whether Alma made it. Look for it in Alma before you try again.

    Examples:
      almajob --env sandbox acme create 'Theses of May'
      almajob --env sandbox acme create 'Lost in May' --content ITEM -f json
    """

    columns = ("id", "name", "members")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", type=non_empty, help="of the new set")
        parser.add_argument("--content", metavar="CODE", default="BIB_MMS", help="what it is a set of")
        parser.add_argument("--yes", action="store_true", help="do not ask before it is made in production")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        made = self.context.alma.call(
            "POST",
            "/conf/sets",
            body={
                "name": parsed_args.name,
                "type": {"value": "ITEMIZED"},
                "content": {"value": parsed_args.content},
            },
            is_confirmed=parsed_args.yes,
            confirm=asker(),
        )
        return self.columns, (made["id"], made["name"], made["number_of_members"]["value"])


class Members(Lister):
    """List the members of a set.

    Examples:
      almajob --env sandbox acme members 9563211250000561
    """

    columns = ("id", "description")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("set_id", metavar="SET_ID", type=non_empty, help="the set's id")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Any, Any]:
        members = self.context.alma.pages("/conf/sets/{set_id}/members", {"set_id": parsed_args.set_id})
        return self.columns, [(member["id"], member["description"]) for member in members]
