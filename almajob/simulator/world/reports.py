"""What is in a run's report: counters by the kind of job, alerts, and an import's actions.

Counters are text and may be words, and an error is a counter whose type is the message: so real reports are.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any

from almajob.simulator.world.job_data import SimulatedJob
from almajob.simulator.world.lifecycle import Plan, spread_plan

Counter = tuple[str, str, str]

SUCCESS = (
    "alert_general_success",
    "The job completed successfully. For more information view the report details.",
)
ERROR = (
    "alert_general_error",
    "The job completed with errors. For more information view the report details "
    "(or contact Support using the process ID).",
)
_GOOD = {"COMPLETED_SUCCESS", "COMPLETED_NO_BULKS", "COMPLETED_WARNING"}
_FTP_FAILED: Counter = ("FTP has failed.", "", "Download zip file for manual FTP.")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job: how long its runs last, in seconds, what they count, how they end.

    Attributes:
        waits: seconds in the queue beyond those of ``seconds``.
        counted: code and description of each counter.
    """

    seconds: float
    counted: tuple[tuple[str, str], ...]
    waits: float = 0.0


_PUBLISHING = Kind(
    4000,
    (
        ("label.new.records", "New Records"),
        ("label.updated.records", "Updated Records"),
        ("label.deleted.records", "Deleted Records"),
        ("c.jobs.publishing.failed.publishing", "Unpublished failed records"),
        ("c.jobs.publishing.totalRecordsWrittenToFile", "Total records written to file"),
    ),
    waits=1200,
)
_BURSAR = Kind(
    120,
    (
        ("com.exlibris.external.bursar.report.fines_fees_count", "Number of fines and fees"),
        ("com.exlibris.external.bursar.report.user_count", "Number of users"),
    ),
)
_ASSETS = Kind(
    4,
    tuple(
        (f"import_research_assets_files.{name}", text)
        for name, text in (
            ("asset_succeeded", "Number of assets succeeded"),
            ("asset_partial_succeeded", "Number of assets partially succeeded"),
            ("asset_failed", "Number of assets failed"),
            ("file_uploaded", "Number of files uploaded"),
            ("file_failed_to_upload", "Number of files failed to upload"),
            ("file_skipped_upload", "Number of files skipped upload"),
        )
    ),
)
_IMPORT = Kind(
    900,
    (
        ("c.jobs.md_import.records_processed", "Records processed"),
        ("c.jobs.md_import.records_imported", "Records imported"),
        ("c.jobs.md_import.records_not_imported", "Records not imported"),
    ),
)
_USERS = Kind(300, (("c.jobs.users.updated", "Users updated"), ("c.jobs.users.rejected", "Users rejected")))
_ERP = Kind(60, (("c.jobs.erp.invoices", "Number of invoices exported"),))
_RECORDS = Kind(
    600,
    (
        ("c.jobs.bulk.processed", "Number of records processed"),
        ("c.jobs.bulk.failed", "Number of records that failed"),
    ),
)
# Jobs that do not end well, so that a bad end can be met before production has one.
_ENDS = {
    "Publishing Platform Job FTP Dump": ("COMPLETED_FAILED", 101.3),
    "Users SYNCHRONIZE using profile SIS": ("FAILED", 0.0),
    "Users EXPORT using profile SIS": ("COMPLETED_WARNING", 100.0),
    "Inventory Remote Storage Update": ("COMPLETED_NO_BULKS", 100.0),
}


def kind_of(job: SimulatedJob) -> Kind:
    """Return what kind of job it is."""
    if is_import(job):
        return _IMPORT
    by_word = {"Publishing": _PUBLISHING, "bursar": _BURSAR, "ERP": _ERP, "Users ": _USERS}
    for word, kind in by_word.items():
        if word in job.name and job.type == "SCHEDULED":
            return kind
    return _ASSETS if job.category == "RESEARCH_ASSETS" else _RECORDS


def is_import(job: SimulatedJob) -> bool:
    """Whether its runs have a file, matches and actions."""
    return job.name.startswith("Metadata Import")


def is_sis(job: SimulatedJob) -> bool:
    """Whether its runs have events."""
    return job.category == "USERS" and job.type == "SCHEDULED"


def plan_of(job: SimulatedJob, seconds: float | None = None) -> Plan:
    """Plan a run of a job: as long as its kind takes, or so many seconds."""
    kind = kind_of(job)
    status, progress = _ENDS.get(job.name, ("COMPLETED_SUCCESS", 100.0))
    plan = spread_plan(kind.seconds if seconds is None else seconds, status, progress)
    return replace(plan, queued=plan.queued + kind.waits) if seconds is None else plan


def make_report(job: SimulatedJob, run_id: str, status: str, base: str) -> dict[str, Any]:
    """Return the members of an ended instance that tell what it did."""
    alert = SUCCESS if status in _GOOD else ERROR
    found: dict[str, Any] = {
        "alert": [{"value": alert[0], "desc": alert[1]}],
        "counter": [
            {"type": {"value": code, "desc": text}, "value": value}
            for code, text, value in _counters(job, run_id, status)
        ],
    }
    if is_import(job) and status in _GOOD:
        found["action"] = [_action(run_id, population, members, base) for population, members in POPULATIONS]
    return found


def _name_file(job: SimulatedJob, run_id: str) -> str:
    """Name the file of an export as real counters do: for text by its name, for XML without its _1.xml."""
    stem = f"{job.name.replace(' ', '_')}_{run_id}"
    return f"{stem}.txt" if job.content[0] == "PORTFOLIO" else stem


POPULATIONS = (
    ("SINGLE_MATCHES", 2),
    ("MULTI_MATCHES", 1),
    ("IMPORTED_RECORDS_NO_MATCH", 5),
    ("NOT_ADDED_LOCKED", 0),
)


def _action(run_id: str, population: str, members: int, base: str) -> dict[str, Any]:
    return {
        "type": {"value": "CREATE_SET", "desc": "Create set"},
        "population": {"value": population, "desc": population.replace("_", " ").capitalize()},
        "members": members,
        "link": f"{base}/almaws/v1/conf/sets?job_instance_id={run_id}&population={population}",
    }


def _counters(job: SimulatedJob, run_id: str, status: str) -> list[Counter]:
    counted = kind_of(job).counted
    if status in ("FAILED", "SYSTEM_ABORTED", "USER_ABORTED", "SKIPPED", "COMPLETED_NO_BULKS"):
        return [(code, text, "0") for code, text in counted]
    # Different from run to run, and the same whenever one is looked at.
    seed = zlib.crc32(run_id.encode())
    found = [(code, text, str((seed >> (3 * place)) % 500)) for place, (code, text) in enumerate(counted)]
    if job.category == "EXPORT":
        found.append(("c.jobs.bibExport.link", "", _name_file(job, run_id)))
    return [*found, _FTP_FAILED] if status == "COMPLETED_FAILED" else found
