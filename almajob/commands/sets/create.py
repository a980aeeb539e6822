"""``almajob sets create``: make a set, once, of ids, from other sets, or of an import's records."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from almajob.cli.command import Result, ShowOne
from almajob.cli.options.ids_options import add_id_form_options, add_ids_file_option, refuse_same_file
from almajob.cli.options.value_types import non_empty, run_id
from almajob.commands.sets.set_changes import confirm_change, describe_ids, refuse_read_only
from almajob.errors import AlmajobError, PartlyDone, UsageError
from almajob.output.columns import Identifier, Name, Text

if TYPE_CHECKING:
    from almajob.sets.forecast import Forecast
    from almajob.sets.id_file import IdList
    from almajob.sets.making import MadeSet, SetDeps
    from almajob.sets.origins import Origin
    from almajob.sets.plan import SetPlan

_ITEMS, _TITLES, _BARCODE = "ITEM", "BIB_MMS", "BARCODE"
_LONGEST_DESCRIPTION = 500
_OF_IDS = {
    "id_type": "--id-type",
    "id_column": "--id-column",
    "content": "--content",
    "skip_invalid": "--skip-invalid",
    "rejected": "--rejected",
}
"""The options that say something of --ids, by their names in Python."""


class SetsCreate(ShowOne):
    """Make a set, once.

    It is made of the ids in a file, of the records of an import, of the members that a logical
    set has now, or of two sets: those in both (and), in one of them (or), or in the first alone
    (not).

    The name is unique in Alma: the same command goes on where it stopped, after a crash, a lost
    answer or Ctrl-C, and never makes a second set. A set of that name that something else has
    made is not touched. In production a person types the name to go ahead, or --yes is given.

    Exit codes: 3 the set is there, and not as it should be. 4, 5, 6, 7, 10 nothing was made. 9
    unknown whether it was made; the same command finds out.

    Examples:
      almajob --env sandbox sets create 'Theses of May' --ids mms-ids.txt
      almajob --env sandbox sets create Items --ids barcodes.txt --id-type BARCODE
      almajob --env sandbox sets create E --from-logical 'All electronic theses'
      almajob --env sandbox sets create X --from-run PROCESS_ID --population multi
      almajob --env sandbox sets create New --combine 'All not Theses'
      almajob --env sandbox sets create May --ids mms-ids.txt --dry-run
    """

    columns = ("action", "id", "name", "content", "source", "ids", "members", "rejected", "calls")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", type=_set_name, help="the name of the new set")
        group = parser.add_argument_group("what it is made of")
        source = group.add_mutually_exclusive_group(required=True)
        add_ids_file_option(source, "make it of", is_needed=False)
        source.add_argument(
            "--from-run",
            metavar="RUN",
            type=run_id,
            help="make it of records of this run, an import of titles; --population says which",
        )
        source.add_argument(
            "--from-logical",
            metavar="SET",
            type=non_empty,
            help="make it of the members that this logical set has now",
        )
        source.add_argument(
            "--combine",
            metavar="EXPRESSION",
            type=non_empty,
            help="make it from two sets: 'A and B', 'A or B', or 'A not B' for what is in A alone; a name "
            "that has such a word in it stands in double quotes",
        )
        group.add_argument(
            "--population",
            metavar="POPULATION",
            type=non_empty,
            help="with --from-run: single, multi or another word of its report, such as "
            "IMPORTED_RECORDS_NO_MATCH",
        )
        self._add_ids_options(parser)
        parser.add_argument("--description", metavar="TEXT", type=_description, help="for people who find it")
        parser.add_argument("--public", action="store_true", help="let others see it (default: private)")
        parser.add_argument("--dry-run", action="store_true", help="check everything, and make nothing")
        parser.add_argument("--yes", action="store_true", help="make it in production without asking")
        return parser

    def _add_ids_options(self, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("with --ids")
        add_id_form_options(group)
        group.add_argument(
            "--content",
            metavar="TYPE",
            type=str.upper,
            help="what the set is of: BIB_MMS, ITEM, USER or another code of Alma's (default: ITEM with "
            "--id-type BARCODE, else BIB_MMS)",
        )
        group.add_argument(
            "--skip-invalid", action="store_true", help="leave out ids that Alma refuses, instead of stopping"
        )
        group.add_argument(
            "--rejected",
            metavar="FILE",
            type=non_empty,
            help="with --skip-invalid: write the ids that Alma refused to this file",
        )

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        stray = next((option for name, option in _OF_IDS.items() if getattr(parsed_args, name)), "")
        if stray and not parsed_args.ids:
            raise UsageError(f"{stray} says something of --ids.", hint=f"Leave {stray} out.")
        if parsed_args.rejected and not parsed_args.skip_invalid:
            raise UsageError(
                "Without --skip-invalid there are no rejected ids: one of them stops the command.",
                hint="Add --skip-invalid.",
            )
        refuse_same_file(parsed_args.rejected, parsed_args.ids)
        if bool(parsed_args.population) != bool(parsed_args.from_run):
            raise UsageError(
                "--from-run and --population go together: which records of which import.",
                hint="For example: --from-run PROCESS_ID --population single",
            )
        if parsed_args.combine:
            from almajob.sets.origins import parse_combination

            parse_combination(parsed_args.combine)

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.sets.id_file import open_rejected, read_ids

        refuse_read_only(self.context)
        with ExitStack() as closing:
            if not parsed_args.ids:
                origin = self._find_origin(parsed_args)
                return self.columns, self._make_from(origin, parsed_args)
            column, id_type = parsed_args.id_column or "", parsed_args.id_type or ""
            ids = closing.enter_context(read_ids(parsed_args.ids, column=column, id_type=id_type))
            write = None
            if parsed_args.rejected and not parsed_args.dry_run:
                write = closing.enter_context(open_rejected(parsed_args.rejected))
            return self.columns, self._make_of(ids, write, parsed_args)

    def _find_origin(self, parsed_args: argparse.Namespace) -> Origin:
        from almajob.sets.origins import combine_sets, from_import, from_logical_set, parse_combination

        alma = self.context.alma
        if parsed_args.from_run:
            instance_id = self.context.runs.process_id(parsed_args.from_run)
            return from_import(alma, instance_id, parsed_args.population)
        if parsed_args.from_logical:
            return from_logical_set(alma, parsed_args.from_logical)
        return combine_sets(alma, parse_combination(parsed_args.combine))

    def _make_from(self, origin: Origin, parsed_args: argparse.Namespace) -> Sequence[Any]:
        """Make a set that Alma fills itself, and return what is shown of it."""
        from almajob.sets.making import make_set_from
        from almajob.sets.plan import SetPlan

        plan = SetPlan(
            name=parsed_args.name,
            content=origin.content,
            id_type="",
            description=_describe(parsed_args, origin.described),
            is_public=parsed_args.public,
            skip_invalid=False,
            source=origin.digest,
            count=0,
        )
        found, made = self._make(plan, origin.described, parsed_args, partial(make_set_from, plan, origin))
        if made is not None and made.missing:
            self.verdict = PartlyDone(
                f"The set {made.name!r} ({made.id}) has {made.count:,} members; "
                f"{made.missing:,} are missing.",
                reason=f"Alma makes it from {origin.described}, and has added none for ten minutes.",
                hint="The same command looks at it again.",
            )
        return _values(plan, origin.described, found, made)

    def _make_of(
        self, ids: IdList, write: Callable[[Iterable[str]], None] | None, parsed_args: argparse.Namespace
    ) -> Sequence[Any]:
        """Make a set of ids, and return what is shown of it.

        Args:
            write: writes the ids that Alma refused; None where nobody wants them.
        """
        from almajob.sets.forecast import count_pages
        from almajob.sets.making import MOST_SIFTING_CALLS, list_rejected, make_set
        from almajob.sets.plan import plan_set_of_ids

        id_type = parsed_args.id_type or ""
        content = parsed_args.content or (_ITEMS if id_type.upper() == _BARCODE else _TITLES)
        source = describe_ids(ids, parsed_args.ids)
        plan = plan_set_of_ids(
            parsed_args.name,
            ids,
            content,
            id_type=id_type,
            description=_describe(parsed_args, source),
            is_public=parsed_args.public,
            skip_invalid=parsed_args.skip_invalid,
            finds_refused=bool(parsed_args.rejected and id_type),
        )
        calls = 0
        if parsed_args.rejected:
            calls = MOST_SIFTING_CALLS if plan.finds_refused else count_pages(ids.count)
        found, made = self._make(plan, source, parsed_args, partial(make_set, plan, ids), more_calls=calls)
        if made is not None:
            self.verdict = _judge(made, ids, skips=plan.skip_invalid)
            if write:
                deps = self.context.workshop.sets()
                refused = made.refused if plan.finds_refused else list_rejected(ids, made, deps)
                write(refused if made.rejected else ())
        return _values(plan, source, found, made, ids=ids.count)

    def _make(
        self,
        plan: SetPlan,
        source: str,
        parsed_args: argparse.Namespace,
        make: Callable[[SetDeps], MadeSet],
        *,
        more_calls: int = 0,
    ) -> tuple[Forecast, MadeSet | None]:
        """Make a set once it may be made; with ``--dry-run`` only tell what would be done."""
        from almajob.runs.start.interruption import report_interruption
        from almajob.sets.forecast import SHOW, forecast_making, learn_calls_left, refuse_costly

        shop = self.context.workshop
        deps = shop.sets()
        found = forecast_making(plan, deps)
        found = found.replace(calls=found.calls + more_calls)
        refuse_costly(found.calls, learn_calls_left(deps.alma, shop.calls_left), "To make the set")
        if parsed_args.dry_run:
            return found, None
        if found.action != SHOW:
            self._confirm(plan, source, is_confirmed=parsed_args.yes)
        words = f"The set {plan.name} may not be complete. The same command goes on where it stopped."
        with report_interruption(lambda: words):
            return found, make(deps)

    def _confirm(self, plan: SetPlan, source: str, *, is_confirmed: bool) -> None:
        kind = f"{plan.content}, {'public' if plan.is_public else 'private'}"
        confirm_change(
            *(self.context, "This makes a set", [f"{plan.name}: {kind}", f"made of {source}"]),
            wanted=plan.name,
            called="the set's name",
            is_confirmed=is_confirmed,
        )


def _set_name(text: str) -> str:
    """Take the name of a new set."""
    name = non_empty(text).strip()
    if name.isascii() and name.isdigit():
        raise argparse.ArgumentTypeError("has only digits, and would be taken for the id of a set")
    if not name.isprintable():
        raise argparse.ArgumentTypeError("has a character in it that cannot be printed")
    return name


def _description(text: str) -> str:
    """Take a description; behind a longer one Alma might cut off the mark by which the set is known."""
    if len(text) > _LONGEST_DESCRIPTION:
        raise argparse.ArgumentTypeError(f"has more than {_LONGEST_DESCRIPTION} characters")
    if not text.isprintable():
        raise argparse.ArgumentTypeError("has a character in it that cannot be printed")
    return non_empty(text)


def _describe(parsed_args: argparse.Namespace, source: str) -> str:
    return parsed_args.description or f"Made by almajob from {source}"


def _judge(made: MadeSet, ids: IdList, *, skips: bool) -> AlmajobError | None:
    """Return what is wrong with a set that is there; None where nothing is."""
    if made.count == ids.count or (skips and 0 < made.count < ids.count):
        return None
    if not made.count:
        return PartlyDone(
            f"The set {made.name!r} ({made.id}) is empty: Alma knows none of the {ids.count:,} ids.",
            hint="--id-type and --content tell what the ids are.\n"
            f"almajob sets delete {made.id} deletes the set.",
        )
    return PartlyDone(
        f"The set {made.name!r} ({made.id}) has {made.count:,} members, and there are {ids.count:,} ids.",
        reason="Two ids may be of one record, or somebody has changed the set.",
        hint=f"To see them: almajob sets members {made.id}\n"
        "almajob sets replace gives it the ids of a file, and no others.",
    )


def _values(
    plan: SetPlan, source: str, found: Forecast, made: MadeSet | None, *, ids: int | None = None
) -> Sequence[Any]:
    return (
        Identifier(found.action),
        Identifier(made.id if made else found.set_id),
        *(Name(plan.name), Identifier(plan.content), Text(source), ids),
        made.count if made else None,
        made.rejected if made and ids is not None else None,
        found.calls,
    )
