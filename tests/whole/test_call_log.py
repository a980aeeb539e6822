"""``--log-json``: one object a line for each call of Alma, as many as Alma counts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run

ENV = ("--env", "sandbox")
ERP = "S9563600010000561"
MEMBERS = [
    *("time", "invocation", "run_key", "environment", "job", "instance", "method", "path"),
    *("status", "ms", "attempt", "tracking_id", "code", "error"),
]


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()]


def test_a_line_for_each_call_and_no_other(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """Whatever the command, and however the call ended: method, path and status are those that crossed."""
    log = tmp_path / "calls.jsonl"
    simulated.faults.add("503", "GET /conf/jobs", times=2)
    simulated.faults.add("accepted-500", "POST /conf/jobs/*")
    simulated.faults.add("html-200", "GET /conf/jobs/*/instances/*")
    simulated.faults.add("per-second", "GET /conf/jobs/*/instances")
    commands = (
        ("list",),
        ("run", "--job", ERP, "--run-key", "nightly", "--wait"),
        ("status", "--id", "@last"),
        ("status", "--id", "1"),
        ("history", "--job", ERP),
        ("show", "M44"),
        ("show", "M999"),
        ("list",),
    )
    for words in commands:
        almajob(*ENV, *words, "--log-json", str(log))
    lines = _lines(log)
    entries = simulated.log.requests()
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        (entry.method, entry.path, entry.status) for entry in entries
    ]
    assert len(lines) > 12
    assert all(list(line) == MEMBERS for line in lines)
    assert log.stat().st_mode & 0o777 == 0o600


def test_what_a_line_says(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """When, for which command and run, of which job and run of Alma's, and what Alma called its error."""
    log = tmp_path / "calls.jsonl"
    simulated.faults.add("503", "GET /conf/jobs")
    almajob(
        *ENV,
        "run",
        "--job",
        "ERP export using profile FINANCE",
        "--run-key",
        "nightly",
        "--log-json",
        str(log),
    )
    almajob(*ENV, "status", "--job", "M44", "--id", "1", "--log-json", str(log))
    lines = _lines(log)
    run_id = simulated.institution.sandbox.runs()[-1].id
    assert [line["attempt"] for line in lines[:2]] == [1, 2]
    (start,) = [line for line in lines if line["method"] == "POST"]
    assert {name: start[name] for name in ("run_key", "environment", "job", "instance", "code", "error")} == {
        "run_key": "nightly",
        "environment": "sandbox",
        "job": ERP,
        "instance": run_id,
        "code": None,
        "error": None,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", start["time"])
    assert re.fullmatch(r"[0-9a-f]{8}", start["invocation"])
    assert isinstance(start["ms"], int)
    refused = lines[-1]
    assert (refused["instance"], refused["code"], refused["error"], refused["status"]) == (
        "1",
        "402218",
        "AlmaRefused",
        400,
    )
    assert refused["tracking_id"].startswith("E01")
    assert refused["run_key"] is None
    assert refused["invocation"] != start["invocation"]


@pytest.mark.parametrize(
    ("fault", "error"), [("reset-after", "BrokenOff"), ("accepted-truncated", "BrokenOff")]
)
def test_a_call_without_an_answer_has_its_line(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path, fault: str, error: str
) -> None:
    """With no status, and how it failed."""
    log = tmp_path / "calls.jsonl"
    simulated.faults.add(fault, "POST /conf/jobs/*")
    almajob(*ENV, "run", "--job", ERP, "--log-json", str(log))
    (start,) = [line for line in _lines(log) if line["method"] == "POST"]
    assert (start["status"], start["error"]) == (None, error)
    assert len(_lines(log)) == len(simulated.log.requests())


def test_what_was_never_sent_has_no_line(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """A call that almajob itself keeps back is none."""
    log = tmp_path / "calls.jsonl"
    simulated.faults.add("daily", "GET /conf/jobs")
    assert almajob(*ENV, "list", "--log-json", str(log)).code == 10
    assert almajob(*ENV, "list", "--log-json", str(log)).code == 10
    assert [line["code"] for line in _lines(log)] == ["DAILY_THRESHOLD"]


def test_two_logs_at_once(simulated: SimulatedAlma, almajob: Run, tmp_path: Path) -> None:
    """The other one has the messages; neither goes to stderr that did not before."""
    log, other = tmp_path / "calls.jsonl", tmp_path / "messages.log"
    told = almajob(*ENV, "list", "--log-json", str(log), "--log-file", str(other))
    assert told.err == ""
    assert "GET /conf/jobs: HTTP 200" in other.read_text()
    assert len(_lines(log)) == simulated.log.total
    almajob(*ENV, "list", "--refresh")
    assert len(_lines(log)) == 1


def test_many_processes_write_whole_lines(simulated: SimulatedAlma, tmp_path: Path) -> None:
    """Into one file, at the same time; none is lost or torn."""
    log = tmp_path / "calls.jsonl"
    command = [sys.executable, "-m", "almajob", *ENV, "list", "--refresh", "--log-json", str(log)]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _number in range(6)]
    assert [process.wait() for process in running] == [0] * 6
    lines = _lines(log)
    assert len(lines) == simulated.log.total == 6
    assert len({line["invocation"] for line in lines}) == 6
    assert "simulator-sandbox-key" not in log.read_text()


@pytest.mark.parametrize("option", ["--log-json", "--log-file"])
def test_a_log_that_cannot_be_written_is_told_before_anything_is_done(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path, option: str
) -> None:
    """Exit code 2, and no call."""
    told = almajob(*ENV, "list", option, str(tmp_path / "missing" / "log"))
    assert told.code == 2
    assert "cannot be written" in told.err
    assert simulated.log.total == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("option", ["--log-json", "--log-file"])
def test_a_full_disk_does_not_stop_the_command(simulated: SimulatedAlma, almajob: Run, option: str) -> None:
    """It is said once; the result is what was asked for. Nor does it stop the next one in a shell."""
    said = "The log file /dev/full cannot be written: No space left on device.\n"
    for words, err in (((option, "/dev/full"), said), ((), "")):
        told = almajob(*ENV, "list", "--refresh", *words)
        assert (told.code, told.err) == (0, err)


def test_a_pipe_that_nobody_reads_holds_nothing_up(
    simulated: SimulatedAlma, almajob: Run, tmp_path: Path
) -> None:
    """A start, its answer and the ledger least of all; what does not fit is lost."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 512)
    told = almajob(*ENV, "run", "--job", ERP, "-f", "json", "--log-json", str(pipe))
    assert (told.code, json.loads(told.out)["state"]) == (0, "STARTED")
    for descriptor in (reader, writer):
        os.close(descriptor)
