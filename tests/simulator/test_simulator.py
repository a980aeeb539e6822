"""The simulator is an Alma over real HTTP, whose world outlives it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from almajob.alma.statuses import STATUSES
from almajob.simulator.lifecycle import ending_of, progress_of
from almajob.simulator.server import KEY, Simulator
from almajob.simulator.world import WorldFile, built_in_jobs

HEADERS = {"Authorization": f"apikey {KEY}"}
ERP = "S9563600010000561"


class Hand:
    """A clock set by hand."""

    def __init__(self) -> None:
        self.time = 1_760_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def world(tmp_path: Path, hand: Hand) -> WorldFile:
    (tmp_path / "state").mkdir()
    return WorldFile(tmp_path / "state" / "world.json", hand)


@pytest.fixture
def url(world: WorldFile) -> Iterator[str]:
    with Simulator(world) as running:
        yield f"{running.base_url}/almaws/v1/conf"


def _get(url: str, path: str, **params: str) -> requests.Response:
    return requests.get(url + path, params=params, headers=HEADERS, timeout=5)


def _post(url: str, path: str, document: Any = None, **params: str) -> requests.Response:
    return requests.post(url + path, params=params, json=document, headers=HEADERS, timeout=5)


def _error(response: requests.Response) -> str:
    assert response.status_code == 400
    (error,) = response.json()["errorList"]["error"]
    return str(error["errorCode"])


def test_the_catalogue_has_what_breaks_naive_readers() -> None:
    """At least sixty jobs of three types; names twice, of digits only, with two blanks; ids once."""
    jobs = built_in_jobs()
    names = [job["name"] for job in jobs]
    assert len(jobs) >= 60
    assert {job["type"]["value"] for job in jobs} == {"MANUAL", "SCHEDULED", "OTHER"}
    assert len({job["id"] for job in jobs}) == len(jobs)
    assert max(Counter(names).values()) == 2
    assert "20190311" in names
    assert any("  " in name for name in names)
    assert names == sorted(names, key=str.casefold)


def test_pages_and_filters_are_almas(url: str) -> None:
    """Ten by default, a hundred at most; an empty list has no array; a wrong filter is 40166410."""
    everything = _get(url, "/jobs", limit="100").json()
    assert len(everything["job"]) == everything["total_record_count"] == len(built_in_jobs())
    assert set(everything["job"][0]) == {"id", "name", "type", "category"}
    assert len(_get(url, "/jobs").json()["job"]) == 10
    assert _get(url, "/jobs", limit="5", offset="80").json()["job"] == everything["job"][80:85]
    assert _get(url, "/jobs", limit="0").json() == {"total_record_count": len(built_in_jobs())}
    scheduled = _get(url, "/jobs", type="SCHEDULED", limit="100").json()["job"]
    assert {job["type"]["value"] for job in scheduled} == {"SCHEDULED"}
    assert _get(url, "/jobs", profile_id="77").json() == {"total_record_count": 0}
    assert {job["category"]["value"] for job in _get(url, "/jobs", category="EXPORT").json()["job"]} == {
        "EXPORT"
    }
    for wrong in ({"type": "X"}, {"category": "X"}, {"limit": "101"}, {"limit": "x"}, {"offset": "-1"}):
        assert _error(_get(url, "/jobs", **wrong)) == "40166410"


def test_a_run_goes_through_its_states(url: str, hand: Hand) -> None:
    """QUEUED without a start time, RUNNING, FINALIZING with an end time, and the end with its report."""
    made = _post(url, f"/jobs/{ERP}", {}, op="run").json()
    instance_id = made["additional_info"]["link"].rsplit("/", 1)[1]
    assert made["additional_info"]["value"].startswith(f"Job no. {instance_id} triggered on ")
    seen: list[dict[str, Any]] = []
    for _ in range(40):
        run = _get(url, f"/jobs/ALL/instances/{instance_id}").json()
        if not seen or seen[-1]["status"] != run["status"]:
            seen.append(run)
        hand.time += 0.1
    assert [run["status"]["value"] for run in seen] == [
        *("QUEUED", "INITIALIZING", "RUNNING", "FINALIZING", "COMPLETED_SUCCESS"),
    ]
    assert "start_time" not in seen[0]
    assert "end_time" in seen[3]
    assert seen[4]["counter"][0]["value"] == "42"
    assert seen[4]["job_info"]["id"] == ERP


def test_the_newest_run_is_listed_first(url: str) -> None:
    """By job; a run is found by its own job or by ALL."""
    ids = [_post(url, f"/jobs/{ERP}", {}, op="run").json()["additional_info"]["link"][-16:] for _ in range(3)]
    listed = _get(url, f"/jobs/{ERP}/instances").json()
    assert [run["id"] for run in listed["job_instance"]] == ids[::-1]
    assert _get(url, "/jobs/M44/instances").json() == {"total_record_count": 0}
    assert _error(_get(url, f"/jobs/M44/instances/{ids[0]}")) == "402218"
    assert _get(url, f"/jobs/{ERP}/instances/{ids[0]}").json()["id"] == ids[0]


def test_the_world_outlives_the_server(url: str, world: WorldFile, tmp_path: Path, hand: Hand) -> None:
    """Its file is private, and another server goes on where this one stopped."""
    first = _post(
        url, f"/jobs/{ERP}", {"parameter": [{"name": {"value": "job_name"}, "value": "Mine"}]}, op="run"
    )
    with Simulator(WorldFile(tmp_path / "state" / "world.json", hand)) as other:
        second = _post(f"{other.base_url}/almaws/v1/conf", f"/jobs/{ERP}", {}, op="run")
    one, two = (answer.json()["additional_info"]["link"].rsplit("/", 1)[1] for answer in (first, second))
    assert int(two) > int(one)
    assert _get(url, f"/jobs/ALL/instances/{one}").json()["name"] == "Mine"
    for path in (tmp_path / "state").iterdir():
        assert path.stat().st_mode & 0o077 == 0


def test_processes_share_a_world_without_losing_a_run(tmp_path: Path) -> None:
    """Eight at once, ten starts each: eighty runs with eighty ids."""
    path = tmp_path / "world.json"
    program = (
        "import sys; from pathlib import Path; from almajob.simulator.world import WorldFile, built_in_jobs\n"
        "world = WorldFile(Path(sys.argv[1]))\n"
        "for _ in range(10): world.submit(built_in_jobs()[0], [])\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(8)]
    assert [process.wait(60) for process in running] == [0] * 8
    assert len({run.id for run in WorldFile(path).submissions()}) == 80


@pytest.mark.parametrize(
    ("method", "path", "params", "code"),
    [
        ("GET", "/jobs/123456", {}, "402215"),
        ("GET", "/jobs/M999999", {}, "402216"),
        ("GET", "/jobs/M999999/instances", {}, "402216"),
        ("POST", "/jobs/M44", {}, "402220"),
        ("POST", "/jobs/M44", {"op": "stop"}, "402221"),
        ("POST", "/jobs/O9563600080000561", {"op": "run"}, "402248"),
        ("GET", "/jobs/ALL/instances/1", {}, "402218"),
        ("GET", "/nowhere", {}, "402119"),
        ("DELETE", "/jobs/M44", {}, "402119"),
        ("GET", "/code-tables/nowhere", {}, "402119"),
    ],
)
def test_everything_bad_is_a_400_with_almas_code(
    url: str, method: str, path: str, params: dict[str, str], code: str
) -> None:
    """There is no 404."""
    assert _error(requests.request(method, url + path, params=params, headers=HEADERS, timeout=5)) == code


@pytest.mark.parametrize("body", [b"{", b'"text"', b'{"parameter": [1]}', b"[" * 100_000])
def test_a_body_that_is_no_start_is_refused(url: str, body: bytes) -> None:
    """Nothing is started by it."""
    answer = requests.post(f"{url}/jobs/M44?op=run", data=body, headers=HEADERS, timeout=5)
    assert _error(answer) == "402119"
    assert _get(url, "/jobs/M44/instances").json() == {"total_record_count": 0}


def test_a_wrong_key_is_answered_by_the_gateway(url: str) -> None:
    """In XML, whatever was asked for."""
    answer = requests.get(f"{url}/jobs", headers={"Accept": "application/json"}, timeout=5)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("application/xml")
    assert "<errorCode>UNAUTHORIZED</errorCode>" in answer.text


def test_neighbouring_calls(url: str) -> None:
    """The status table, the two tests and where a key leads."""
    rows = _get(url, "/code-tables/systemJobStatus").json()["row"]
    assert {row["code"] for row in rows} == set(STATUSES)
    assert _get(url, "/test").json()["test"].startswith("GET - OK")
    assert _post(url, "/test", {}).json() == {"test": "POST - OK"}
    assert _get(url, "/general").json()["environment_type"] == "SANDBOX"


def test_the_reports_lie_as_almas_do() -> None:
    """0 % on failure, more than 100 % with errors, words for a counter; a clock that went back is QUEUED."""
    failed = progress_of("Users SYNCHRONIZE using profile SIS", 0, 100)
    assert (failed["status"]["value"], failed["progress"]) == ("FAILED", 0)
    dumped = progress_of("Publishing Platform Job FTP Dump", 0, 100)
    assert dumped["progress"] > 100
    assert dumped["counter"][-1]["value"] == "Download zip file for manual FTP."
    assert ending_of("Users EXPORT using profile SIS").status == "COMPLETED_WARNING"
    assert progress_of("x", 100, 0)["status"]["value"] == "QUEUED"


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"submissions": [{"x": 1}]}), "[" * 100_000])
def test_a_file_that_is_no_world_is_refused(tmp_path: Path, text: str) -> None:
    """It is not overwritten either."""
    path = tmp_path / "world.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"world|Expecting|indices"):
        WorldFile(path)
    assert path.read_text("utf-8") == text
