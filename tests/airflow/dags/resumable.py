"""An operator for Alma as one would write it with Airflow's own ``ResumableJobMixin``, without almajob."""

from __future__ import annotations

import time
from typing import Any

import requests
from airflow.sdk import BaseHook

_GOING_ON = {"QUEUED", "PENDING", "INITIALIZING", "RUNNING", "FINALIZING"}


def submit(job: str, set_id: str) -> str:
    """Start a job; return the Process ID of its run."""
    parameters = [{"name": {"value": "set_id"}, "value": set_id}] if set_id else []
    found = post(f"/conf/jobs/{job}?op=run", {"parameter": parameters})
    return str(found["additional_info"]["link"].rsplit("/", 1)[-1])


def post(path: str, body: Any) -> Any:
    return _call("POST", path, json=body)


def wait_for(process_id: str, job: str, looks: int = 1000) -> str:
    """Look so often at most, until a run has ended; return its status."""
    status = ""
    for look in range(looks):
        if look:
            time.sleep(1)
        found = _call("GET", f"/conf/jobs/{job}/instances/{process_id}")
        status = str(found["status"]["value"])
        if status not in _GOING_ON:
            break
    return status


def _call(method: str, path: str, **parts: Any) -> Any:
    alma = BaseHook.get_connection("alma_own")
    answer = requests.request(
        method,
        f"{alma.host}/almaws/v1{path}",
        headers={"Authorization": f"apikey {alma.password}", "Accept": "application/json"},
        timeout=60,
        **parts,
    )
    answer.raise_for_status()
    return answer.json()
