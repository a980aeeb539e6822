"""Which run of almajob's a task is, and where it keeps its ledger if there is no database for that."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Variable

from almajob.plugin import JobEndedBadly

if TYPE_CHECKING:
    from airflow.sdk import Context

    from almajob.plugin import LedgerText

_KEY = "almajob_ledger"


def make_run_key(context: Context) -> str:
    """Make the run key of a task: a retry is the same run, and a task that was cleared is a new one.

    ``max_tries`` is what tells the two apart. Airflow raises it when a task that has ended is cleared, and at
    no other time; a number of retries that is changed in the DAG does not change it before that either.
    """
    return f"airflow:{_hash(context, str(context['ti'].max_tries))}"


def _hash(context: Context, *more: str) -> str:
    ti = context["ti"]
    text = "\0".join((ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index), *more))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class _StateStore:
    """Keeps the text in the store that a task has in Airflow 3.3; it is gone with the DAG run.

    Args:
        store: of the task.
    """

    def __init__(self, store: Any) -> None:
        self._store = store

    def read(self) -> str:
        return str(self._store.get(_KEY) or "")

    def write(self, text: str) -> None:
        # What Airflow calls NEVER_EXPIRE: a start whose outcome is unknown may wait for a person.
        self._store.set(_KEY, text, retention=timedelta.max)

    def delete(self) -> None:
        """It goes with the DAG run."""


class _InVariable:
    """Keeps the text in a Variable, in Airflow 3.2.

    Args:
        name: of the Variable.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def read(self) -> str:
        return str(Variable.get(self._name, default=None) or "")

    def write(self, text: str) -> None:
        Variable.set(self._name, text, description="What almajob has started in a task. It removes it.")

    def delete(self) -> None:
        Variable.delete(self._name)


def open_task_ledger(context: Context) -> _StateStore | _InVariable:
    """Return what keeps the ledger of a task, also after it was cleared."""
    store = context.get("task_state_store")
    return _InVariable(f"{_KEY}:{_hash(context)}") if store is None else _StateStore(store)


def forget_when_over(operator: Any) -> None:
    """Remove what is kept of an operator's tasks when no other try needs to know of it.

    Airflow calls these functions when it knows that a task has ended. Before that another try may come.
    """
    operator.on_success_callback = [*operator.on_success_callback, _forget]
    operator.on_failure_callback = [*operator.on_failure_callback, _forget_bad_end]


def _forget(context: Context) -> None:
    open_task_ledger(context).delete()


def _forget_bad_end(context: Context) -> None:
    # Any other failure leaves something to be found out.
    if isinstance(getattr(context.get("exception"), "__cause__", None), JobEndedBadly):
        _forget(context)


if TYPE_CHECKING:
    _CHECKED: tuple[type[LedgerText], ...] = (_StateStore, _InVariable)
