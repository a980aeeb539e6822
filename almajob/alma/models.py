"""What Alma speaks of: jobs, their instances, counters, code tables; frozen, and tolerant in reading.

Each ``from_json`` takes the JSON form of Alma's answer (``documents.parse`` gives it for XML too) and
accepts what Alma varies: absent members, ``{"value", "desc"}`` or a bare word, numbers as text.
Shapes: https://developers.exlibrisgroup.com/alma/apis/docs/xsd/rest_job_instance.xsd/
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from almajob.alma import statuses

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Code:
    """A value of a code table with the description that Alma sent along; either may be empty."""

    value: str = ""
    desc: str = ""

    @classmethod
    def from_json(cls, raw: object) -> Code:
        if isinstance(raw, Mapping):
            return cls(text(raw.get("value")), text(raw.get("desc")))
        return cls(text(raw))

    def to_json(self) -> dict[str, str]:
        return {"value": self.value, "desc": self.desc}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a start, as sent."""

    name: str
    value: str

    @classmethod
    def from_json(cls, raw: Json) -> Parameter:
        return cls(Code.from_json(raw.get("name")).value, Code.from_json(raw.get("value")).value)

    def to_json(self) -> dict[str, Any]:
        return {"name": {"value": self.name}, "value": self.value}


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the list gives it, with the members that only a single job's answer has.

    Attributes:
        id: ``M``, ``S`` or ``O`` and digits; differs between environments for the same job.
        name: not unique, and not to be normalised: real names have two blanks or a full stop at the end.
    """

    id: str
    name: str
    type: Code = Code()
    category: Code = Code()
    description: str = ""
    content: Code = Code()
    schedule: Code = Code()
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
        """Give the four members that a list has, to be kept."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type.to_json(),
            "category": self.category.to_json(),
        }


@dataclass(frozen=True, slots=True)
class JobsPage:
    """One page of the job list, and how many jobs Alma says there are in all."""

    jobs: tuple[Job, ...]
    total: int

    @classmethod
    def from_json(cls, raw: Json) -> JobsPage:
        jobs = tuple(Job.from_json(item) for item in items(raw, "job"))
        return cls(jobs, whole_number(raw.get("total_record_count"), len(jobs)))


@dataclass(frozen=True, slots=True)
class Submission:
    """Alma's answer to a start.

    Attributes:
        instance_id: the last segment of the link in ``additional_info``; empty where there is none.
        job_id: the job that the link names; empty where there is none.
        sentence: ``Job no. 3896… triggered on Wed, 15 Feb 2023 12:46:18 GMT``.
    """

    instance_id: str
    job_id: str
    sentence: str

    @classmethod
    def from_json(cls, raw: Json) -> Submission:
        said = raw.get("additional_info")
        link = text(said.get("link")) if isinstance(said, Mapping) else ""
        # Only the path counts, absolute or relative: the host that a link names is never called.
        path = link.partition("?")[0].rstrip("/").split("/")
        if len(path) < 4 or path[-2] != "instances" or not re.fullmatch("[0-9]+", path[-1]):
            return cls("", "", Code.from_json(said).value)
        return cls(path[-1], path[-3], Code.from_json(said).value)


@dataclass(frozen=True, slots=True)
class Counter:
    """One line of a report. The value is text and may be words; a message may stand in the type."""

    type: Code
    value: str

    @classmethod
    def from_json(cls, raw: Json) -> Counter:
        return cls(Code.from_json(raw.get("type")), Code.from_json(raw.get("value")).value)


@dataclass(frozen=True, slots=True)
class Instance:
    """One run of a job.

    Attributes:
        id: the Process ID of Alma's Monitor Jobs.
        status: a word of the code table ``systemJobStatus``.
        progress: per cent; stays 0 on failure and may be above 100, so nothing is decided by it.
        submit_time, start_time, end_time: UTC; the text as it came where it is no time; None until known.
        status_date: a date, as it came (``2025-10-05Z``).
        job: the job that ran, without its content.
    """

    id: str
    name: str = ""
    status: Code = Code()
    progress: float | None = None
    submitted_by: Code = Code()
    submit_time: datetime | str | None = None
    start_time: datetime | str | None = None
    end_time: datetime | str | None = None
    status_date: str = ""
    alerts: tuple[Code, ...] = ()
    counters: tuple[Counter, ...] = ()
    job: Job | None = None

    @property
    def seconds(self) -> float | None:
        """How long it ran, from its start to its end; None where that is not known, or not yet."""
        if not isinstance(self.start_time, datetime) or not isinstance(self.end_time, datetime):
            return None
        took = (self.end_time - self.start_time).total_seconds()
        return took if took >= 0 and self.has_ended else None

    @property
    def has_ended(self) -> bool:
        """Whether it is over, by its status; by its end time only where the status is not known."""
        return statuses.has_ended(self.status.value, has_end_time=isinstance(self.end_time, datetime))

    @classmethod
    def from_json(cls, raw: Json) -> Instance:
        job = raw.get("job_info")
        return cls(
            id=text(raw.get("id")),
            name=text(raw.get("name")),
            status=Code.from_json(raw.get("status")),
            progress=_number(raw.get("progress")),
            submitted_by=Code.from_json(raw.get("submitted_by")),
            submit_time=parse_time(raw.get("submit_time")),
            start_time=parse_time(raw.get("start_time")),
            end_time=parse_time(raw.get("end_time")),
            status_date=text(raw.get("status_date")),
            alerts=tuple(Code.from_json(item) for item in items(raw, "alert")),
            counters=tuple(Counter.from_json(item) for item in items(raw, "counter")),
            job=Job.from_json(job) if isinstance(job, Mapping) else None,
        )


@dataclass(frozen=True, slots=True)
class InstancesPage:
    """One page of a job's runs, and how many Alma says there are in all; None where it does not say."""

    instances: tuple[Instance, ...]
    total: int | None

    @classmethod
    def from_json(cls, raw: Json) -> InstancesPage:
        found = tuple(Instance.from_json(item) for item in items(raw, "job_instance"))
        total = whole_number(raw.get("total_record_count"), -1)
        return cls(found, total if total >= 0 else None)


@dataclass(frozen=True, slots=True)
class General:
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


def parse_time(raw: object) -> datetime | str | None:
    """Read a time of Alma's, with or without milliseconds; what is no time stays text.

    Alma's times are Zulu; one without a zone is taken for UTC.
    """
    said = text(raw)
    if not said:
        return None
    try:
        found = datetime.fromisoformat(said)
        if "T" not in said and " " not in said:
            return said
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return said


def items(raw: Json, name: str) -> list[Json]:
    """Give the array under a name: absent when empty, a lone object where Alma sends just one."""
    found = raw.get(name)
    listed = found if isinstance(found, list) else [] if found is None else [found]
    return [item if isinstance(item, Mapping) else {"value": item} for item in listed]


def text(raw: object) -> str:
    """Read a bare word or number as text; what is absent, or no word, as none."""
    return "" if raw is None or isinstance(raw, (Mapping, list)) else str(raw)


def _number(raw: object) -> float | None:
    try:
        found = float(text(raw))
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def whole_number(raw: object, default: int) -> int:
    """Read a whole number, also where it comes as text."""
    try:
        return int(text(raw))
    except ValueError:
        return default
