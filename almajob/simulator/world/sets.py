"""The sets of a simulated environment: those it comes with, and those made through the API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from almajob.simulator.world.journal import Event
from almajob.simulator.world.lifecycle import instant

CONTENTS: dict[str, str] = {
    "AUTHORITY_MMS": "Authorities",
    "BIB_MMS": "All Titles",
    "BIB_MMS_DISCOVERY": "All Discovery Titles",
    "COURSE": "Courses",
    "FILE": "Digital files",
    "HOLDING": "Physical holdings",
    "IE": "Inventory titles",
    "IEC": "Collections",
    "IED": "Digital titles",
    "IEE": "Electronic titles",
    "IEP": "Physical titles",
    "IEPA": "Electronic collections",
    "IER": "Research assets",
    "ITEM": "Physical items",
    "PORTFOLIO": "Electronic portfolios",
    "PO_LINE": "Order lines",
    "READING_LIST": "Reading lists",
    "READING_LIST_CITATION": "Citations",
    "REMOTE_REPRESENTATION": "Digital remote representations",
    "REPRESENTATION": "Digital representations",
    "RESEARCHERS": "Researchers",
    "USER": "User",
    "VENDOR": "Vendor",
}
_FIRST_ID = 9563211250000561
_ID_STEP = 10_000
_MADE = 1_700_000_000.0


@dataclass(frozen=True, slots=True)
class SimulatedSet:
    """One set. A logical set has a query instead of members of its own.

    Attributes:
        fills: in how many seconds after its making its members come, where Alma fills it by a job.
    """

    id: str
    name: str
    content: str
    created: float
    members: tuple[str, ...] = ()
    logical: bool = False
    description: str = ""
    is_private: bool = False
    fills: float = 0.0

    def members_at(self, now: float) -> tuple[str, ...]:
        """Return the members that it has at a time: all, unless Alma still fills it."""
        age = now - self.created
        if not self.fills or age >= self.fills:
            return self.members
        return self.members[: int(len(self.members) * max(age, 0.0) / self.fills)]

    def document(self, base: str, now: float, *, whole: bool = True) -> dict[str, Any]:
        """Return it as Alma does at a time; the list leaves out how many members it has."""
        link = f"{base}/almaws/v1/conf/sets/{self.id}"
        kind = ("LOGICAL", "Logical") if self.logical else ("ITEMIZED", "Itemized")
        count = {"number_of_members": {"value": len(self.members_at(now)), "link": f"{link}/members"}}
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "type": {"value": kind[0], "desc": kind[1]},
            "content": {"value": self.content, "desc": CONTENTS.get(self.content, "")},
            "status": {"value": "ACTIVE", "desc": "Active"},
            "origin": {"value": "UI", "desc": "Institution only"},
            "private": {"value": "true", "desc": "Yes"}
            if self.is_private
            else {"value": "false", "desc": "No"},
            "status_date": instant(self.created),
            "created_by": {"value": "exl_api", "desc": "Ex Libris, API"},
            "created_date": instant(self.created),
            **({"query": {"value": "title contains library"}} if self.logical else {}),
            **(count if whole else {}),
            "link": link,
        }


class Sets:
    """The sets of one environment, as its journal has them."""

    def __init__(self, environment: str) -> None:
        offset = 0 if environment == "SANDBOX" else 7_000_000_000_000
        self._first_id = _FIRST_ID + offset
        self._sets: dict[str, SimulatedSet] = {}
        self._made = 0
        for name, content, count, logical in (
            ("Theses without a call number", "BIB_MMS", 120, False),
            ("Lost items", "ITEM", 40, False),
            ("Users expiring this term", "USER", 300, False),
            ("An empty set", "BIB_MMS", 0, False),
            ("All electronic theses", "BIB_MMS", 25, True),
        ):
            members = tuple(str(99_100_000_000_561 + index * _ID_STEP) for index in range(count))
            self._add(SimulatedSet(self.next_id(), name, content, _MADE, members, logical))

    def __contains__(self, set_id: str) -> bool:
        return set_id in self._sets

    def __iter__(self) -> Iterator[SimulatedSet]:
        return iter(list(self._sets.values()))

    def find(self, set_id: str) -> SimulatedSet | None:
        """Find a set."""
        return self._sets.get(set_id)

    def next_id(self) -> str:
        """Return the id of the set that is made next."""
        return str(self._first_id + self._made * _ID_STEP)

    def apply(self, event: Event) -> None:
        """Apply an event to the sets.

        Raises:
            ValueError: it is no event of theirs.
        """
        match event["kind"]:
            case "set":
                members = tuple(map(str, event["members"]))
                instant(event["at"])
                f"{event['name']}{event['content']}{event['description']}".encode()
                self._add(
                    SimulatedSet(
                        event["id"],
                        event["name"],
                        event["content"],
                        event["at"],
                        members,
                        description=event["description"],
                        # Worlds that an earlier almajob has kept do not tell.
                        is_private=bool(event.get("is_private")),
                        fills=float(event.get("fills", 0.0)),
                    )
                )
            case "rename set":
                f"{event['name']}{event['description']}".encode()
                found = self._sets[event["id"]]
                self._sets[found.id] = replace(found, name=event["name"], description=event["description"])
            case "members":
                found = self._sets[event["id"]]
                self._sets[event["id"]] = replace(found, members=tuple(map(str, event["members"])), fills=0.0)
            case "drop set":
                del self._sets[event["id"]]
            case kind:
                raise ValueError(f"{kind!r} is no event of a world")

    def _add(self, made: SimulatedSet) -> None:
        self._sets[made.id] = made
        self._made += 1
