"""An Airflow, a PostgreSQL and a simulated Alma, for as long as the tests of the provider take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.run import Ending
from almajob.simulator.world.world import Rules
from tests.airflow.site import HAS_STATE_STORE, PROGRAMS, Site, TakeJobs
from tests.support.environments import ROOT
from tests.support.places import prepare
from tests.support.postgres import Cluster, need_programs

_ENDING = Ending("COMPLETED_SUCCESS", 2.0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this directory."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("airflow")


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """An Alma whose runs take two seconds, and which has room for any number of them."""
    rules = Rules(thresholds=False, checks_parameters=False, seconds=2.0)
    with Simulator(Institution(rules=rules)) as simulator:
        for job in simulator.institution.sandbox.jobs:
            rules.endings[job.id] = _ENDING
        yield simulator


@pytest.fixture(scope="session")
def take_jobs(simulator: Simulator) -> TakeJobs:
    """Give the ids of so many jobs of a kind: those that were started least; manual ones work on titles.

    Alma takes five starts of a job in an hour, and almajob sends no more. The job of the examples is left to
    them.
    """
    content = {"MANUAL": "BIB_MMS", "SCHEDULED": ""}
    sandbox = simulator.institution.sandbox
    found = {
        kind: [
            job.id
            for job in sandbox.jobs
            if (job.type, job.content[0]) == (kind, content[kind])
            and job.may_be_submitted
            and not job.is_chain
            and job.name != "ERP export using profile FINANCE"
        ]
        for kind in content
    }

    def take(kind: str, count: int) -> list[str]:
        jobs = sorted(found[kind], key=lambda job: len(sandbox.runs(job)))[:count]
        assert len(jobs) == count
        # A test before may have changed how they end.
        sandbox.rules.endings |= dict.fromkeys(jobs, _ENDING)
        return jobs

    return take


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("airflow") / "home"


@pytest.fixture(scope="session")
def site(airflow_home: Path, simulator: Simulator) -> Iterator[Site]:
    """An Airflow with two connections to the Alma: one with a ledger in PostgreSQL, one without."""
    if not PROGRAMS:
        pytest.fail("ALMAJOB_AIRFLOW does not name an environment with Airflow: see .ci/airflow")
    # It has hundreds of connections, which the tests' server for all would not have left.
    with Cluster(need_programs(), max_connections="300") as cluster:
        ledger = cluster.make_database()
        prepare(ledger)
        site = Site(airflow_home, cluster.make_database().url)
        extra = {"kind": "sandbox", "monitor_jobs": "https://alma.example.edu/jobs?id={process_id}"}
        for name, more in (("alma_own", {}), ("alma_default", {"ledger": "alma_ledger"})):
            site.connect(
                name,
                conn_type="alma",
                host=simulator.base_url,
                password=simulator.key,
                extra={**extra, **more},
            )
        server, _, name = ledger.url.rpartition("/")
        user, _, address = server.rpartition("//")[2].rpartition("@")
        host, _, port = address.rpartition(":")
        site.connect("alma_ledger", conn_type="postgres", host=host, port=int(port), login=user, schema=name)
        done = site.run("db", "migrate")
        assert done.returncode == 0, done.stdout + done.stderr
        try:
            yield site
        finally:
            site.stop()


@pytest.fixture(scope="session")
def running(site: Site) -> Site:
    """The Airflow with all of its parts, and with the DAGs of which tasks die."""
    site.add_dags(ROOT / "tests" / "airflow" / "dags" / "deaths.py")
    site.start("api-server", "scheduler", "triggerer", "dag-processor")
    ours = [f"{way}_{store}" for way in ("waiting", "deferred") for store in ("default", "own", "hurried")]
    ours += [f"{what}_{store}" for what in ("ids", "rerun") for store in ("default", "own")]
    site.wait_until_ready(*ours, "sensing", *(["resumable"] if HAS_STATE_STORE else []))
    return site
