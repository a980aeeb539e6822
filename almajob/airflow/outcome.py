"""What becomes of a task: its result, as XCom has it, and which errors another try can help against."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from almajob.plugin import AlmajobError, ConfigurationError, JobEndedBadly, Refused, UsageError

if TYPE_CHECKING:
    from almajob.plugin import Run

_FOR_GOOD = frozenset(
    {"not_found", "ambiguous_name", "parameters_refused", "not_confirmed", "run_key_taken", "read_only"}
)
"""The kinds of refusals that are the same at the next try."""


def describe(run: Run) -> dict[str, Any]:
    """Return what is known of a run, in the form of JSON; docs/airflow.md has the keys."""
    instance, job = run.instance, run.instance.job
    return {
        "process_id": instance.id,
        "job_id": job.id if job else "",
        "job_name": job.name if job else "",
        "status": instance.status.value,
        "description": run.description,
        "passed": run.passed,
        "nothing": run.is_nothing,
        "reason": run.verdict.message if run.verdict else "",
        "submit_time": _time(instance.submit_time),
        "start_time": _time(instance.start_time),
        "end_time": _time(instance.end_time),
        "seconds": instance.seconds,
        "counters": dict(run.counters),
        "alerts": [alert.value for alert in instance.alerts],
        "result_files": list(instance.result_files),
    }


def fail(error: AlmajobError, *, is_tried_again: bool = False) -> AirflowException:
    """Return Airflow's error for one of almajob's: another try is made only where it may help.

    Args:
        is_tried_again: another try starts a job again whose run ended badly.
    """
    is_for_good = (
        isinstance(error, UsageError | ConfigurationError)
        or (isinstance(error, JobEndedBadly) and not is_tried_again)
        or (isinstance(error, Refused) and error.kind in _FOR_GOOD)
    )
    return (AirflowFailException if is_for_good else AirflowException)(word(error))


def word(error: AlmajobError) -> str:
    """Return what an error says, without the command lines that it names, which lead nowhere in Airflow."""
    hint = (line for line in error.hint.splitlines() if "almajob " not in line)
    return "\n".join(filter(None, (error.message, error.reason, *hint)))


def _time(when: datetime | str | None) -> str | None:
    return when.isoformat() if isinstance(when, datetime) else when
