"""What Alma speaks of: jobs, parameters, code tables; frozen, and tolerant in reading.

Each ``from_json`` takes the JSON form of Alma's answer (``body_parser.parse`` returns it for XML too) and
accepts what Alma varies: absent members and null ones, ``{"value", "desc"}`` or a bare word, numbers
as text.
Shapes: https://developers.exlibrisgroup.com/alma/apis/docs/xsd/rest_job_instance.xsd/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Json = Mapping[str, Any]


class Code(str):
    """A value of a code table with the description that Alma sent along; either may be empty.

    It is the code itself: ``status == "COMPLETED_SUCCESS"`` compares that alone, and so it is printed.

    Attributes:
        desc: what it means, in words.
    """

    __slots__ = ("desc",)
    desc: str

    def __new__(cls, value: str = "", desc: str = "") -> Code:
        made = super().__new__(cls, value)
        made.desc = desc
        return made

    @property
    def value(self) -> str:
        """The code, such as ``COMPLETED_SUCCESS``."""
        return str(self)

    def __repr__(self) -> str:
        return f"Code({str(self)!r}, {self.desc!r})"

    @classmethod
    def from_json(cls, raw: object) -> Code:
        if raw is None:
            return NO_CODE
        if isinstance(raw, Mapping):
            return cls(text(raw.get("value")), text(raw.get("desc")))
        return cls(text(raw))

    def to_json(self) -> dict[str, str]:
        return {"value": self.value, "desc": self.desc}


NO_CODE = Code()
"""What an absent one is."""


class Parameter(NamedTuple):
    """One parameter of a start, as sent.

    Attributes:
        name: such as ``set_id``.
        value: as text.
    """

    name: str
    value: str

    @classmethod
    def from_json(cls, raw: Json) -> Parameter:
        return cls(Code.from_json(raw.get("name")).value, Code.from_json(raw.get("value")).value)

    def to_json(self) -> dict[str, Any]:
        return {"name": {"value": self.name}, "value": self.value}


class Job(NamedTuple):
    """A job as the list gives it, with the members that only a single job's answer has.

    Attributes:
        id: ``M``, ``S`` or ``O`` and digits; differs between environments for the same job.
        name: not unique, and not to be normalised: real names have two blanks or a full stop at the end.
        type: MANUAL, SCHEDULED or OTHER.
        category: what kind of work it does.
        description: only where the job was read alone, as are the ones below.
        content: what it works on.
        schedule: when it runs; that of a job without one is ``NOT_SCHEDULED``.
        creator: who made it.
        next_run: when it runs next, as Alma writes it.
        related_profile: the id of the import or integration profile that it belongs to.
    """

    id: str
    name: str
    type: Code = NO_CODE
    category: Code = NO_CODE
    description: str = ""
    content: Code = NO_CODE
    schedule: Code = NO_CODE
    creator: str = ""
    next_run: str = ""
    related_profile: str = ""

    @classmethod
    def from_json(cls, raw: Json) -> Job:
        return cls(
            id=text(raw.get("id")),
            name=text(raw.get("name")),
            type=Code.from_json(raw.get("type")),
            category=Code.from_json(raw.get("category")),
            description=text(raw.get("description")),
            content=Code.from_json(raw.get("content")),
            schedule=Code.from_json(raw.get("schedule")),
            creator=Code.from_json(raw.get("creator")).value,
            next_run=text(raw.get("next_run")),
            related_profile=Code.from_json(raw.get("related_profile")).value,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the four members that a list has, to be kept."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type.to_json(),
            "category": self.category.to_json(),
        }


class JobFilter(NamedTuple):
    """What ``GET /conf/jobs`` can filter by; empty means all.

    Attributes:
        type: MANUAL, SCHEDULED or OTHER.
        category: a code of ``HPaTaskChain.type`` (manual) or ``systemJobsGroups`` (the others).
        profile_id: of an integration profile; scheduled jobs only.
    """

    type: str = ""
    category: str = ""
    profile_id: str = ""

    def to_params(self) -> dict[str, str]:
        """Return the query parameters; an empty one is left out, as Alma would answer unrelated jobs."""
        named = {"type": self.type, "category": self.category, "profile_id": self.profile_id}
        return {name: value for name, value in named.items() if value}


class General(NamedTuple):
    """Of ``conf/general`` only what says where a key leads: environment type and institution."""

    environment_type: str
    institution: str

    @classmethod
    def from_json(cls, raw: Json) -> General:
        environment = Code.from_json(raw.get("environment_type")).value
        return cls(environment, Code.from_json(raw.get("institution")).value)


def code_table_from_json(raw: Json) -> dict[str, str]:
    """Read a code table: code to description."""
    return {text(row.get("code")): text(row.get("description")) for row in items(raw, "row")}


def items(raw: Json, name: str) -> list[Json]:
    """Return the array under a name: absent when empty, a lone object where Alma sends just one."""
    found = raw.get(name)
    listed = found if isinstance(found, list) else [] if found is None else [found]
    return [item if isinstance(item, Mapping) else {"value": item} for item in listed if item is not None]


def text(raw: object) -> str:
    """Read a bare word or number as text; what is absent, or no word, as none."""
    return "" if raw is None or isinstance(raw, (Mapping, list)) else str(raw)


def whole_number(raw: object, default: int) -> int:
    """Read a whole number, also where it comes as text."""
    try:
        return int(text(raw))
    except ValueError:
        return default
