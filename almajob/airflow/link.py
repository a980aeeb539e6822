"""The link from a task to Alma's page *Monitor Jobs*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

LINK_KEY = "alma_monitor_jobs"


class AlmaMonitorJobsLink(BaseOperatorLink):
    """Opens *Monitor Jobs*, at the address that the connection has."""

    name = "Monitor Jobs"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address; an empty one where the connection has none, or nothing was started."""
        return XCom.get_value(ti_key=ti_key, key=LINK_KEY) or ""


def fill_in(address: str, process_id: str) -> str:
    """Return the address of a run's page."""
    return address.replace("{process_id}", process_id)
