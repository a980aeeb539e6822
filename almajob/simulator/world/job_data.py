"""The jobs of the simulator's environments, and what each is like: real names, ids, types, categories."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

SANDBOX = "SANDBOX"
PRODUCTION = "PRODUCTION"
_MOST_JOBS = 100_000

# Which integration profile a scheduled job belongs to.
PROFILES = (
    ("7562275960000561", "FINANCE", "ERP finance feed", "FINANCE"),
    ("7562275970000561", "BURSAR", "Bursar feed", "BURSAR"),
    ("7562275980000561", "SIS", "Student information system", "USERS"),
    ("7562275990000561", "STORAGE", "Remote storage", "REMOTE_STORAGE"),
)
_CHAIN = "Calculate Operational and FilingValue Task."


@dataclass(frozen=True, slots=True)
class SimulatedJob:
    """One job.

    Attributes:
        content: the code and description of the sets it works on; empty codes where it takes none.
        profile_id: of the integration or import profile it belongs to, or empty.
        may_be_submitted: whether the API starts it at all.
    """

    id: str
    name: str
    type: str
    category: str
    category_description: str
    content: tuple[str, str] = ("", "")
    profile_id: str = ""
    may_be_submitted: bool = True

    @property
    def needs_set(self) -> bool:
        """Whether ``set_id`` is mandatory."""
        return bool(self.content[0])

    @property
    def is_chain(self) -> bool:
        """Whether it has several tasks, which the API cannot start."""
        return self.name == _CHAIN

    def list_entry(self, base: str) -> dict[str, Any]:
        """Return it as the list shows it; ``base`` is put before the path of its link."""
        return {
            "id": self.id,
            "name": self.name,
            "type": {"value": self.type, "desc": self.type.capitalize()},
            "category": {"value": self.category, "desc": self.category_description},
            "link": f"{base}/almaws/v1/conf/jobs/{self.id}",
        }

    def detail(self, base: str) -> dict[str, Any]:
        """Return it as a single job's answer shows it."""
        listed = self.list_entry(base)
        link = listed.pop("link")
        publishing = self.name.startswith("Publishing")
        described = {"description": "Publishing Platform Job" if publishing else self.name}
        members = {"id": listed.pop("id"), "name": listed.pop("name"), **described, **listed}
        if self.needs_set:
            members["content"] = {"value": self.content[0], "desc": self.content[1]}
        if self.type == "SCHEDULED":
            members["schedule"] = {"value": "DAILY_AT_05_00", "desc": "Every day at 05:00"}
        if self.profile_id:
            is_integration = any(self.profile_id == profile[0] for profile in PROFILES)
            kind = "integration-profiles" if is_integration else "md-import-profiles"
            members["related_profile"] = {
                "value": self.profile_id,
                "link": f"{base}/almaws/v1/conf/{kind}/{self.profile_id}",
            }
        return {**members, "link": link}


@cache
def built_in_jobs(environment: str = SANDBOX) -> tuple[SimulatedJob, ...]:
    """Read the catalogue that comes with almajob, in the order in which Alma lists it."""
    text = files("almajob.simulator.world").joinpath("jobs.csv").read_text("utf-8")
    return tuple(_job(row, environment) for row in csv.DictReader(text.splitlines()))


def jobs(environment: str, count: int | None = None) -> tuple[SimulatedJob, ...]:
    """Return the jobs of an environment: the built-in ones, or as many as are asked for."""
    if count is not None and not 0 <= count <= _MOST_JOBS:
        raise ValueError(f"an institution has from 0 to {_MOST_JOBS:,} jobs")
    built_in = built_in_jobs(environment)
    if count is None or count <= len(built_in):
        return built_in[: count if count is not None else len(built_in)]
    made = (
        SimulatedJob(
            _id_in(environment, f"M{8_000_000_000_561 + number * 10_000}"),
            f"Normalize records, step {number:06d}",
            "MANUAL",
            "MARC21BIB_NORMALIZATION",
            "Marc 21 Bib normalization",
            ("BIB_MMS", "All Titles"),
        )
        for number in range(count - len(built_in))
    )
    return tuple(sorted((*built_in, *made), key=lambda job: (job.name.casefold(), job.id)))


def _job(row: dict[str, str], environment: str) -> SimulatedJob:
    return SimulatedJob(
        _id_in(environment, row["id"]),
        row["name"],
        row["type"],
        row["category"],
        row["category_description"],
        (row["content"], row["content_description"]),
        row["profile_id"],
        row["may_be_submitted"] == "yes",
    )


def _id_in(environment: str, job_id: str) -> str:
    """Return delivered jobs the same id everywhere, and an institution's own another in each environment."""
    if environment == SANDBOX or len(job_id) < 12:
        return job_id
    return f"{job_id[0]}{int(job_id[1:]) + 7_000_000_000_000}"
