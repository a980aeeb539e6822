"""Notifications of a service that failed where no run can tell: systemd's OnFailure= asks for them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime

from almajob.config.environments import text_of
from almajob.config.ini_sections import read_notify
from almajob.config.saved_runs import Saved
from almajob.config.settings import Settings
from almajob.errors import EXIT_CODES, one_line
from almajob.notify.notification import Notification
from almajob.notify.observer import name_ini_file
from almajob.text.sanitize import sanitize
from almajob.text.time_format import format_utc

TOLD_BY_RUN = {3: "it ended badly", 9: "it is unknown whether it was started"}
"""The exit codes of starts of which the observers of the run have notified."""
_BAD = "bad"


def list_names(settings: Settings, saved: Saved, environment: str) -> list[str]:
    """Return whom a failure of a scheduled run is for: as for its runs."""
    here = saved.of(environment)
    job = text_of(here, "job")
    sections = [settings.sections.get(environment, {}), here]
    sections += [settings.jobs[each] for each in (job, *job.split(maxsplit=1)) if each in settings.jobs]
    return list(dict.fromkeys(name for section in sections for name in read_notify(section)))


def read_exit_code(environ: Mapping[str, str]) -> int | None:
    """Return the exit code of the service that failed, as systemd tells it; None where it does not."""
    # https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html: $MONITOR_EXIT_STATUS
    status = environ.get("MONITOR_EXIT_STATUS", "")
    is_code = environ.get("MONITOR_EXIT_CODE", "exited") == "exited"
    return int(status) if is_code and status.isascii() and status.isdigit() else None


def describe_failure(
    settings: Settings, saved: Saved, environment: str, environ: Mapping[str, str], now: datetime
) -> Notification:
    """Make the notification of a scheduled start that failed.

    Args:
        environ: has what systemd knows of the failure.
    """
    code, result = read_exit_code(environ), environ.get("MONITOR_SERVICE_RESULT", "")
    unit = environ.get("MONITOR_UNIT") or f"almajob-{environment}.{saved.name}.service"
    invocation = environ.get("MONITOR_INVOCATION_ID", "")
    job = sanitize(one_line(text_of(saved.of(environment), "job"))) or saved.name
    why = f"exit code {code}: {EXIT_CODES.get(code, 'unknown')}" if code is not None else ""
    why = sanitize(why or (f"systemd calls it {result}" if result else "systemd does not say why"))
    ini = name_ini_file(settings)
    program = shlex.join(["almajob", *(["--ini-file", ini] if ini else []), "--env", environment])
    lines = [
        f"The scheduled start of {saved.name} failed: {why}.",
        "",
        f"Job:          {job}",
        f"Environment:  {environment}",
        f"Service:      {sanitize(unit)}",
        "",
        "What to do:",
        f"  To see what it said: journalctl -u {shlex.quote(sanitize(unit))}",
        f"  To try again: {program} run --saved {saved.name} --scheduled --wait",
    ]
    subject = f"FAILED: scheduled start of {saved.name} ({environment})"
    facts = {
        "id": f"schedule:{environment}:{saved.name}:{invocation or format_utc(now)}",
        "kind": _BAD,
        "at": format_utc(now.astimezone(UTC)),
        "environment": environment,
        "environment_kind": settings.environment(environment).kind or None,
        "job_id": None,
        "job_name": job,
        "saved_run": saved.name,
        "unit": unit,
        "exit_code": code,
        "reason": why,
        "subject": subject,
        "text": "\n".join(lines),
    }
    return Notification(str(facts["id"]), _BAD, subject, str(facts["text"]), facts)
