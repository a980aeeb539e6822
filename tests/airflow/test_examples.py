"""The example DAGs run, each as ``airflow dags test`` runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

import almajob
from almajob.simulator.http.server import Simulator
from tests.airflow.site import Site

EXAMPLES = Path(almajob.__file__).parent / "airflow" / "example_dags"


@pytest.mark.parametrize("connection", ["alma_default", "alma_own"])
def test_a_single_job(site: Site, simulator: Simulator, connection: str) -> None:
    """With the ledger in PostgreSQL, and with one of the task's own."""
    dag = (EXAMPLES / "alma_single_job.py").read_text("utf-8")
    (site.home / "dags" / "alma_single_job.py").write_text(
        dag.replace("deferrable=True,", f"deferrable=True, alma_conn_id={connection!r},")
    )
    before = len(simulator.institution.log.requests())
    done = site.run("dags", "test", "alma_single_job")
    assert done.returncode == 0, done.stdout + done.stderr
    calls = simulator.institution.log.requests()[before:]
    assert [call.status for call in calls if call.method == "POST"] == [200]
