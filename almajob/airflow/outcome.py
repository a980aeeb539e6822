"""What becomes of a task: its result, as XCom has it, and which errors another try can help against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from almajob.plugin import AlmajobError, JobEndedBadly, Parameter, Refused, UsageError, condition

if TYPE_CHECKING:
    from almajob.plugin import Condition, Context, Policy, Run

_FOR_GOOD = frozenset(
    {"not_found", "ambiguous_name", "parameters_refused", "not_confirmed", "run_key_taken", "read_only"}
)
"""The kinds of refusals that are the same at the next try."""
_WRONG = frozenset({UsageError.exit_code, 7})
"""The exit codes of what somebody must put right first: the arguments, the connection, its key."""


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
        error.exit_code in _WRONG
        or (isinstance(error, JobEndedBadly) and not is_tried_again)
        or (isinstance(error, Refused) and error.kind in _FOR_GOOD)
    )
    return (AirflowFailException if is_for_good else AirflowException)(word(error))


def make_policy(
    alma: Context, accept: str | Sequence[str], fail_if: str | Sequence[str], nothing_if: str | Sequence[str]
) -> Policy:
    """Make the policy that the arguments of a task ask for.

    Raises:
        UsageError: one of them is no condition, or is neither a text nor several.
    """
    conditions = ([_read(text) for text in _list(given)] for given in (fail_if, nothing_if))
    return alma.policy(_list(accept), *conditions)


def _read(text: str) -> Condition:
    try:
        return condition(text)
    except Exception as error:  # noqa: BLE001  # of argparse, for which it was made
        raise UsageError(f"{text!r}: {error}.") from None


def list_ids(given: Any) -> list[str]:
    """Return the ids that a task was given.

    Raises:
        UsageError: they are no list, such as what a template has made of one.
    """
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise UsageError(
            f"ids is a list, and not {given!r:.60}.",
            hint="Hand over the output of the task that lists them, and no template of it, or set "
            "render_template_as_native_obj=True in the DAG.",
        )
    return [str(each) for each in given]


def list_parameters(given: Any) -> list[Parameter]:
    """Return the parameters that a task was given, as Alma writes their values.

    Raises:
        UsageError: they are neither a mapping nor pairs, or one of them has no value.
    """
    try:
        pairs = [(name, value) for name, value in (given.items() if isinstance(given, Mapping) else given)]
    except (TypeError, ValueError):
        raise UsageError(f"parameters is a mapping, or pairs, and not {given!r:.60}.") from None
    if missing := [name for name, value in pairs if value is None]:
        raise UsageError(
            f"The parameter {missing[0]} has no value.", hint="For an empty one, give an empty text."
        )
    return [
        Parameter(str(name), str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in pairs
    ]


def _list(given: str | Sequence[str]) -> list[str]:
    if isinstance(given, str):
        return [given] if given else []
    if not isinstance(given, Iterable):
        raise UsageError(f"{given!r} is neither a text nor a list of texts.")
    return [str(each) for each in given]


def word(error: AlmajobError) -> str:
    """Return what an error says, without the command lines that it names, which lead nowhere in Airflow."""
    hint = (line for line in error.hint.splitlines() if "almajob " not in line)
    return "\n".join(filter(None, (error.message, error.reason, *hint)))


def _time(when: datetime | str | None) -> str | None:
    return when.isoformat() if isinstance(when, datetime) else when
