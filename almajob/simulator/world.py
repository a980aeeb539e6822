"""The simulator's world: an institution's jobs, and every run that was ever started in it.

Only submissions are kept; everything else about a run follows from the time gone by. The world lives in one
JSON file that is replaced whole under a lock, so that several processes can share it.
"""

from __future__ import annotations

import csv
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TextIO

from almajob.simulator.lifecycle import instant, progress_of

INSTITUTION = "01DEMO_INST"
_FIRST_ID = 9563643080000561
# Ids of one institution end in the same four digits.
_ID_STEP = 10000
_LIST_MEMBERS = ("id", "name", "type", "category")


@dataclass(frozen=True, slots=True)
class Submission:
    """One start: which job, when (seconds since the epoch), with which name and parameters."""

    id: str
    job_id: str
    submitted: float
    name: str
    parameters: list[dict[str, Any]]


@cache
def built_in_jobs() -> tuple[dict[str, Any], ...]:
    """Read the catalogue that comes with almajob, in the order in which Alma lists it."""
    text = files("almajob.simulator").joinpath("jobs.csv").read_text("utf-8")
    return tuple(
        {
            "id": row["id"],
            "name": row["name"],
            "description": row["name"],
            "type": {"value": row["type"], "desc": row["type"].capitalize()},
            "category": {"value": row["category"], "desc": row["category_description"]},
        }
        for row in csv.DictReader(text.splitlines())
    )


class WorldFile:
    """The world in a file.

    Args:
        path: of the JSON file, which is made with the first start; its directory must be there.
        now: the clock, seconds since the epoch.

    Raises:
        OSError: the file cannot be made or read.
        ValueError: it is not a world.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self.now = now
        # Tell at once, and not in the middle of a start, what cannot be read or written.
        self._lock().close()
        self.submissions()

    def jobs(self) -> tuple[dict[str, Any], ...]:
        """Give every job, with all its members."""
        return built_in_jobs()

    def job(self, job_id: str) -> dict[str, Any] | None:
        """Give one job, or None."""
        return next((job for job in self.jobs() if job["id"] == job_id), None)

    def submissions(self) -> list[Submission]:
        """Read every start, oldest first."""
        try:
            document = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return []
        except RecursionError as error:
            raise ValueError("it is not a simulator's world") from error
        try:
            found = [Submission(**item) for item in document["submissions"]]
            for item in found:
                int(item.id), instant(item.submitted)
            return found
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise ValueError("it is not a simulator's world") from error

    def submit(self, job: dict[str, Any], parameters: list[dict[str, Any]]) -> Submission:
        """Start a job: on disk before it is answered."""
        named = [item["value"] for item in parameters if item["name"]["value"] == "job_name"]
        with self._lock() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self.submissions()
            latest = int(before[-1].id) if before else _FIRST_ID - _ID_STEP
            made = Submission(
                str(latest + _ID_STEP), job["id"], self.now(), named[0] if named else job["name"], parameters
            )
            self._write([*before, made])
        return made

    def _lock(self) -> TextIO:
        return open(os.open(self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600), "r+")

    def _write(self, submissions: list[Submission]) -> None:
        # mkstemp makes the file for its owner alone.
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".world")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"format": 1, "submissions": [asdict(item) for item in submissions]}, file)
        Path(name).replace(self._path)

    def instance(self, submission: Submission) -> dict[str, Any]:
        """Give a run as Alma shows it at this moment."""
        job = self.job(submission.job_id) or {}
        members = progress_of(job.get("name", ""), submission.submitted, self.now())
        return {
            "id": submission.id,
            "name": submission.name,
            **members,
            "submitted_by": {"value": "exl_api", "desc": "Ex Libris, API"},
            "job_info": {name: job[name] for name in (*_LIST_MEMBERS, "description") if name in job},
        }

    def listed(self, job: dict[str, Any]) -> dict[str, Any]:
        """Give a job as the list shows it: without its description."""
        return {name: job[name] for name in _LIST_MEMBERS}

    def general(self) -> dict[str, Any]:
        """Give what ``conf/general`` says."""
        return {
            "institution": {"value": INSTITUTION, "desc": "Demo Library"},
            "environment_type": "SANDBOX",
            "time": instant(self.now()),
        }
