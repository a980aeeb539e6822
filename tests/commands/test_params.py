"""``almajob params``: what a job was started with last, as a file to be edited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from almajob.alma.models import Parameter
from almajob.runs.parameters import payload_file
from almajob.testing import SimulatedAlma
from tests.conftest import Run

JOB = "Export Bibliographic records"
SENT = {"note": "a <b> & \u202e'\"\nsecond", "empty": "", "null": "Null", "set_id": "9563211250000561"}
START = ("--env", "sandbox", "run", "--job", "M44", "--params", "sent.json")


@pytest.fixture
def _started(simulated: SimulatedAlma, almajob: Run) -> None:
    Path("sent.json").write_text(json.dumps(SENT))
    assert almajob(*START).code == 0
    simulated.clock.advance(3600)


@pytest.mark.usefixtures("_started")
@pytest.mark.parametrize("words", [("M44",), (JOB,), ("M44", "--json"), ("M44", "-f", "json")])
def test_what_is_printed_can_be_given_back(
    simulated: SimulatedAlma, almajob: Run, words: tuple[str, ...]
) -> None:
    """With the job's line where it is XML; the same names and values, in order, without a tag."""
    done = almajob("--env", "sandbox", "params", *words)
    assert (done.code, done.err) == (0, "")
    found = payload_file.parse(done.out.encode(), "x")
    assert found.sent == tuple(Parameter(name, value) for name, value in SENT.items())
    assert found.job_id == ("" if "json" in words[-1] else "M44")
    assert "json" in words[-1] or done.out.startswith("POST /almaws/v1/conf/jobs/M44?op=run\n<job>\n")
    assert "\u202e" not in done.out
    Path("again.txt").write_text(done.out, "utf-8")
    assert almajob("--env", "sandbox", "run", "--job", "M44", "--params", "again.txt").code == 0
    assert simulated.log.count("POST /conf/jobs/M44") == 2


@pytest.mark.usefixtures("_started")
def test_of_a_job_that_was_never_started_here_nothing_is_known(almajob: Run) -> None:
    """Nor of the same job elsewhere, nor of one without parameters: exit code 5, and where to look."""
    almajob("--env", "sandbox", "run", "--job", "ERP export using profile FINANCE")
    for environment, job in (
        ("sandbox", "M18"),
        ("production", "M44"),
        ("sandbox", "ERP export using profile FINANCE"),
    ):
        done = almajob("--env", environment, "params", job)
        assert (done.code, done.out) == (5, "")
        assert "panel API Information" in done.err
    assert almajob("--env", "sandbox", "params", "no such job").code == 5
    assert almajob("--env", "sandbox", "params").code == 2


@pytest.mark.usefixtures("_started")
def test_a_start_that_alma_refuses_is_not_remembered(simulated: SimulatedAlma, almajob: Run) -> None:
    """What Alma did not take is no example."""
    before = almajob("--env", "sandbox", "params", "M44").out
    simulated.faults.add("per-second", "POST /conf/jobs/M44")
    assert almajob(*START, "--param", "extra=1", "--allow-unknown").code == 4
    assert almajob("--env", "sandbox", "params", "M44").out == before
    assert almajob(*START, "--param", "extra=1", "--allow-unknown").code == 0
    assert "<name>extra</name>" in almajob("--env", "sandbox", "params", "M44").out
    simulated.clock.advance(3600)
    assert almajob(*START, "--param", "extra=2").code == 0
