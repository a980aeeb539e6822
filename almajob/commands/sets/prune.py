"""``almajob sets prune``: delete old sets that almajob has made."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from almajob.cli.command import Lister, Result
from almajob.cli.options.value_types import duration
from almajob.commands.sets.set_changes import confirm_change, describe_set, refuse_read_only
from almajob.errors import AlmajobError, NotConfirmed, PartlyDone, UsageError
from almajob.output.columns import Identifier, Name, moment
from almajob.system.terminal import asker
from almajob.text.sanitize import sanitize

if TYPE_CHECKING:
    from almajob.cli.context import Context
    from almajob.sets.prune import OldSet

LOG = logging.getLogger(__name__)
_DAY = 86400.0


class SetsPrune(Lister):
    """Delete old sets that almajob made for runs.

    A set goes if it was made so long ago, by almajob run --ids, and its runs were started as long
    ago and have ended. It stays if that is unknown, if --delete-set of its run still applies, or
    if somebody has changed its name or description. The records in the sets stay.

    The sets are shown, and a person is asked; in production the id of the first set is typed. An
    interrupted command goes on when it is given again.

    Examples:
      almajob --env sandbox sets prune --older-than 30d --dry-run
      almajob --env production sets prune --older-than 90d --yes -f json
    """

    columns = ("id", "name", "members", "made", "run_key")
    least_needed = ("run_key", "members")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--older-than",
            metavar="DURATION",
            type=duration,
            required=True,
            help="only sets that were made, and last used, so long ago: 30d; at least 1d",
        )
        parser.add_argument("--all", action="store_true", help="also sets that almajob made for no run")
        parser.add_argument("--dry-run", action="store_true", help="list the sets, and delete none")
        parser.add_argument("--yes", action="store_true", help="delete without asking")
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.older_than < _DAY:
            raise UsageError(
                "--older-than must be at least 1d.", reason="A younger set may be of a run that is to start."
            )

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.sets.prune import delete_old_sets, find_old_sets

        shop = self.context.workshop
        is_dry_run, before = parsed_args.dry_run, self.context.now().timestamp() - parsed_args.older_than
        if not is_dry_run:
            refuse_read_only(self.context)
        old = find_old_sets(before, shop, also_lasting=parsed_args.all, is_dry_run=is_dry_run)
        self.note_if_empty = "There is no set to delete."
        if is_dry_run or not old:
            return self.columns, list(map(_make_row, old))
        if not parsed_args.yes:
            _confirm(old, self.context)
        problems: list[AlmajobError] = []
        deleted = list(delete_old_sets(old, before, shop, problems))
        self.note_if_empty = "No set was deleted."
        self.verdict = _judge(len(deleted), len(old), problems)
        return self.columns, list(map(_make_row, deleted))


def _make_row(old: OldSet) -> tuple[object, ...]:
    made, found = old.record, old.found
    return Identifier(found.id), Name(found.name), found.members, moment(made.made_at), made.run_key or None


def _confirm(old: list[OldSet], context: Context) -> None:
    """Show the sets to a person who is to agree.

    Raises:
        NotConfirmed: nobody can, or nobody does.
    """
    shown = [describe_set(each.found) for each in old]
    if context.environment.is_production:
        confirm_change(
            *(context, "This deletes sets", shown),
            wanted=old[0].found.id,
            called="the id of the first",
            is_confirmed=False,
        )
        return
    environment, sets = context.environment.name, "1 set" if len(old) == 1 else f"{len(old):,} sets"
    ask = asker()
    if ask is None:
        raise NotConfirmed(
            f"Nobody has agreed to deleting {sets} in {environment}; nothing was deleted.",
            hint="--dry-run lists them. Add --yes to have them deleted.",
        )
    lines = [f"  {sanitize(each)}" for each in shown]
    if not ask("\n".join([f"This deletes {sets} in {environment}:", *lines, "Delete them?"])):
        raise NotConfirmed("Nothing was deleted.", hint="Answer y, or add --yes.")


def _judge(deleted: int, wanted: int, problems: list[AlmajobError]) -> AlmajobError | None:
    """Return what the command ends with where a set was not deleted."""
    if not problems:
        return None
    if not deleted:
        return problems[0]
    return PartlyDone(
        f"{deleted:,} of {wanted:,} sets were deleted.",
        reason=problems[-1].message,
        hint="The same command goes on.",
    )
