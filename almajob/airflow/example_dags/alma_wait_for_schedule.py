"""Wait for a job that Alma starts by its own schedule, then fetch the file that it has written."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.sftp.operators.sftp import SFTPOperator
from airflow.sdk import DAG

from almajob.airflow.sensor import AlmaJobRunSensor

with DAG(
    "alma_wait_for_schedule",
    schedule="0 1 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["alma"],
):
    wait = AlmaJobRunSensor(
        task_id="wait_for_publishing",
        job="Publishing Platform Job FTP Dump",
        accept=["COMPLETED_FAILED"],
        deferrable=True,
        timeout=6 * 3600,
    )
    fetch = SFTPOperator(
        task_id="fetch_file",
        ssh_conn_id="alma_sftp",
        operation="get",
        remote_filepath="/alma/dump.xml",
        local_filepath="{{ var.value.get('alma_files', '/tmp') }}/dump-{{ ds_nodash or run_id }}.xml",
        create_intermediate_dirs=True,
    )
    wait >> fetch
