"""Make a set of ids, run a job on it, and delete it, whatever came of the job."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, Param, task

from almajob.airflow.run_job import AlmaRunJobOperator
from almajob.airflow.sets import AlmaCreateSetOperator, AlmaDeleteSetOperator

with DAG(
    "alma_ids_to_set",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    tags=["alma"],
    # A task that fails for good deletes the set, and the job may still be running: another try waits for it.
    default_args={"retries": 3},
    params={"ids": Param([], type="array", items={"type": "string"})},
):

    @task
    def list_ids(params: dict[str, list[str]]) -> list[str]:
        """Return what another system would give: the ids of titles."""
        return params["ids"]

    made = AlmaCreateSetOperator(
        task_id="make_set", ids=list_ids(), content="BIB_MMS", skip_invalid=True
    ).as_setup()
    run = AlmaRunJobOperator(
        task_id="export_titles",
        job="Export Bibliographic records",
        set_id="{{ ti.xcom_pull(task_ids='make_set')['id'] }}",
        allow_unknown=True,
        deferrable=True,
    )
    gone = AlmaDeleteSetOperator(
        task_id="delete_set", set_id="{{ ti.xcom_pull(task_ids='make_set')['id'] }}"
    ).as_teardown(setups=made)
    made >> run >> gone
