"""Runs of jobs as Alma tells of them, their reports, and the answer to a start; read as ``models`` are."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from almajob.alma import status_codes
from almajob.alma.models import NO_CODE, Code, Job, Json, items, text, whole_number

T = TypeVar("T")
# Its value is a file's name for text, and for XML a stem, to which _1.xml is added.
_RESULT_FILE = "c.jobs.bibExport.link"


@dataclass(frozen=True, slots=True)
class Submission:
    """Alma's answer to a start.

    Attributes:
        instance_id: the last segment of the link in ``additional_info``; empty where there is none.
        job_id: the job that the link names; empty where there is none.
        sentence: ``Job no. 3896… triggered on Wed, 15 Feb 2023 12:46:18 GMT``.
        is_replayed: whether it is an older answer, as a cache on the way kept it.
    """

    instance_id: str
    job_id: str
    sentence: str
    is_replayed: bool = False

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
    """One line of a report.

    Attributes:
        type: what is counted: the code, and Alma's words for it. A message may stand here, too.
        value: text, as a rule a number.
    """

    type: Code
    value: str

    @classmethod
    def from_json(cls, raw: Json) -> Counter:
        return cls(Code.from_json(raw.get("type")), Code.from_json(raw.get("value")).value)

    @property
    def code(self) -> str:
        """Its code, such as ``c.jobs.bibExport.link``; empty where it has none."""
        return self.type.value

    @property
    def text(self) -> str:
        """What Alma calls it."""
        return self.type.desc


@dataclass(frozen=True, slots=True)
class Action:
    """What Alma offers to do with some records of an import: so it tells how many there are.

    Attributes:
        type: CREATE_SET.
        population: which records, such as NOT_ADDED_LOCKED.
        members: how many; None where that is not told.
    """

    type: Code
    population: Code
    members: int | None

    @classmethod
    def from_json(cls, raw: Json) -> Action:
        members = whole_number(raw.get("members"), -1)
        return cls(
            Code.from_json(raw.get("type")),
            Code.from_json(raw.get("population")),
            members if members >= 0 else None,
        )

    @property
    def as_counter(self) -> Counter:
        """What a counter of its records would be."""
        return Counter(self.population, "" if self.members is None else str(self.members))


@dataclass(frozen=True, slots=True)
class Instance:
    """One run of a job.

    Attributes:
        id: the Process ID of Alma's Monitor Jobs.
        name: of the run, as Alma lists it: that of its job, or what almajob made of it.
        status: a word of the code table ``systemJobStatus``.
        progress: per cent; stays 0 on failure and may be above 100, so nothing is decided by it.
        submit_time: in UTC; a text as it came if that is not a time; None until known.
        start_time: likewise.
        end_time: likewise; a run that goes on may have one already.
        submitted_by: the user who started it, with the name; a schedule is one, too.
        alerts: what Alma warns of in its report.
        counters: the lines of its report; they are there once it has ended.
        status_date: a date, as it came (``2025-10-05Z``).
        job: the job that ran, without its content.
    """

    id: str
    name: str = ""
    status: Code = NO_CODE
    progress: float | None = None
    submitted_by: Code = NO_CODE
    submit_time: datetime | str | None = None
    start_time: datetime | str | None = None
    end_time: datetime | str | None = None
    status_date: str = ""
    alerts: tuple[Code, ...] = ()
    counters: tuple[Counter, ...] = ()
    actions: tuple[Action, ...] = ()
    job: Job | None = None

    @property
    def populations(self) -> tuple[Counter, ...]:
        """How many records an import's actions are about, as counters are."""
        return tuple(action.as_counter for action in self.actions)

    @property
    def result_files(self) -> tuple[str, ...]:
        """What an export calls its files, as it tells: each is a name, or how a name begins."""
        return tuple(
            counter.value for counter in self.counters if counter.type.value == _RESULT_FILE and counter.value
        )

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
        return status_codes.has_ended(self.status.value, has_end_time=isinstance(self.end_time, datetime))

    def to_json(self) -> dict[str, Any]:
        """Return it in Alma's form, which ``from_json`` reads, to be kept."""
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status.to_json(),
            "progress": self.progress,
            "submitted_by": self.submitted_by.to_json(),
            "submit_time": _write_time(self.submit_time),
            "start_time": _write_time(self.start_time),
            "end_time": _write_time(self.end_time),
            "status_date": self.status_date,
            "alert": [each.to_json() for each in self.alerts],
            "counter": [{"type": each.type.to_json(), "value": each.value} for each in self.counters],
            "action": [
                {
                    "type": each.type.to_json(),
                    "population": each.population.to_json(),
                    "members": each.members,
                }
                for each in self.actions
            ],
            "job_info": self.job.to_json() if self.job else None,
        }

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
            actions=tuple(Action.from_json(item) for item in items(raw, "action")),
            job=Job.from_json(job) if isinstance(job, Mapping) else None,
        )


def _write_time(moment: datetime | str | None) -> str:
    return moment.isoformat() if isinstance(moment, datetime) else moment or ""


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
        told = raw.get("value") if raw.get("message") is None else raw["message"]
        message, entity = Code.from_json(told), Code.from_json(raw.get("entity"))
        return cls(text(raw.get("id")), entity, message.desc or message.value, dict(raw))


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
        """Read the array of a name in an answer, each item of it with ``read``."""
        total = whole_number(raw.get("total_record_count"), -1)
        return cls(tuple(read(item) for item in items(raw, name)), total if total >= 0 else None)


def label_run(instance_id: str, job_name: str = "", environment: str = "") -> str:
    """Return how people are told of a run, by its job and its Process ID: ``ERP export (run 956…)``.

    One without a Process ID has not begun.
    """
    place = f" in {environment}" if environment else ""
    if not instance_id:
        return f"The next run of {job_name}{place}"
    return f"{job_name}{place} (run {instance_id})" if job_name else f"Run {instance_id}{place}"


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


def _number(raw: object) -> float | None:
    try:
        found = float(text(raw))
    except ValueError:
        return None
    return found if math.isfinite(found) else None
