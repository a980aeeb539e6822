"""The example DAGs run, each as ``airflow dags test`` runs it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import almajob
from almajob.simulator.http.server import Simulator
from almajob.simulator.world.run import Ending
from tests.airflow.site import PROGRAMS, Site

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


def test_ids_become_a_set_and_the_set_is_deleted(site: Site, simulator: Simulator) -> None:
    """Made, worked on, deleted, each once."""
    site.add_dags(EXAMPLES / "alma_ids_to_set.py")
    sandbox = simulator.institution.sandbox
    sets, ids = {each.id for each in sandbox.sets}, ["99700000000561", "99700010000561", "99700020000561"]
    before = len(simulator.institution.log.requests())
    done = site.run("dags", "test", "alma_ids_to_set", "--conf", json.dumps({"ids": ids}))
    assert done.returncode == 0, done.stdout + done.stderr
    calls = simulator.institution.log.requests()[before:]
    changes = [(call.method, call.path.split("/")[2], call.status) for call in calls if call.method != "GET"]
    assert changes == [
        ("POST", "sets", 200),
        ("POST", "sets", 200),
        ("POST", "jobs", 200),
        ("DELETE", "sets", 204),
    ]
    assert {each.id for each in sandbox.sets} == sets


def test_a_job_of_almas_schedule_is_waited_for_and_its_file_fetched(
    site: Site, simulator: Simulator, tmp_path: Path
) -> None:
    """A run from before the DAG run does not count; the file comes by SFTP."""
    site.add_dags(EXAMPLES / "alma_wait_for_schedule.py")
    (tmp_path / "alma").mkdir()
    (tmp_path / "alma" / "dump.xml").write_text("<collection/>")
    sandbox = simulator.institution.sandbox
    (job,) = (each for each in sandbox.jobs if each.name == "Publishing Platform Job FTP Dump")
    schedule = ("exl_impl", "Ex Libris")
    sandbox.submit(job, (), by=schedule)
    with serve_files(tmp_path) as (port, host_key):
        site.connect(
            "alma_sftp",
            conn_type="sftp",
            host="127.0.0.1",
            port=port,
            login="alma",
            password="x",
            extra={"host_key": host_key, "no_host_key_check": "false"},
        )
        site.variables["AIRFLOW_VAR_ALMA_FILES"] = str(tmp_path / "got")
        asked = simulator.institution.log.count(f"GET /conf/jobs/{job.id}/instances*")

        def start_when_looked_for() -> None:
            for _ in site.ticks(300.0):
                if simulator.institution.log.count(f"GET /conf/jobs/{job.id}/instances*") > asked:
                    sandbox.submit(job, (), by=schedule)
                    return

        starting = threading.Thread(target=start_when_looked_for)
        starting.start()
        done = site.run("dags", "test", "alma_wait_for_schedule")
        starting.join()
    assert done.returncode == 0, done.stdout + done.stderr
    (fetched,) = (tmp_path / "got").iterdir()
    assert fetched.read_text() == "<collection/>"


def test_a_job_runs_in_each_institution(site: Site, simulator: Simulator) -> None:
    """One mapped task for each connection, each with a run of its own."""
    site.add_dags(EXAMPLES / "alma_institutions.py")
    job = "S9563600010000561"
    before = len(simulator.institution.sandbox.runs(job))
    connections = json.dumps({"connections": ["alma_default", "alma_second"]})
    site.connect(
        "alma_second",
        conn_type="alma",
        host=simulator.base_url,
        password=simulator.key,
        extra={"kind": "sandbox", "ledger": "alma_ledger"},
    )
    simulator.institution.rules.endings[job] = Ending("COMPLETED_SUCCESS", 0.0)
    done = site.run("dags", "test", "alma_institutions", "--conf", connections)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(simulator.institution.sandbox.runs(job)) == before + 2


@contextmanager
def serve_files(directory: Path) -> Iterator[tuple[int, str]]:
    """Serve a directory by SFTP, with the library that Airflow's provider brings; return port and key."""
    program = (
        "import asyncio, asyncssh, sys\n"
        "class Server(asyncssh.SSHServer):\n"
        "    def begin_auth(self, user): return False\n"
        "async def main():\n"
        "    key = asyncssh.generate_private_key('ssh-ed25519')\n"
        "    factory = lambda channel: asyncssh.SFTPServer(channel, chroot=sys.argv[1].encode())\n"
        "    server = await asyncssh.listen('127.0.0.1', 0, server_factory=Server,\n"
        "        server_host_keys=[key], sftp_factory=factory)\n"
        "    print(server.get_port(), key.export_public_key().decode().strip(), flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    python = Path(PROGRAMS, "bin", "python")
    with subprocess.Popen(
        [python, "-c", program, str(directory)], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            port, _, host_key = server.stdout.readline().strip().partition(" ")
            yield int(port), host_key
        finally:
            server.kill()
