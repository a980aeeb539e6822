"""What makes a run the same run when it is asked for again: its key, its parameters, and the tag of both."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from almajob.alma.models import Job, Parameter
from almajob.store.ledger.record import Record, checksum
from almajob.store.ledger.run_key_forms import move_key, normalize_key
from almajob.text.sanitize import sanitize

TAG = re.compile(r"\[aj:[A-Z2-7]{10}\]")
"""What almajob puts into the names of runs, whoever's runs they are."""
JOB_NAME = "job_name"
"""The parameter with which a manual job's run is named, followed by the local time."""
_LONGEST_KEY = 200


def find_key_problem(text: str) -> str:
    """Return what is wrong with a run key; empty where it is right."""
    is_shown = text.isprintable() and sanitize(text) == text
    text = normalize_key(text)
    if not text:
        return "must not be empty"
    if len(text) > _LONGEST_KEY:
        return f"may have {_LONGEST_KEY} characters"
    if text.startswith("@"):
        return "must not begin with @, as @last does"
    return "" if is_shown else "has a character that cannot be shown"


def make_random_key(job_id: str, now: datetime) -> str:
    """Make a key for a run that was given none."""
    return f"{job_id}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def make_record_id(now: datetime) -> str:
    """Make the name of a record, short enough to be typed."""
    return f"{now:%Y%m%d}-{secrets.token_hex(3)}"


def make_period_key(period: str, environment: str, job_id: str, parameters: str, now: datetime) -> str:
    """Make the key that the same run has during a whole period.

    Args:
        parameters: their hash.
        now: local time with its offset: the hour that comes twice in autumn is two hours.
    """
    week = now.isocalendar()
    named = {
        "hour": f"{now:%Y-%m-%dT%H%z}",
        "day": f"{now:%Y-%m-%d}",
        "week": f"{week.year}-W{week.week:02d}",
        "month": f"{now:%Y-%m}",
    }[period]
    return f"once-per-{period}:{environment}:{job_id}:{parameters[:10]}:{named}"


def make_schedule_key(name: str, due: datetime) -> str:
    """Make the key of the start of a saved run that is due at a time of its schedule."""
    return f"schedule:{name}:{due.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def derive_key(run_key: str, attempt: int, step: str) -> str:
    """Return the key of what follows a run as one step of the same work: the same for the same run."""
    end = f"/{step}" if attempt == 1 else f"#{attempt}/{step}"
    if len(run_key) + len(end) > _LONGEST_KEY:
        # As good a name, though nobody can read the whole of it.
        digest = hashlib.sha256(run_key.encode()).hexdigest()[:20]
        run_key = f"{run_key[: max(_LONGEST_KEY - len(end) - len(digest) - 1, 0)]}~{digest}"
    return f"{run_key}{end}"


def find_base_key(records: Sequence[Record]) -> str:
    """Return the key from which those of all these runs are derived; empty where they are not."""
    keys = [record.run_key for record in records]
    base = keys[0] if keys else ""
    return base if all(key == base or key.startswith((f"{base}/", f"{base}#")) for key in keys) else ""


def find_first_day(period: str, today: date) -> date:
    """Return the day before which no run of this period can have been started."""
    begins = {
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
    }.get(period, today)
    # A day more, because nobody says in whose time zone Alma reads days.
    return begins - timedelta(days=1)


def make_tags(record: Record) -> tuple[str, str]:
    """Return the tag of a start, and the one that an earlier almajob gave it.

    It is looked for in Alma's list of one job only. So nothing is in it that may change meanwhile: not the
    institution's name, which Alma may change, and not the section's; both were in the earlier one. Those of
    sandbox and production differ: a sandbox is now and then made anew as a copy of production.
    """
    start = [record.kind, record.job_id, record.parameters]
    earlier = [record.institution, record.environment, record.job_id, record.parameters]
    return (
        make_tag(move_key(record.run_key, ""), record.attempt, checksum(start)),
        make_tag(record.run_key, record.attempt, checksum(earlier)),
    )


def make_tag(run_key: str, attempt: int, fingerprint: str) -> str:
    """Return the tag by which a run is found in Alma, also from another host or without the ledger.

    A wanted re-run, whose attempt is 2 or more, must not be taken for the first one.
    """
    key = run_key if attempt == 1 else f"{run_key}\0{attempt}"
    digest = hashlib.sha256(f"{key}\0{fingerprint}".encode()).digest()
    return f"[aj:{base64.b32encode(digest).decode()[:10]}]"


def add_tag(job: Job, parameters: Sequence[Parameter], tag: str) -> tuple[Parameter, ...]:
    """Put a tag in front of the run's name; where none is given, the name is made as Alma's wizard does.

    In front, as nobody has published how long a name may be: a tag at the end of one that Alma cuts would be
    lost, and the run taken for one that was never started. Another tag in it, such as that of the run that it
    was copied from, is taken out.
    """
    if not tag:
        return tuple(parameters)
    if all(item.name != JOB_NAME for item in parameters):
        return (*parameters, Parameter(JOB_NAME, f"{tag} {job.name} - via API"))
    return tuple(
        Parameter(JOB_NAME, f"{tag} {TAG.sub('', item.value).strip()}".strip())
        if item.name == JOB_NAME
        else item
        for item in parameters
    )


def takes_tag(job: Job) -> bool:
    """Whether a job's runs can be named: only those of manual jobs."""
    return job.type.value.upper() == "MANUAL"
