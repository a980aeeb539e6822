"""From what else than ids a set is made: from a logical set, from two others, or from an import.

Parameters and codes: https://developers.exlibrisgroup.com/alma/apis/docs/conf/. Alma fills such a set only
after its answer, as programs show that wait for it; how long that takes is not known.
"""

from __future__ import annotations

from typing import NamedTuple

from almajob.simulator.api.jobs import Exchange
from almajob.simulator.errors import Refusal
from almajob.simulator.world import reports
from almajob.simulator.world.sets import SimulatedSet

_TITLES = "BIB_MMS"
_NEVER = 1e12
_FIRST_RECORD, _RECORD_STEP = 99_100_000_000_561, 10_000


class Source(NamedTuple):
    """What a set is filled with.

    Attributes:
        content: what the members are.
        seconds: how long it takes until all are in the set.
    """

    content: str
    members: tuple[str, ...]
    seconds: float


def find_source(exchange: Exchange) -> Source | None:
    """Return what the query of a call names; None where it names nothing, and the set has members of its own.

    Raises:
        Refusal: it names what is not there, or what does not go together.
    """
    query = {name: value for name, value in exchange.call.query.items() if value not in ("", "None")}
    if query.keys() & {"job_instance_id", "population"}:
        content, members = _read_import(exchange, query)
    elif "from_logical_set" in query:
        found = _find_set(exchange, query["from_logical_set"])
        if not found.logical:
            raise Refusal("402264", "It is not logical.")
        content, members = found.content, found.members_at(exchange.now)
    elif query.keys() & {"combine", "set1", "set2"}:
        content, members = _combine(exchange, query)
    else:
        return None
    is_stuck = "set-stays-empty" in exchange.faults
    return Source(content, members, _NEVER if is_stuck else exchange.world.rules.filling)


def _read_import(exchange: Exchange, query: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    if not query.keys() >= {"job_instance_id", "population"}:
        raise Refusal("500127")
    run = exchange.world.run(query["job_instance_id"])
    if run is None:
        raise Refusal("402218")
    if not reports.is_import(run.job):
        raise Refusal("402267")
    populations = dict(reports.POPULATIONS)
    if query["population"] not in populations or not run.has_ended(exchange.now):
        raise Refusal("402266")
    count = populations[query["population"]]
    return _TITLES, tuple(str(_FIRST_RECORD + number * _RECORD_STEP) for number in range(count))


def _combine(exchange: Exchange, query: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    first, second = (_find_set(exchange, query.get(name, "")) for name in ("set1", "set2"))
    if first.content != second.content:
        raise Refusal("60205")
    one, other = (dict.fromkeys(each.members_at(exchange.now)) for each in (first, second))
    match query.get("combine", "AND").upper():
        case "AND":
            members = [each for each in one if each in other]
        case "OR":
            members = list(one | other)
        case "NOT":
            members = [each for each in one if each not in other]
        case _:
            raise Refusal("60204")
    return first.content, tuple(members)


def _find_set(exchange: Exchange, set_id: str) -> SimulatedSet:
    found = exchange.world.sets.find(set_id)
    if found is None:
        raise Refusal("402264", set_id[:30])
    return found
