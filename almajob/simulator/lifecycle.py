"""What becomes of a run as time goes by: a value computed from when it was submitted, and nothing else.

QUEUED, INITIALIZING, RUNNING, FINALIZING, and an end that depends on the job.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from almajob.alma.statuses import STATUSES

# Seconds after the submission at which each state begins; the end comes after them.
_STATES = ((0.0, "QUEUED"), (0.4, "INITIALIZING"), (0.9, "RUNNING"), (2.4, "FINALIZING"))
_END = 2.9
_STARTED = 0.4

Counters = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """How the runs of a job end: status, per cent, and the lines of the report."""

    status: str = "COMPLETED_SUCCESS"
    progress: float = 100
    counters: Counters = ()


_PUBLISHED = (
    ("label.new.records", "New Records", "66"),
    ("label.updated.records", "Updated Records", "1204"),
    ("label.deleted.records", "Deleted Records", "3"),
)
_EXPORTED = (
    ("com.exlibris.external.bursar.report.fines_fees_count", "Number of fines and fees", "118"),
    ("com.exlibris.external.bursar.report.user_count", "Number of users", "57"),
)
_ENDINGS = {
    # Ends with errors, counts above 100 %, and reports an error as a counter whose value is words.
    "Publishing Platform Job FTP Dump": Ending(
        "COMPLETED_FAILED",
        101.3,
        (*_PUBLISHED, ("FTP has failed.", "", "Download zip file for manual FTP.")),
    ),
    # Fails before it has done anything: the progress stays 0.
    "Users SYNCHRONIZE using profile SIS": Ending("FAILED", 0),
    "Users EXPORT using profile SIS": Ending("COMPLETED_WARNING"),
    "Inventory Remote Storage Update": Ending("COMPLETED_NO_BULKS"),
    "Export to bursar using profile BURSAR": Ending(counters=_EXPORTED),
    "ERP export using profile FINANCE": Ending(
        counters=(("erp.export.invoices", "Number of invoices exported", "42"),)
    ),
}
_PUBLISHING = Ending(counters=_PUBLISHED)


def ending_of(job_name: str) -> Ending:
    """Say how the runs of a job end."""
    return _ENDINGS.get(job_name, _PUBLISHING if job_name.startswith("Publishing") else Ending())


def progress_of(job_name: str, submitted: float, now: float) -> dict[str, Any]:
    """Give the members of an instance that change with time, as Alma writes them.

    Args:
        job_name: decides the ending.
        submitted: when the run was submitted, seconds since the epoch.
        now: the time of the answer, likewise.
    """
    age = now - submitted
    ending = ending_of(job_name)
    ended = age >= _END
    # A clock that went back makes the age negative.
    code = ending.status if ended else [name for since, name in _STATES if max(age, 0.0) >= since][-1]
    members: dict[str, Any] = {
        "progress": ending.progress if ended else 50 if code == "RUNNING" else 0,
        "status": {"value": code, "desc": STATUSES[code].description},
        "submit_time": instant(submitted),
        "status_date": datetime.fromtimestamp(min(now, submitted + _END), UTC).strftime("%Y-%m-%dZ"),
    }
    if age >= _STARTED:
        members["start_time"] = instant(submitted + _STARTED)
    # As Alma does, FINALIZING already has an end time.
    if ended or code == "FINALIZING":
        members["end_time"] = instant(submitted + _END)
    if ended:
        members["alert"] = [_alert(ending.status)]
        members["counter"] = [
            {"type": {"value": value, "desc": text}, "value": count} for value, text, count in ending.counters
        ]
    return members


def _alert(status: str) -> dict[str, str]:
    if status in ("COMPLETED_SUCCESS", "COMPLETED_NO_BULKS"):
        text = "The job completed successfully. For more information view the report details."
        return {"value": "alert_general_success", "desc": text}
    text = "The job completed with errors. For more information view the report details."
    return {"value": "alert_general_error", "desc": text}


def instant(seconds: float) -> str:
    """Write a time as Alma does: UTC, milliseconds, Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
