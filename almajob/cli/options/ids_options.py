"""The options of a start on ids: of which file a set is made for it, and what becomes of the set."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from almajob.cli.options.value_types import non_empty
from almajob.errors import UsageError
from almajob.runs.saved_run import DELETE_SET, SavedRun
from almajob.runs.start_request import StartOptions
from almajob.text.frozen import Frozen

if TYPE_CHECKING:
    from almajob.sets.run_with_ids import OwnSetOptions

_ALWAYS = "always"
# With which option each is typed that says something of the ids.
_OF_IDS = {
    "id_type": "--id-type",
    "id_column": "--id-column",
    "skip_invalid": "--skip-invalid",
    "rejected": "--rejected",
    "delete_set": "--delete-set",
}
_FORM = "one id a line, or a table with --id-column; - reads standard input"


class IdsArguments(Frozen):
    """What a command line says of the ids that a job works on.

    Attributes:
        path: of the file; ``-`` for standard input.
        id_type: what they are; empty for Alma's standard.
        column: of a table, with the ids in it; empty where it has one only.
        skip_invalid: leave out those that Alma does not know.
        rejected: the path of a file for those that Alma refuses; empty for none.
        delete_set: when the set is deleted: never, good or always.
    """

    path: str
    id_type: str = ""
    column: str = ""
    skip_invalid: bool = False
    rejected: str = ""
    delete_set: str = "never"


def add_ids_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say of which ids a set is made for a start; ``ids_of`` reads them."""
    group = parser.add_argument_group("a set of its own")
    group.add_argument(
        "--ids",
        metavar="FILE",
        type=non_empty,
        help=f"make a set of the ids in this file, and process it: {_FORM}",
    )
    add_id_form_options(group)
    group.add_argument(
        "--skip-invalid",
        action="store_true",
        help="leave out ids that Alma refuses, instead of starting nothing",
    )
    group.add_argument(
        "--rejected",
        metavar="FILE",
        type=non_empty,
        help="with --skip-invalid: write the ids that Alma refused to this file",
    )
    group.add_argument(
        "--delete-set",
        choices=DELETE_SET,
        help="delete the set never, once the run has ended well (good), or once it has ended (always); "
        "whoever waits for the end does it (default: never)",
    )


def add_ids_file_option(group: argparse._ActionsContainer, doing: str, *, is_needed: bool) -> None:
    """Add the option that names a file of ids.

    Args:
        doing: what becomes of the ids, for the help.
    """
    group.add_argument(
        "--ids",
        metavar="FILE",
        type=non_empty,
        required=is_needed,
        help=f"{doing} the ids in this file: {_FORM}",
    )


def add_id_form_options(group: argparse._ActionsContainer) -> None:
    """Add the options that say what the ids in a file are, and where in it."""
    group.add_argument(
        "--id-type",
        metavar="TYPE",
        type=non_empty,
        help="what the ids are, as Alma names it, such as BARCODE (default: the ids of Alma itself)",
    )
    group.add_argument(
        "--id-column", metavar="COLUMN", type=non_empty, help="of a CSV or TSV file: the column with the ids"
    )


def refuse_rejected_types(rejected: str | None, id_type: str | None) -> None:
    """Refuse to tell which ids Alma refused where that cannot be known.

    Raises:
        UsageError: they are not Alma's own.
    """
    if rejected and id_type:
        raise UsageError(
            "--rejected does not go with --id-type: Alma lists the members of a set by its own ids only.",
            hint="Leave --rejected out.",
        )


def refuse_same_file(rejected: str | None, ids: str | None) -> None:
    """Refuse to write the ids that Alma refused in the place of all ids.

    Raises:
        UsageError: both are the same file.
    """
    if rejected and ids and Path(rejected).resolve() == Path(ids).resolve():
        raise UsageError(
            f"--rejected would replace the file of ids, {ids!r}.", hint="Name another file for --rejected."
        )


def ids_of(parsed_args: argparse.Namespace, saved: SavedRun) -> IdsArguments | None:
    """Read the options of ``add_ids_options``; None where no set is to be made.

    Args:
        saved: says what the command line does not.

    Raises:
        UsageError: one says something of ids, and there are none; or it would replace their file.
    """
    path = parsed_args.ids or saved.ids
    if not path:
        stray = next((option for name, option in _OF_IDS.items() if getattr(parsed_args, name)), "")
        if stray:
            raise UsageError(f"{stray} says something of --ids.", hint="Add --ids FILE.")
        return None
    refuse_same_file(parsed_args.rejected, path)
    # Of another file the saved column and type say nothing.
    others = SavedRun(saved.job, delete_set=saved.delete_set) if parsed_args.ids else saved
    return IdsArguments(
        path,
        parsed_args.id_type or others.id_type,
        parsed_args.id_column or others.column,
        parsed_args.skip_invalid or others.skip_invalid,
        parsed_args.rejected or "",
        parsed_args.delete_set or others.delete_set or "never",
    )


def own_set_of(ids: IdsArguments) -> OwnSetOptions:
    """Return how the set is made, and what becomes of it."""
    from almajob.sets.run_with_ids import OwnSetOptions

    return OwnSetOptions(ids.id_type, ids.skip_invalid, ids.delete_set, ids.path, ids.rejected)


def refuse_odd_start(options: StartOptions, ids: IdsArguments) -> None:
    """Refuse a way of starting that does not go with a set which is made for one start.

    Raises:
        UsageError: it would use the run of another set, or one that is deleted by then.
    """
    if options.if_running == "attach":
        raise UsageError(
            "--if-running attach does not go with --ids: the run that goes on works on another set.",
            hint="Leave one of the two out.",
        )
    if options.rerun_failed and ids.delete_set == _ALWAYS:
        raise UsageError(
            "--rerun-failed needs the set of the run that failed, and --delete-set always deletes it.",
            hint="Use --delete-set good.",
        )


def settings_of_ids(parsed_args: argparse.Namespace) -> dict[str, str]:
    """Return what a saved run keeps of these options, as settings of the ini."""
    if not parsed_args.ids:
        return {}
    return {
        # A saved run is started from anywhere.
        "ids": str(Path(parsed_args.ids).absolute()),
        "id_type": parsed_args.id_type or "",
        "id_column": parsed_args.id_column or "",
        "skip_invalid": "yes" if parsed_args.skip_invalid else "",
        "delete_set": parsed_args.delete_set or "",
    }
