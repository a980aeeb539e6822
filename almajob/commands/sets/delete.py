"""``almajob sets delete``: delete sets that are named, whoever has made them."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from almajob.alma.sets import Set
from almajob.cli.command import Command
from almajob.cli.options.value_types import non_empty
from almajob.errors import NotConfirmed, ReadOnly
from almajob.system.terminal import id_asker
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
        from almajob.sets.making import delete_named_set
        from almajob.sets.set_lookup import find_set

        environment = self.context.environment
        if forbidden := self.context.read_only_by(environment):
            raise ReadOnly(forbidden)
        alma, deps = self.context.alma, self.context.workshop.sets()
        found = {each.id: each for each in (find_set(alma, name, is_exact=True) for name in parsed_args.sets)}
        if environment.is_production and not parsed_args.yes:
            confirm_deletion(list(found.values()), environment.name)
        for each in found.values():
            delete_named_set(each, deps)
            LOG.info("Deleted the set %s (%s).", sanitize(each.name), each.id)


def confirm_deletion(found: Sequence[Set], environment: str) -> None:
    """Have a person type the id of the first set.

    Raises:
        NotConfirmed: nobody can, or something else was typed.
    """
    ask, first = id_asker(), found[0].id
    if ask is None:
        raise NotConfirmed(
            f"Nobody has confirmed that sets in {environment} are deleted; nothing was sent.",
            hint="Add --yes.",
        )
    shown = [f"  {each.id}  {sanitize(each.name)}, {describe_count(each)}" for each in found]
    question = "\n".join([f"This deletes sets in {environment}.", *shown, "Type the id of the first: "])
    if ask(question).strip() != first:
        raise NotConfirmed("The id was not typed; nothing was sent.", hint=f"The id to type is {first}.")


def describe_count(found: Set) -> str:
    """Return how many members a set has, for people."""
    return "an unknown number of members" if found.members is None else f"{found.members:,} members"
