"""The sets of an Alma, listed, and found by exact name or id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from almajob.alma.client import Alma
from almajob.alma.http.error_responses import NO_SUCH_SET
from almajob.alma.sets import Set
from almajob.errors import AlmaRefused, AmbiguousName, NotFound
from almajob.runs.parameters import set_check

if TYPE_CHECKING:
    from almajob.store.cache import Cache

_HINT = "almajob sets list shows the names and ids of all sets."
_ROWS = 2000
"""Sets in a part of the list of names that is kept."""


def list_sets(alma: Alma, *, content: str = "", kind: str = "") -> Iterator[Set]:
    """List sets, without their sizes.

    Args:
        content: the code of what they are of; of whatever where empty.
        kind: itemized or logical; both where empty.
    """
    query = {"content_type": content, "set_type": kind.upper()}
    listed = alma.pages("/conf/sets", {key: value for key, value in query.items() if value}, "set")
    return map(Set.from_json, listed)


def keep_names(found: Iterable[Set], cache: Cache, environment: str) -> Iterator[Set]:
    """Return all sets of a list, and keep their names for completions once all of them have come."""
    ids, names = list[str](), list[str]()
    for each in found:
        ids.append(each.id)
        names.append(each.name)
        yield each
    parts = [
        {"ids": ids[begin : begin + _ROWS], "names": names[begin : begin + _ROWS]}
        for begin in range(0, len(ids), _ROWS)
    ]
    if parts:
        cache.put_list(f"sets.{environment}", "sets:", parts)


def find_set(alma: Alma, named: str, *, is_exact: bool = False) -> Set:
    """Find a set, with the number of its members.

    Args:
        named: its name, or its id, which goes before.
        is_exact: no name that differs in anything will do, as for a change.

    Raises:
        Refused: there is none, or there are several.
    """
    if named.isascii() and named.isdigit():
        try:
            return alma.set(named)
        except AlmaRefused as refused:
            if refused.code not in NO_SUCH_SET:
                raise
    try:
        found = set_check.find(alma, named, is_exact=is_exact)
    except (NotFound, AmbiguousName) as refused:
        # The advice there is for a start; and of a look nobody thinks that it sends anything.
        message = refused.message if is_exact else refused.message.replace("; nothing was sent", "")
        raise refused.replace(message=message, hint=_HINT) from None
    try:
        return alma.set(found.id)
    except AlmaRefused as refused:
        if refused.code not in NO_SUCH_SET:
            raise
        raise NotFound(
            f"The set {named!r} is not there any more.",
            reason="It was deleted while almajob looked at it.",
            hint=_HINT,
            alma=refused.alma,
        ) from None
