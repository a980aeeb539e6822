"""What the commands that bring one ledger into another have in common."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from almajob.output.columns import Sentence

if TYPE_CHECKING:
    from almajob.store.upkeep.merge import Merged

MERGED_COLUMNS = (
    *("source", "target", "added", "changed", "same", "archived", "facts", "kept_facts", "announcements"),
    "dry_run",
)


def add_trial_option(parser: argparse.ArgumentParser) -> None:
    """Add the option with which nothing is written."""
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")


def merged_values(source: str, target: str, merged: Merged, *, is_trial: bool) -> tuple[Any, ...]:
    """Return what was brought into a ledger, in the order of MERGED_COLUMNS."""
    return (
        Sentence(source),
        Sentence(target),
        merged.added,
        merged.changed,
        merged.same,
        merged.archived,
        merged.facts,
        merged.kept_facts,
        merged.announcements,
        is_trial,
    )
