"""Notifications for tests: events as they are, and the sections that send them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from almajob.config import settings
from almajob.config.settings import Options
from almajob.notify.notification import Notification, make_notification
from almajob.notify.notifier import Notifier
from almajob.notify.targets import read_target
from almajob.runs.observers.events import (
    ObservedAlert,
    ObservedCounter,
    ObservedEnvironment,
    ObservedRun,
    ObservedVerdict,
    RunEnded,
)

AT = datetime(2026, 11, 29, 5, 15, tzinfo=UTC)
ENDED = RunEnded(
    id="20261129-abcdef:run_ended",
    at=AT,
    run=ObservedRun(
        *("20261129-abcdef", "M44", "Loans <sync> & *more*", "nightly", "9563643081200561", "STARTED"),
        certainty="confirmed",
        created_at=AT,
        submit_time=AT,
    ),
    environment=ObservedEnvironment("production", "production"),
    status="COMPLETED_FAILED",
    description="Completed with Errors",
    verdict=ObservedVerdict(
        False,
        "Loans <sync> & *more* (run 9563643081200561) ended with COMPLETED_FAILED.",
        "Alerts: 3 failed.",
        hint="Its report: almajob --env production status 9563643081200561",
    ),
    counters=(ObservedCounter("c.jobs.failed", "Records that failed", "3"),),
    alerts=(ObservedAlert("alert", "3 records failed."),),
    seconds=3900.0,
    usual=1800.0,
)


def make(**changes: object) -> Notification:
    """Return a notification of a bad end, with something else about its event."""
    return make_notification(replace(ENDED, **changes))  # type: ignore[arg-type]


def make_named(name: str) -> Notification:
    """Return one whose job has another name."""
    return make(run=replace(ENDED.run, job_name=name))


def make_notifier(directory: Path, given: Mapping[str, object], name: str = "ops") -> Notifier:
    """Return the notifier of a section."""
    path = directory / "almajob.ini"
    lines = [f"[notify:{name}]", *(f"{setting} = {value}" for setting, value in given.items())]
    path.write_text("\n".join([*lines, ""]), "utf-8")
    path.chmod(0o600)
    found = settings.load(Options(ini_file=str(path)), {"HOME": str(directory)})
    return read_target(found, name, {"HOME": str(directory)}).make()
