"""What people see of a wait: in a real terminal, and in a pipe."""

from __future__ import annotations

import importlib.util
import io
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from almajob.alma.job_instances import Instance
from almajob.alma.models import Code, Job
from almajob.cli.console import progress as live
from almajob.runs.wait.watched_run import Lines, WatchedRun
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.terminals import Terminal

ERP = "ERP export using profile FINANCE"
JOBS = (ERP, "Users SYNCHRONIZE using profile SIS", "Publishing Platform Job FTP Dump")
WAIT = ("--env", "sandbox", "wait", "--interval", "1", "--id")


@pytest.fixture
def simulated(simulated: SimulatedAlma) -> SimulatedAlma:
    """A simulator whose jobs last ten minutes."""
    for job in JOBS:
        simulated.set_ending(job, "COMPLETED_SUCCESS", seconds=600)
    return simulated


def _started(simulated: SimulatedAlma, count: int = 1) -> list[str]:
    world = simulated.institution.sandbox
    by_name = {job.name: job for job in world.jobs}
    return [world.submit(by_name[name], []).id for name in JOBS[:count]]


def test_a_bar_is_drawn_and_taken_away(simulated: SimulatedAlma) -> None:
    """Status, per cent, elapsed, next look; at the end only the end and the result are left."""
    (run_id,) = _started(simulated)
    with Terminal(*WAIT, run_id, size=(40, 110)) as terminal:
        terminal.until(lambda text: f"{run_id} QUEUED" in text)
        simulated.clock.advance(302)
        shown = terminal.until(lambda text: "RUNNING" in text)
        (line,) = shown.splitlines()
        assert line.startswith(run_id)
        assert " %" in line
        assert "━" in line
        assert " 5 min 0" in line
        assert "next look in 1 s" in line or "looking" in line
        assert "ERP export" in line
        simulated.clock.advance(600)
        assert terminal.end() == 0
        assert terminal.lines[0] == f"Run {run_id}: COMPLETED_SUCCESS"
        assert terminal.lines[1].startswith("+---")
        assert "next look" not in terminal.text
        assert "━" not in terminal.text
        assert not terminal.cursor_is_hidden


@pytest.mark.parametrize(
    ("number", "code", "size"), [(signal.SIGINT, 130, (20, 110)), (signal.SIGTERM, 143, (20, 50))]
)
def test_a_signal_ends_the_wait_at_once_and_leaves_the_job_alone(
    simulated: SimulatedAlma, number: int, code: int, size: tuple[int, int]
) -> None:
    """Nothing is left on the screen but the line to resume with, which works as it is pasted."""
    run_id, other = _started(simulated, 2)
    command = ("--env", "sandbox", "wait", "--id", run_id, other, "--interval", "60")
    with Terminal(*command, size=size) as terminal:
        terminal.until(lambda text: f"{other} " in text)
        begun = time.monotonic()
        if number == signal.SIGINT:
            terminal.press_ctrl_c()
        else:
            terminal.process.send_signal(number)
        assert terminal.end() == code
        # Long before the next look; how long almajob itself takes is a tenth of a second.
        assert time.monotonic() - begun < 10
        said = "".join(terminal.lines)
        resume = f"almajob --env sandbox wait --id {run_id} {other} --interval 60s"
        assert said.replace(" ", "") == f"The 2 jobs go on in Alma. Resume: {resume}".replace(" ", "")
        assert not terminal.cursor_is_hidden
    simulated.clock.advance(3600)
    program, *words = shlex.split(resume)
    done = subprocess.run([Path(sys.executable).with_name(program), *words], capture_output=True, check=False)
    assert done.returncode == 0


def test_many_runs_have_as_many_lines_as_there_is_room_for(simulated: SimulatedAlma) -> None:
    """And the others are counted."""
    runs = _started(simulated, 3)
    with Terminal(*WAIT[:-3], "--interval", "1", "--id", *runs, size=(4, 110)) as terminal:
        shown = terminal.until(lambda text: "and 1 more" in text)
        assert [line.split()[0] for line in shown.splitlines()] == [runs[0], runs[1], "and"]


