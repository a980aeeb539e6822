"""What the commands that change sets share: who may change something, and what a change of members is."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from almajob.cli.command import Result, ShowOne
from almajob.cli.options.ids_options import (
    add_id_form_options,
    add_ids_file_option,
    refuse_rejected_types,
    refuse_same_file,
)
from almajob.cli.options.name_options import add_set_argument
from almajob.cli.options.value_types import non_empty
from almajob.errors import NotConfirmed, ReadOnly, Refused
from almajob.output.columns import Identifier, Name
from almajob.system.terminal import id_asker
from almajob.text.sanitize import sanitize

if TYPE_CHECKING:
    from almajob.alma.sets import Set
    from almajob.cli.context import Context
    from almajob.sets.id_file import IdList

MEMBERS_COLUMNS = ("id", "name", "ids", "members_before", "members")


def refuse_read_only(context: Context) -> None:
    """Refuse a change of an environment that is only read.

    Raises:
        ReadOnly: it is.
    """
    if forbidden := context.read_only_by(context.environment):
        raise ReadOnly(forbidden)


def confirm_change(
    context: Context, doing: str, shown: Sequence[str], *, wanted: str, called: str, is_confirmed: bool
) -> None:
    """Have a person agree to a change in production, by typing what it is about.

    Args:
        doing: what would be done: ``This deletes sets``.
        shown: a line for each thing that the person should see.
        wanted: what must be typed.
        called: how people are told of that: ``the set's id``.

    Raises:
        NotConfirmed: nobody can, or something else was typed.
    """
    environment = context.environment
    if not environment.is_production or is_confirmed:
        return
    ask = id_asker()
    if ask is None:
        raise NotConfirmed(
            f"A change of sets in {environment.name} was not confirmed; nothing was sent.",
            reason="In production a person at a terminal confirms it.",
            hint="Add --yes.",
        )
    lines = [f"  {sanitize(line)}" for line in shown]
    typed = ask("\n".join([f"{doing} in {environment.name}.", *lines, f"Type {called}: "]))
    if typed.strip() != wanted.strip():
        raise NotConfirmed(
            f"What was typed is not {called}; nothing was sent.", hint=f"To type: {sanitize(wanted)}"
        )


def describe_set(found: Set) -> str:
    """Name a set, with the number of its members."""
    count = "an unknown number of" if found.members is None else f"{found.members:,}"
    return f"{found.id}  {found.name}, {count} members"


def describe_ids(ids: IdList, path: str) -> str:
    """Name the ids of a file, with their number."""
    name = "standard input" if path == "-" else Path(path).name
    return f"{ids.count:,} id{'' if ids.count == 1 else 's'} of {name}"


class ChangeMembers(ShowOne):
    """A command that changes the members of a set by the ids in a file.

    Attributes:
        op: what becomes of the ids.
        doing: the beginning of the help of ``--ids``.
        question: what a person is asked in production.
        lists_rejected: whether it can be told afterwards which ids Alma did not take.
    """

    columns = MEMBERS_COLUMNS
    op: ClassVar[Literal["add", "remove", "replace"]]
    doing: ClassVar[str]
    question: ClassVar[str]
    lists_rejected: ClassVar[bool] = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_set_argument(parser)
        add_ids_file_option(parser, self.doing, is_needed=True)
        add_id_form_options(parser)
        if self.lists_rejected:
            parser.add_argument(
                "--rejected",
                metavar="FILE",
                type=non_empty,
                help="without --id-type: write the ids that Alma did not take to this file",
            )
        parser.add_argument("--yes", action="store_true", help="change it in production without asking")
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        refuse_rejected_types(self._rejected(parsed_args), parsed_args.id_type)
        refuse_same_file(self._rejected(parsed_args), parsed_args.ids)

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.sets.id_file import open_rejected, read_ids
        from almajob.sets.making import MadeSet, change_members, list_rejected
        from almajob.sets.set_lookup import find_set

        refuse_read_only(self.context)
        path, rejected = parsed_args.ids, self._rejected(parsed_args)
        id_type = parsed_args.id_type or ""
        with ExitStack() as closing:
            ids = closing.enter_context(read_ids(path, column=parsed_args.id_column or "", id_type=id_type))
            found = find_set(self.context.alma, parsed_args.set, is_exact=True)
            self._refuse_odd(found, ids, is_listed=rejected is not None)
            confirm_change(
                *(self.context, self.question),
                [describe_set(found), describe_ids(ids, path)],
                wanted=found.id,
                called="the set's id",
                is_confirmed=parsed_args.yes,
            )
            write = closing.enter_context(open_rejected(rejected)) if rejected else None
            deps = self.context.workshop.sets()
            members = change_members(found.id, self.op, ids, deps, id_type)
            if write:
                before = 0 if self.op == "replace" else found.members
                is_whole = before is not None and members == before + ids.count
                made = MadeSet(found.id, found.name, members or 0)
                write(() if is_whole else list_rejected(ids, made, deps))
            return self.columns, (
                *(Identifier(found.id), Name(found.name), ids.count),
                *(found.members, members),
            )

    def _refuse_odd(self, found: Set, ids: IdList, *, is_listed: bool) -> None:
        """Refuse a set without members of its own, and what the day's calls are not enough for.

        Args:
            is_listed: whether its members are read in the end.

        Raises:
            Refused: it is a logical set.
            CallsUsedUp: they are not.
        """
        from almajob.sets import forecast

        if found.type.upper() == "LOGICAL":
            raise Refused(
                f"{found.name!r} ({found.id}) is a logical set; nothing was sent.",
                reason="A search finds its members; they cannot be changed one by one.",
                hint="almajob sets create NAME --from-logical SET makes a set of its members of now.",
            )
        calls = forecast.count_calls(ids.count)
        if is_listed:
            calls += forecast.count_pages((found.members or 0) + ids.count)
        forecast.refuse_costly(calls, self.context.workshop.calls_left(), "To change the set")

    def _rejected(self, parsed_args: argparse.Namespace) -> str | None:
        return parsed_args.rejected if self.lists_rejected else None
