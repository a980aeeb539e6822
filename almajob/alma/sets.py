"""A set of records, as Alma tells of it.

Shape: https://developers.exlibrisgroup.com/alma/apis/docs/xsd/rest_set.xsd/
"""

from __future__ import annotations

from dataclasses import dataclass

from almajob.alma.models import Code, Json, text, whole_number


@dataclass(frozen=True, slots=True)
class Set:
    """A set of records that a job works on.

    Attributes:
        content: what it is of, a code of ``SetContentType`` such as BIB_MMS or ITEM.
        members: how many it has; None where Alma does not say, as in a list.
    """

    id: str
    name: str
    content: Code
    members: int | None = None

    @classmethod
    def from_json(cls, raw: Json) -> Set:
        count = whole_number(Code.from_json(raw.get("number_of_members")).value, -1)
        return cls(
            id=text(raw.get("id")),
            name=text(raw.get("name")),
            content=Code.from_json(raw.get("content")),
            members=count if count >= 0 else None,
        )
