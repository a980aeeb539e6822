"""The trigger: it does not keep the triggerer's loop, and says what it has seen."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from tests.airflow.site import PROGRAMS
from tests.support.environments import ROOT

_PROGRAM = """
import asyncio, json, sys, time
from airflow.sdk import Connection
from almajob.airflow.hook import AlmaHook
from almajob.airflow.trigger import AlmaJobRunTrigger

url, key, many, kwargs = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])

async def find(_cls, conn_id):
    return Connection(conn_id=conn_id, conn_type="alma", host=url, password=key, extra='{"kind": "sandbox"}')

AlmaHook.aget_connection = classmethod(find)
ticks = 0

async def tick():
    global ticks
    while True:
        await asyncio.sleep(0.01)
        ticks += 1

async def fire(number):
    name, given = AlmaJobRunTrigger("alma", **kwargs).serialize()
    async for event in AlmaJobRunTrigger(**given).run():
        return event.payload

async def main():
    ticking = asyncio.create_task(tick())
    events = await asyncio.gather(*(fire(number) for number in range(many)))
    ticking.cancel()
    print(json.dumps({"events": events, "ticks": ticks}))

asyncio.run(main())
"""


def _run(simulator: Simulator, tmp_path: Path, many: int = 1, **kwargs: Any) -> Any:
    if not PROGRAMS:
        pytest.fail("ALMAJOB_AIRFLOW does not name an environment with Airflow: see .ci/airflow")
    done = subprocess.run(
        [
            f"{PROGRAMS}/bin/python",
            "-c",
            _PROGRAM,
            simulator.base_url,
            simulator.key,
            str(many),
            json.dumps(kwargs),
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AIRFLOW_HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _begin(simulator: Simulator) -> tuple[str, str]:
    sandbox = simulator.institution.sandbox
    job = next(each for each in sandbox.jobs if each.name == "ERP export using profile FINANCE")
    return job.id, sandbox.submit(job, ()).id


def test_the_loop_goes_on_while_alma_is_slow(tmp_path: Path) -> None:
    """Ten triggers wait for answers that take a second and more; others go on a hundred times meanwhile."""
    with Simulator(Institution()) as simulator:
        simulator.institution.rules.seconds = 3.0
        _job, process_id = _begin(simulator)
        simulator.institution.faults.add("accepted-slow", "GET /conf/jobs/*", times=10, seconds=1.5)
        found = _run(simulator, tmp_path, 10, process_id=process_id, interval=0.5)
    assert found["events"] == [{"process_id": process_id, "deadline": None, "is_over": False}] * 10
    assert found["ticks"] > 100


def test_the_next_run_of_a_job_is_found(tmp_path: Path) -> None:
    """The first that was submitted at the time or later, and none from before."""
    with Simulator(Institution()) as simulator:
        simulator.institution.rules.seconds = 0.0
        job, _earlier = _begin(simulator)
        simulator.institution.clock.advance(3600)
        since = simulator.institution.clock()
        simulator.institution.clock.advance(60)
        _job, first = _begin(simulator)
        simulator.institution.clock.advance(60)
        _begin(simulator)
        when = datetime.fromtimestamp(since, UTC).isoformat()
        found = _run(simulator, tmp_path, job=job, since=when)
    assert [event["process_id"] for event in found["events"]] == [first]


def test_a_deadline_is_kept_also_if_alma_is_down(tmp_path: Path) -> None:
    """There is a last look, and the event says that the time is over."""
    with Simulator(Institution()) as simulator:
        simulator.institution.faults.add("refused", times=None)
        found = _run(simulator, tmp_path, process_id="9563643080000561", deadline=1.0)
    assert found["events"] == [{"process_id": "9563643080000561", "deadline": 1.0, "is_over": True}]
