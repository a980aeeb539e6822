"""Run a job of Alma's every working day at six, and fail if there was nothing to process."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG

from almajob.airflow.run_job import AlmaRunJobOperator

with DAG(
    "alma_single_job",
    schedule="0 6 * * Mon-Fri",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["alma"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
):
    AlmaRunJobOperator(
        task_id="export_invoices",
        job="ERP export using profile FINANCE",
        fail_if="invoices == 0",
        deferrable=True,
        execution_timeout=timedelta(hours=4),
    )
