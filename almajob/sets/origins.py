"""From what else than a file Alma makes a set: a logical set, two sets that are combined, or an import."""

from __future__ import annotations

import re

from almajob.alma.client import Alma
from almajob.alma.sets import Set
from almajob.errors import NotFound, Refused, UsageError
from almajob.jobs.run_reports import POPULATIONS
from almajob.sets.set_lookup import find_set
from almajob.store.ledger.record import checksum
from almajob.text.frozen import Frozen
from almajob.text.suggestions import suggest

_LOGICAL, _TITLES = "LOGICAL", "BIB_MMS"
_OPERATORS = {"and": "AND", "or": "OR", "not": "NOT", "and not": "NOT"}
_OPERATOR = re.compile(r"(?:^|\s)\s*(and\s+not|and|or|not)(?=\s|$)", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')
_EXAMPLE = """For example: --combine '"Arts and crafts" not "Lost items"'"""


class Origin(Frozen):
    """What Alma makes a set from.

    Attributes:
        query: of the call that makes it.
        content: the code of what it will be of.
        described: how people are told of it.
        fewest: how many members it will have at least.
        most: how many it will have at most; None where nobody knows.
    """

    query: dict[str, str]
    content: str
    described: str
    fewest: int
    most: int | None

    @property
    def digest(self) -> str:
        """What tells it from others."""
        return checksum(sorted(self.query.items()))


class Combination(Frozen):
    """Two sets that are to be combined.

    Attributes:
        first, second: their names or ids.
        operator: AND, OR or NOT, as Alma names it.
    """

    first: str
    operator: str
    second: str


def parse_combination(expression: str) -> Combination:
    """Read two names with ``and``, ``or`` or ``not`` between them; a name may stand in double quotes.

    Raises:
        UsageError: it is something else.
    """
    # What is in quotes keeps its length, and is no operator.
    masked = _QUOTED.sub(lambda quoted: "_" * len(quoted[0]), expression)
    found = list(_OPERATOR.finditer(masked))
    if len(found) > 1:
        raise UsageError(
            f"--combine {expression!r} has more than one of the words 'and', 'or' and 'not'.",
            reason="Alma combines two sets at a time. A name with such a word stands in double quotes.",
            hint=f"{_EXAMPLE}\nOf three sets, combine two first, and the result with the third.",
        )
    names = [expression[: found[0].start()], expression[found[0].end() :]] if found else [expression]
    first, second, *_ = [*map(_unquote, names), ""]
    if not first or not second:
        raise UsageError(
            f"--combine {expression!r} does not name two sets.",
            reason="Two names are needed, with 'and', 'or' or 'not' between them.",
            hint=_EXAMPLE,
        )
    return Combination(first, _OPERATORS[" ".join(found[0][1].lower().split())], second)


def _unquote(text: str) -> str:
    text = text.strip()
    return text[1:-1] if _QUOTED.fullmatch(text) else text


def combine_sets(alma: Alma, combination: Combination) -> Origin:
    """Look two sets up that are to be combined.

    Raises:
        Refused: one is not there, or they are of different things.
    """
    first, second = (find_set(alma, each, is_exact=True) for each in (combination.first, combination.second))
    operator = combination.operator
    described = f"{first.name!r} {operator.lower()} {second.name!r}"
    if first.id == second.id:
        raise Refused(
            f"{first.name!r} cannot be combined with itself; nothing was sent.",
            hint="Name two different sets.",
        )
    if first.content.value != second.content.value:
        raise Refused(
            f"The sets {first.name!r} and {second.name!r} cannot be combined; nothing was sent.",
            reason=f"One is of {_name_content(first)}, the other of {_name_content(second)}.",
            hint=f"almajob sets list --content {first.content.value} lists those that go with the first.",
        )
    query = {"combine": operator, "set1": first.id, "set2": second.id}
    return Origin(query, first.content.value, described, *_limit(first.members, operator, second.members))


def _limit(one: int | None, operator: str, other: int | None) -> tuple[int, int | None]:
    """Return how many members two sets of so many can have together, at least and at most."""
    if one is None or other is None:
        return 0, None
    if operator == "AND":
        return 0, min(one, other)
    return (max(one, other), one + other) if operator == "OR" else (max(one - other, 0), one)


def from_logical_set(alma: Alma, named: str) -> Origin:
    """Look up the logical set whose members of now are to be in a set.

    Raises:
        Refused: it is not there, or not logical.
    """
    found = find_set(alma, named, is_exact=True)
    if found.type.upper() != _LOGICAL:
        raise Refused(
            f"{found.name!r} ({found.id}) is not a logical set; nothing was sent.",
            reason="It is itemized: its members are its own, and no search finds them.",
            hint="almajob sets list --type logical lists the logical sets.",
        )
    described = f"the logical set {found.name!r}"
    query = {"from_logical_set": found.id}
    return Origin(query, found.content.value, described, found.members or 0, found.members)


def from_import(alma: Alma, instance_id: str, population: str) -> Origin:
    """Look up the records of an import of which a set is to be made.

    Args:
        population: which of its records, as its report calls them; ``single`` and ``multi`` for its matches.

    Raises:
        Refused: the run is not an import, has not ended, or has no such records.
    """
    instance = alma.instance(instance_id)
    if not instance.has_ended:
        raise Refused(
            f"The run {instance_id} has not ended; nothing was sent.",
            hint=f"To wait for its end: almajob wait {instance_id}",
        )
    known = {each.population.value: each for each in instance.actions if each.population.value}
    if not known:
        raise Refused(
            f"The run {instance_id} has no records to make a set of; nothing was sent.",
            reason="Only imports of titles (Metadata Import) have them, once they have ended well.",
            hint="almajob history JOB lists the runs of an import.",
        )
    named = POPULATIONS.get(population.lower(), population.upper())
    if named not in known:
        raise NotFound(
            f"The run {instance_id} has no population {population!r}; nothing was sent.",
            reason=suggest(named, known),
            hint=f"It has: {', '.join(known)}",
        )
    members = known[named].members
    if members == 0:
        raise Refused(
            f"The run {instance_id} has no records that are {named}; nothing was sent.",
            hint=f"Its populations are: {', '.join(known)}",
        )
    query = {"job_instance_id": instance_id, "population": named}
    described = f"{named} of the run {instance_id}"
    return Origin(query, _TITLES, described, members or 1, members)


def _name_content(found: Set) -> str:
    return found.content.desc or found.content.value
