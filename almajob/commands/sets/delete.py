"""``almajob sets delete``: delete sets that are named, whoever has made them."""

from __future__ import annotations

import argparse
import logging

from almajob.cli.command import Command
from almajob.cli.options.value_types import non_empty
from almajob.commands.sets.set_changes import confirm_change, describe_set, refuse_read_only
from almajob.errors import AlmajobError
from almajob.text.sanitize import sanitize

LOG = logging.getLogger(__name__)


class SetsDelete(Command):
    """Delete sets; the records in them stay.

    A set is named by its exact name or its id, whoever has made it. All are looked up before the
    first is deleted. One that is gone meanwhile counts as deleted. In production a person types
    the id of the first set to go ahead, or --yes is given.

    Examples:
      almajob --env sandbox sets delete 'Lost items'
      almajob --env production sets delete 'Lost items' --yes
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "sets",
            metavar="SET",
            nargs="+",
            type=non_empty,
            help="the set's exact name, or its id; several may be named",
        )
        parser.add_argument("--yes", action="store_true", help="delete in production without asking")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from almajob.runs.start.interruption import report_interruption
        from almajob.sets.making import delete_named_set
        from almajob.sets.set_lookup import find_set

        refuse_read_only(self.context)
        alma, deps = self.context.alma, self.context.workshop.sets()
        found = {each.id: each for each in (find_set(alma, name, is_exact=True) for name in parsed_args.sets)}
        confirm_change(
            *(self.context, "This deletes sets", [describe_set(each) for each in found.values()]),
            wanted=next(iter(found)),
            called="the id of the first",
            is_confirmed=parsed_args.yes,
        )
        left = list(found)

        def name_left() -> str:
            return f"Sets that may be there still: almajob sets delete {' '.join(left)}"

        try:
            with report_interruption(name_left):
                for each in found.values():
                    delete_named_set(each, deps)
                    left.remove(each.id)
                    LOG.info("Deleted the set %s (%s).", sanitize(each.name), each.id)
        except AlmajobError as error:
            raise error.replace(hint=f"{error.hint}\n{name_left()}".strip()) from error.__cause__
