"""Runs of a library's jobs, as many as are wanted, for reports: always the same ones."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from almajob.alma.job_instances import Counter, Instance
from almajob.alma.models import Code, Job
from almajob.alma.rate_limit.quota import Quota
from almajob.alma.status_codes import STATUSES
from almajob.jobs.history import Period
from almajob.jobs.success_policy import Policy
from almajob.report.facts import EnvironmentFacts, build_facts
from almajob.runs.run import Run
from almajob.runs.wait.missed_starts import Expected
from almajob.store.ledger.record import Record, State, Transition

NOW = datetime(2026, 11, 30, 14, 30, tzinfo=UTC)
HEBREW, ARABIC = "ייצוא רשומות לקטלוג המאוחד", "تصدير الفواتير إلى النظام المالي"
TURNED = "Invoices \u202etxt.exe\u202c \u2066x"
SCRIPT = "<script>alert(1)</script>"
HOSTILE = (
    SCRIPT,
    '"><img src=https://evil.example/x onerror=alert(1)>',
    TURNED,
    "{{ 7 * 7 }}{% raw %}",
    "\x1b[31m\x00",
)
NAMES = (
    *(
        "ERP export using profile FINANCE",
        "Users SYNCHRONIZE using profile SIS",
        "Publishing Platform Job Primo VE",
    ),
    *("Export Student Fines/Fees using profile BURSAR", "Metadata Import using profile OCLC Daily", HEBREW),
    *(
        "Notifications - Send Courtesy Notices and Handle Loan Renewals",
        "Requests - Restore Temporarily Shelved Items",
    ),
    *(
        "Authorities - Link BIB Headings",
        "Authorities - Preferred Term Correction",
        "MMS - Build Record Relations",
    ),
    *("Distribute network changes to members", "Electronic Portfolio loader - Springer", ARABIC),
    *("Synchronize Changes from CZ", "PO Line - Claiming", "PO Line - Deferred", "EOD - Update Expired POs"),
    *(
        "Analytics widget refresh",
        "Purge Set Export",
        "Letters - Overdue and Lost Loan",
        "Export Physical Items",
    ),
    *(
        "Publish Theses without a call number to the repository of the university, weekly",
        "Due Date Correction after Calendar Change",
    ),
)
_ALERT = Code(
    "alert_general_error",
    "The job completed with errors. For more information view the report details "
    "(or contact Support using the process ID).",
)
_COUNTED = (
    ("c.jobs.records.processed", "Records processed"),
    ("c.jobs.records.updated", "Records updated"),
    ("c.jobs.records.failed", "Records that failed"),
)


def make_runs(count: int, names: Sequence[str] = NAMES, *, days: int = 30, now: datetime = NOW) -> list[Run]:
    """Make runs, running ones first, then the newest: mostly daily ones, of which some fail or take long."""
    chance = random.Random(7)
    each = -(-count // len(names))
    found: list[Run] = []
    for number, name in enumerate(names):
        job = Job(f"S{9563600010000561 + number}", name)
        step, usual = timedelta(days=1) / -(-each // days), 120.0 * (1 + number * 3 % 17)
        for place in range(each):
            submitted = now - place * step - timedelta(minutes=7 * number + 3)
            slower = 1 + (1.2 * (each - place) / each if number == 2 else 0)
            seconds = usual * slower * chance.uniform(0.8, 1.25)
            found.append(_make_run(len(found), job, submitted, seconds, chance, now))
    found = found[: max(count, 1)] if count < len(found) else found
    found.sort(key=lambda run: run.instance.submit_time, reverse=True)  # type: ignore[arg-type, return-value]
    return sorted(found, key=lambda run: run.instance.has_ended)


def _make_run(
    number: int, job: Job, submitted: datetime, seconds: float, chance: random.Random, now: datetime
) -> Run:
    begun, ended = submitted + timedelta(seconds=20), submitted + timedelta(seconds=20 + seconds)
    status = chance.choices(
        ["COMPLETED_SUCCESS", "COMPLETED_WARNING", "COMPLETED_FAILED", "FAILED", "COMPLETED_NO_BULKS"],
        [90, 3, 2, 1, 4],
    )[0]
    status = "RUNNING" if ended > now else status
    bad = status in ("COMPLETED_FAILED", "FAILED")
    values = (
        str(chance.randrange(100, 90_000)),
        str(chance.randrange(100)),
        str(chance.randrange(1, 40) * bad),
    )
    instance = Instance(
        id=f"95636430{number + 10_000_000:08d}",
        name=job.name,
        status=Code(status, STATUSES[status].description),
        submit_time=submitted,
        start_time=begun,
        end_time=None if status == "RUNNING" else ended,
        submitted_by=Code("exl_impl"),
        alerts=(_ALERT,) if bad else (),
        counters=tuple(Counter(Code(*named), value) for named, value in zip(_COUNTED, values, strict=True)),
        job=job,
    )
    return describe(instance)


def describe(instance: Instance) -> Run:
    """Return a run as almajob judges it."""
    judged = Policy().judge(instance) if instance.has_ended else None
    return Run(instance, instance.status.desc, "production", judged.error if judged else None)


def make_record(name: str = NAMES[0], **more: Any) -> Record:
    """Make a start whose outcome is unknown."""
    at = NOW.timestamp() - 7200
    trail = tuple(
        Transition(state, at + place, reason)
        for place, (state, reason) in enumerate(
            ((State.PREPARED, ""), (State.SENDING, ""), (State.UNKNOWN, "Alma's answer was lost."))
        )
    )
    given: dict[str, Any] = {
        "id": "a1b2c3d4",
        "environment": "production",
        "institution": "01SIM_INST",
        "job_id": "S9563600010000561",
        "job_name": name,
        "run_key": "invoices-2026-11-30",
        "is_named": True,
        "attempt": 1,
        "parameters": "",
        "tag": "",
        "trail": trail,
    }
    return Record(**{**given, **more})


def make_facts(
    count: int = 566, names: Sequence[str] = NAMES, *, days: int = 30, name: str = "production", **more: Any
) -> EnvironmentFacts:
    """Make the facts of an environment in which something of everything has happened."""
    runs = [run for run in make_runs(count, names, days=days) if count > 1000 or not _is_left_out(run, names)]
    due = [datetime(2026, 11, day, 5, 15, tzinfo=UTC) for day in range(20, 31)]
    given: dict[str, Any] = {
        "name": name,
        "kind": "production",
        "now": NOW,
        "zone": ZoneInfo("Europe/Zurich"),
        "period": Period(NOW - timedelta(days=days)),
        "runs": runs,
        "open_starts": [make_record(names[0])],
        "expected": [Expected("invoices", "05:15", "", "Monthly statistics", due)],
        "quota": Quota(
            ("production", "sandbox"), "enough", 98_211, NOW, None, None, 10.0, 5, 1000, "", 150_000
        ),
        "program": f"almajob --env {name}",
    }
    return build_facts(**{**given, **more})


def _is_left_out(run: Run, names: Sequence[str]) -> bool:
    """Whether a run is one of the fourth job's on Sunday: it usually ran, and did not."""
    when = run.instance.submit_time
    return (
        run.instance.name == names[3 % len(names)]
        and isinstance(when, datetime)
        and when.date() == NOW.date() - timedelta(days=1)
    )
