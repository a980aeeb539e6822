"""A job list as the cache keeps it: in parts of some thousand jobs, column by column.

So a part is read at once, and one that has not the text that is sought is not read at all. What
``completion.local_values`` reads of a part are its ids and names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any

from almajob.alma.models import Code, Job

_ROWS = 2000
"""Jobs in a part."""
_ONLY_ALONE = Job("", "")[4:]
"""What a list has not of a job."""


def to_parts(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Return the parts of a list, for the cache."""
    return [_make_part(jobs[begin : begin + _ROWS]) for begin in range(0, len(jobs), _ROWS)]


def _make_part(jobs: Sequence[Job]) -> dict[str, Any]:
    """Return the four members that a list has of each job; the few types and categories stand there once."""
    kinds: dict[tuple[str, ...], int] = {}
    kind_of = [
        kinds.setdefault((job.type.value, job.type.desc, job.category.value, job.category.desc), len(kinds))
        for job in jobs
    ]
    return {
        "ids": [job.id for job in jobs],
        "names": [job.name for job in jobs],
        "kinds": list(kinds),
        "kind_of": kind_of,
    }


def read_parts(parts: Iterable[bytes]) -> list[Job]:
    """Return the jobs of a list that was kept.

    Raises:
        ValueError: it is no list of jobs.
    """
    return list(chain.from_iterable(map(_read_part, parts)))


def read_parts_with(parts: Iterable[bytes], text: str) -> list[Job]:
    """Return some jobs of a list that was kept, among them all that have this id or exactly this name.

    Raises:
        ValueError: it is no list of jobs.
    """
    sought = json.dumps(text).encode()
    return read_parts(part for part in parts if sought in part)


def _read_part(text: bytes) -> list[Job]:
    try:
        part = json.loads(text)
        ids, names, kinds = part["ids"], part["names"], part["kinds"]
        kind_of = part["kind_of"]
        if not (
            len(ids) == len(names) == len(kind_of) and set(map(type, chain(ids, names, *kinds))) <= {str}
        ):
            raise TypeError
        codes = [(Code(*kind[:2]), Code(*kind[2:])) for kind in kinds]
        types, categories = ([codes[kind][place] for kind in kind_of] for place in (0, 1))
        # In a loop of Python's own it would take three times as long.
        return list(
            map(Job._make, zip(ids, names, types, categories, *map(repeat, _ONLY_ALONE), strict=False))
        )
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ValueError("it is not a list of jobs") from error
