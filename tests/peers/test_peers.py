"""Clients of Alma that nobody here wrote, pointed at the simulator.

Run by hand, in an environment of their own:

    python3 -m venv peers
    peers/bin/pip install --use-pep517 ".[test]" almapy almapipy almapiwrapper lxml pandas
    peers/bin/python -m pytest -m peers tests/peers

(almapiwrapper uses lxml and pandas without declaring them.)
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution

pytestmark = pytest.mark.peers

ERP = "S9563600010000561"
EXPORT = "M44"
KEY = "simulator-sandbox-key"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(Institution()) as running:
        yield running


def _set_id(simulator: Simulator) -> str:
    return next(item.id for item in simulator.institution.sandbox.sets if item.name == "Lost items")


def _run_id(simulator: Simulator) -> str:
    return simulator.institution.sandbox.runs()[-1].id


def test_almapipy(simulator: Simulator) -> None:
    """List, one job, instances, one instance, sets; its JSON and its XML."""
    almapipy = pytest.importorskip("almapipy")
    for form in ("json", "xml"):
        connection = almapipy.AlmaCnxn(KEY, data_format=form)
        for client in (connection.conf.jobs, connection.conf.sets):
            name = "jobs" if client is connection.conf.jobs else "sets"
            client.cnxn_params["api_uri_full"] = f"{simulator.base_url}/almaws/v1/conf/{name}"
        jobs, sets = connection.conf.jobs, connection.conf.sets
        job = next(item for item in simulator.institution.sandbox.jobs if item.id == ERP)
        if form == "json":
            run = simulator.institution.sandbox.submit(job, [])
        listed, one = jobs.get(limit=100), jobs.get(ERP)
        instances, instance = jobs.get_instances(ERP), jobs.get_instances(ERP, run.id)
        found, members = sets.get(_set_id(simulator)), sets.get_members(_set_id(simulator))
        if form == "json":
            assert listed["total_record_count"] == len(listed["job"]) == 88
            assert one["name"] == "ERP export using profile FINANCE"
            assert [item["id"] for item in instances["job_instance"]] == [run.id]
            assert instance["id"] == run.id
            assert found["number_of_members"]["value"] == members["total_record_count"] == 40
        else:
            assert len(listed.findall("job")) == 88
            assert one.findtext("name") == "ERP export using profile FINANCE"
            assert instances.findtext("job_instance/id") == instance.findtext("id") == run.id
            assert found.findtext("number_of_members") == members.get("total_record_count") == "40"


def test_almapiwrapper(simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Get, submit with XML, instance, instances, its state; a set and its members' number."""
    config = pytest.importorskip("almapiwrapper.config")
    record = pytest.importorskip("almapiwrapper.record")
    rights = [{"Area": "Conf", "Permissions": right, "Env": "S"} for right in ("R", "RW")]
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"SIM": [{"API_Key": KEY, "Supported_APIs": rights}]}), "utf-8")
    monkeypatch.setenv("alma_api_keys", str(keys))
    monkeypatch.setattr(record.Record, "api_base_url", f"{simulator.base_url}/almaws/v1")
    job = config.Job(EXPORT.removeprefix("M"), "SIM", "S")
    assert job.data.find(".//name").text == "Export Bibliographic records"
    parameter = f"<parameter><name>set_id</name><value>{_set_id(simulator)}</value></parameter>"
    assert job.run(f"<job><parameters>{parameter}</parameters></job>") is not None
    assert job.instance_id == _run_id(simulator)
    assert job.get_instance_info().content["id"] == job.instance_id
    assert job.get_instances().content["total_record_count"] == 1
    assert job.check_instance_state()
    assert not job.error
    found = config.RecSet(_set_id(simulator), "SIM", "S")
    assert found.name == "Lost items"
    assert found.get_members_number() == 40
    assert not found.error


def test_almapy(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """List, submit, instances, one instance, sets; it has no call for a single job."""
    almapy = pytest.importorskip("almapy")
    locations = pytest.importorskip("almapy._client")._LOCATIONS
    monkeypatch.setitem(locations, "Europe", simulator.base_url)

    async def use() -> dict[str, Any]:
        async with almapy.AlmaClient(KEY, "Europe") as client:
            jobs, sets = client.config.jobs, client.config.sets
            return {
                "listed": await jobs.get_jobs(limit=100),
                "started": await jobs.submit_job(ERP, {}),
                "instances": await jobs.get_job_instances(ERP),
                "instance": await jobs.get_job_instance(ERP, _run_id(simulator)),
                "sets": await sets.get_list(limit=100),
                "set": await sets.get_set(_set_id(simulator)),
                "members": await sets.get_members(_set_id(simulator)),
            }

    found = asyncio.run(use())
    assert found["listed"]["total_record_count"] == 88
    assert len(found["sets"]["set"]) == 5
    assert found["started"]["additional_info"]["link"].endswith(_run_id(simulator))
    assert found["instances"]["job_instance"][0]["id"] == found["instance"]["id"] == _run_id(simulator)
    assert found["set"]["name"] == "Lost items"
    assert found["members"]["total_record_count"] == 40
