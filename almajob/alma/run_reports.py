"""What Alma tells of a run beyond its counters: the events of a user job, the matches of an import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from almajob.alma.models import Code, Json, items, text, whole_number

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a run of a user job reports: as a rule, a user that it rejected.

    Alma documents no members for it, so all that come are kept.

    Attributes:
        id: empty where there is none.
        entity: what it is about, such as a user's primary id; empty where that is not told.
        message: what is told; empty where nothing is.
        fields: every member, as it came.
    """

    id: str
    entity: Code
    message: str
    fields: Mapping[str, Any]

    @classmethod
    def from_json(cls, raw: Json) -> Event:
        message = Code.from_json(raw.get("message", raw.get("value")))
        return cls(
            text(raw.get("id")), Code.from_json(raw.get("entity")), message.desc or message.value, dict(raw)
        )


@dataclass(frozen=True, slots=True)
class Match:
    """A record of an import, and the records that were in Alma already (MMS ids)."""

    incoming_record_id: str
    mms_ids: tuple[str, ...]

    @classmethod
    def from_json(cls, raw: Json) -> Match:
        # One text, joined by commas: "9910000000000561,9920000000000561".
        listed = Code.from_json(raw.get("mms_ids")).value
        ids = tuple(item.strip() for item in listed.split(",") if item.strip())
        return cls(text(raw.get("incoming_record_id")), ids)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, and how many Alma says there are in all; None where it does not say."""

    items: tuple[T, ...]
    total: int | None

    @classmethod
    def of(cls, raw: Json, name: str, read: Callable[[Json], T]) -> Page[T]:
        """Read a page.

        Args:
            raw: the answer.
            name: of its array.
            read: reads one item of it.
        """
        total = whole_number(raw.get("total_record_count"), -1)
        return cls(tuple(read(item) for item in items(raw, name)), total if total >= 0 else None)