@pytest.mark.parametrize(
    ("environ", "words", "told"),
    [
        ({"TERM": "dumb"}, (), "Run {}: COMPLETED_SUCCESS\n"),
        ({}, ("-q",), ""),
        ({}, ("-v",), "Run {}: COMPLETED_SUCCESS"),
    ],
)
def test_where_no_bar_is_wanted_there_is_none(
    simulated: SimulatedAlma, environ: dict[str, str], words: tuple[str, ...], told: str
) -> None:
    """A line for each change on a terminal that cannot, nothing with -q, each call with -v."""
    (run_id,) = _started(simulated)
    simulated.clock.advance(3600)
    with Terminal(*words, *WAIT, run_id, "-f", "value", "-c", "passed", environ=environ) as terminal:
        assert terminal.end() == 0
        assert told.format(run_id).strip() in terminal.text
        assert "━" not in terminal.text
        if words == ("-q",):
            assert terminal.lines == ["true"]


def test_in_a_pipe_there_is_a_line_for_each_change(simulated: SimulatedAlma, almajob_process: Run) -> None:
    """And Rich is not even imported."""
    (run_id,) = _started(simulated)
    simulated.clock.advance(3600)
    done = almajob_process(*WAIT, run_id, environ={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.code == 0
    told = [line for line in done.err.splitlines() if not line.startswith("import time:")]
    assert told == [f"Run {run_id}: COMPLETED_SUCCESS"]
    assert "almajob.runs.wait" in done.err
    assert not [line for line in done.err.splitlines() if line.endswith((" rich", " rich.live"))]


def test_without_rich_a_terminal_gets_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes with almajob[live], and usually with cliff."""

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("almajob.cli.console.log_setup.is_at_default_level", lambda: True)
    monkeypatch.setattr(sys, "stderr", Screen())
    assert live._can_draw(sys.stderr)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with live.display() as shown:
        assert isinstance(shown, Lines)


def _followed(status: str, progress: float | None, **more: Any) -> WatchedRun:
    instance = Instance("77", status=Code(status), progress=progress, job=Job("S1", "A\x1b[2Jjob [red]x"))
    return WatchedRun("77", instance=instance, **more)


@pytest.mark.parametrize(
    ("status", "told", "shown"),
    [
        ("RUNNING", 42.4, 42.4),
        ("RUNNING", 0.0, 0.0),
        ("RUNNING", 100.0, 100.0),
        ("RUNNING", 101.3, None),
        ("RUNNING", 209.0, None),
        ("RUNNING", -1.0, None),
        ("RUNNING", None, None),
        ("QUEUED", 0.0, None),
        ("FAILED", 0.0, None),
        ("BRAND_NEW", 50.0, None),
    ],
)
def test_progress_is_shown_where_it_can_be_believed(
    status: str, told: float | None, shown: float | None
) -> None:
    """Of a run that is running, from 0 to 100; the bar is sane in every case."""
    run = _followed(status, told)
    assert live.progress(run) == shown
    text = _rendered(run)
    assert ("%" in text) is (shown is not None)
    # What steers a terminal is spelled out, and a name is no markup.
    assert r"A\x1b[2Jjob [red]x" in text
    # Without colours only the part that is done is drawn.
    assert text.count("━") == int((shown or 0) / 10)


def _rendered(run: WatchedRun) -> str:
    file = io.StringIO()
    console = Console(file=file, width=120, markup=False, force_terminal=True, color_system=None)
    console.print(live._make_table([run], 0, 3.0, 110))
    return file.getvalue()


@pytest.mark.parametrize(
    ("failures", "due", "told"),
    [
        (0, 10.0, "next look in 7 s"),
        (0, 3.0, "looking"),
        (0, 603.0, "next look in 10 min"),
        (2, 23.0, "cannot be seen, next look in 20 s"),
    ],
)
def test_when_the_next_look_is_and_why(failures: int, due: float, told: str) -> None:
    """A run that cannot be seen is not shown as if it could."""
    assert live.describe_next_look(_followed("RUNNING", 1.0, failures=failures, due=due), 3.0) == told
