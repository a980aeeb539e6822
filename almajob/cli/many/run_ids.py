"""Process IDs among several environments: each run is in one of them, and the ledger knows in which."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from copy import copy

from almajob.cli.context import Context
from almajob.errors import AlmajobError, UsageError
from almajob.runs.run_reference import LAST


def share_run_ids(
    parsed_args: argparse.Namespace, contexts: Sequence[Context]
) -> dict[Context, argparse.Namespace]:
    """Return the words for each environment: names for all of them, and Process IDs where their runs are.

    Where only runs of other environments are named, there are no words for one.

    Raises:
        UsageError: a run was not started from here, so that nobody knows where it is.
    """
    words: list[str] = getattr(parsed_args, "run_ids", [])
    ids = [word for word in words if word.isascii() and word.isdigit()]
    if not ids:
        return {context: copy(parsed_args) for context in contexts}
    places = _find_places(ids, contexts)
    shared = {}
    for context in contexts:
        own = [word for word in words if context in places.get(word, contexts)]
        if own:
            shared[context] = copy(parsed_args)
            shared[context].run_ids = own
    return shared


def find_last_runs(parsed_args: argparse.Namespace, contexts: Sequence[Context]) -> list[str]:
    """Return the Process IDs of what was started last in each environment, where ``@last`` is named."""
    found = []
    for context in contexts if LAST in getattr(parsed_args, "run_ids", []) else ():
        # What is wrong with one is reported by the work in it.
        with suppress(AlmajobError):
            found.append(context.runs.process_id(LAST))
    return list(dict.fromkeys(found))


def _find_places(ids: Sequence[str], contexts: Sequence[Context]) -> dict[str, list[Context]]:
    of_name = {context.environment_name: context for context in contexts}
    places: dict[str, list[Context]] = {}
    with contexts[0].ledger.read() as view:
        for word in ids:
            found = [record.environment for record in view.list_of_instance(word)]
            # A run key may be digits, too.
            if not found and view.list_of_key(word):
                continue
            there = [of_name[name] for name in found if name in of_name]
            if not there:
                where = f"It is in {found[-1]}." if found else "It was not started from here."
                raise UsageError(
                    f"Run {word} is in none of these environments, as far as the ledger knows.",
                    reason=where,
                    hint=f"Name its own: --env {found[-1] if found else 'NAME'}",
                )
            places[word] = there
    return places
