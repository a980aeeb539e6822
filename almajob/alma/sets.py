"""A set of records, as Alma tells of it.

Shape: https://developers.exlibrisgroup.com/alma/apis/docs/xsd/rest_set.xsd/
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from almajob.alma.job_instances import parse_time
from almajob.alma.models import Code, Json, text, whole_number


@dataclass(frozen=True, slots=True)
class Set:
    """A set of records that a job works on.

    Attributes:
        content: what it is of, a code of ``SetContentType`` such as BIB_MMS or ITEM.
        members: how many it has; None where Alma does not say, as in a list.
        type: ITEMIZED or LOGICAL: its members, or those that a query finds.
        is_public: whether others than its maker see it; None where Alma does not say.
        created: when it was made; the text, where it is no time that can be read.
    """

    id: str
    name: str
    content: Code
    members: int | None = None
    type: str = ""
    is_public: bool | None = None
    description: str = ""
    created: datetime | str | None = None
    created_by: str = ""

    @classmethod
    def from_json(cls, raw: Json) -> Set:
        count = whole_number(Code.from_json(raw.get("number_of_members")).value, -1)
        return cls(
            id=text(raw.get("id")),
            name=text(raw.get("name")),
            content=Code.from_json(raw.get("content")),
            members=count if count >= 0 else None,
            type=Code.from_json(raw.get("type")).value,
            is_public={"true": False, "false": True}.get(Code.from_json(raw.get("private")).value.lower()),
            description=text(raw.get("description")),
            created=parse_time(raw.get("created_date")),
            created_by=Code.from_json(raw.get("created_by")).value,
        )
