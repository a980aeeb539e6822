"""DAGs of which a try dies, where and how their run's configuration says, and others for test_running."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG

from almajob.airflow.run_job import AlmaRunJobOperator
from almajob.airflow.sensor import AlmaJobRunSensor
from tests.airflow.dags.mortal import be_mortal, shorten_doubts

shorten_doubts()

_CONF = "{{ dag_run.conf.get('%s', '%s') }}"

for store in ("default", "own"):
    for way in ("waiting", "deferred"):
        with DAG(f"{way}_{store}", schedule=None, start_date=datetime(2026, 1, 1), max_active_runs=50):
            AlmaRunJobOperator(
                task_id="start",
                job=_CONF % ("job", ""),
                set_id=_CONF % ("set_id", ""),
                alma_conn_id=f"alma_{store}",
                allow_unknown=True,
                deferrable=way == "deferred",
                interval=1.0,
                doubt_interval=6.0,
                retries=3,
                retry_delay=timedelta(seconds=1),
                pre_execute=be_mortal,
            )

for store in ("default", "own"):
    with DAG(f"ids_{store}", schedule=None, start_date=datetime(2026, 1, 1)):
        AlmaRunJobOperator(
            task_id="start",
            job=_CONF % ("job", ""),
            ids=["99700000000561", "99700010000561", "99700020000561"],
            delete_set="good",
            alma_conn_id=f"alma_{store}",
            interval=1.0,
            retries=1,
            retry_delay=timedelta(seconds=1),
            pre_execute=be_mortal,
        )

    with DAG(f"rerun_{store}", schedule=None, start_date=datetime(2026, 1, 1)):
        AlmaRunJobOperator(
            task_id="start",
            job=_CONF % ("job", ""),
            rerun_failed=True,
            alma_conn_id=f"alma_{store}",
            deferrable=True,
            interval=1.0,
            retries=1,
            retry_delay=timedelta(seconds=15),
        )

for way in ("waiting", "deferred"):
    with DAG(f"{way}_hurried", schedule=None, start_date=datetime(2026, 1, 1)):
        AlmaRunJobOperator(
            task_id="start",
            job=_CONF % ("job", ""),
            deferrable=way == "deferred",
            interval=1.0,
            execution_timeout=timedelta(seconds=25),
            retries=5,
            retry_delay=timedelta(seconds=1),
        )

with DAG("sensing", schedule=None, start_date=datetime(2026, 1, 1)):
    AlmaJobRunSensor(
        task_id="start", job=_CONF % ("job", ""), alma_conn_id="alma_default", poke_interval=1, timeout=240
    )

try:
    from airflow.sdk import ResumableJobMixin
except ImportError:
    # It came with Airflow 3.3.
    ResumableJobMixin = None

if ResumableJobMixin is not None:
    from airflow.sdk import BaseOperator

    from tests.airflow.dags.resumable import submit, wait_for

    class ResumableAlmaOperator(ResumableJobMixin, BaseOperator):
        """The same job with what Airflow brings itself: the run's id is kept after the POST."""

        template_fields = ("job", "set_id")
        external_id_key = "process_id"

        def __init__(self, *, job: str, set_id: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.job = job
            self.set_id = set_id

        def execute(self, context: Any) -> Any:
            return self.execute_resumable(context)

        def submit_job(self, context: Any) -> str:
            return submit(self.job, self.set_id)

        def get_job_status(self, external_id: Any, context: Any) -> str:
            return wait_for(external_id, self.job, looks=1)

        def is_job_active(self, status: str) -> bool:
            return status in {"QUEUED", "PENDING", "INITIALIZING", "RUNNING", "FINALIZING"}

        def is_job_succeeded(self, status: str) -> bool:
            return status == "COMPLETED_SUCCESS"

        def poll_until_complete(self, external_id: Any, context: Any) -> None:
            if not self.is_job_succeeded(wait_for(external_id, self.job)):
                raise RuntimeError(f"run {external_id} has not ended well")

        def get_job_result(self, external_id: Any, context: Any) -> Any:
            return external_id

    with DAG("resumable", schedule=None, start_date=datetime(2026, 1, 1), max_active_runs=50):
        ResumableAlmaOperator(
            task_id="start",
            job=_CONF % ("job", ""),
            set_id=_CONF % ("set_id", ""),
            retries=3,
            retry_delay=timedelta(seconds=1),
            pre_execute=be_mortal,
        )
