"""Run one job in each institution of a consortium, each with a connection of its own."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, Param, task

from almajob.airflow.run_job import AlmaRunJobOperator

with DAG(
    "alma_institutions",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    tags=["alma"],
    params={"connections": Param(["alma_default"], type="array", items={"type": "string"})},
):

    @task
    def list_connections(params: dict[str, list[str]]) -> list[str]:
        """Return the ids of the connections, one for each institution."""
        return params["connections"]

    AlmaRunJobOperator.partial(
        task_id="export_invoices",
        job="ERP export using profile FINANCE",
        deferrable=True,
        map_index_template="{{ task.alma_conn_id }}",
    ).expand(alma_conn_id=list_connections())
