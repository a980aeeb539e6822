"""What people see of a wait: in a real terminal, and in a pipe."""

from __future__ import annotations

import importlib.util
import io
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from almajob.alma.job_instances import Instance
from almajob.alma.models import Code, Job
from almajob.cli.console import progress as live
from almajob.cli.console.redrawn import can_draw
from almajob.errors import Unreachable
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
        terminal.until(lambda text: f"{run_id} {ERP} QUEUED" in text)
        simulated.clock.advance(302)
        shown = terminal.until(lambda text: "RUNNING" in text)
        (line,) = shown.splitlines()
        assert line.startswith(run_id)
        assert " %" in line
        assert "━" in line
        assert " 5 min 0" in line
        assert "next look in 1 s" in line or "looking" in line
        assert ERP in line
        simulated.clock.advance(600)
        assert terminal.end() == 0
        assert terminal.lines[0] == f"{ERP} (run {run_id}): COMPLETED_SUCCESS"
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
        terminal.until(lambda text: text.count("QUEUED") == 2)
        begun = time.monotonic()
        if number == signal.SIGINT:
            terminal.press_ctrl_c()
        else:
            terminal.process.send_signal(number)
        assert terminal.end() == code
        # Long before the next look; how long almajob itself takes is a tenth of a second.
        assert time.monotonic() - begun < 10
        said = "".join(terminal.lines)
        resume = f"almajob --env sandbox wait {run_id} {other} --interval 60s"
        ids = () if size[1] > 100 else (run_id, other)
        above = "".join(f"Waiting for run {each}." for each in ids)
        assert said.replace(" ", "") == f"{above}The 2 jobs go on in Alma. Resume: {resume}".replace(" ", "")
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
        ({"TERM": "dumb"}, (), f"{ERP} (run {{}}): COMPLETED_SUCCESS\n"),
        ({}, ("-q",), ""),
        ({}, ("-v",), f"{ERP} (run {{}}): COMPLETED_SUCCESS"),
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
    assert told == [f"{ERP} (run {run_id}): COMPLETED_SUCCESS"]
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
    assert can_draw(sys.stderr)
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
    console = Console(file=io.StringIO(), markup=False, force_terminal=True, color_system=None)
    (line,) = live._render(console, [run], live._choose_columns([run], 110), [], 3.0, 110)
    return line.text


@pytest.mark.parametrize("width", [12, 20, 36, 56, 76, 136])
@pytest.mark.parametrize("status", ["QUEUED", "INITIALIZING"])
@pytest.mark.parametrize("name", ["gift", ERP, "書誌データ一括変更ジョブ" * 3])
def test_no_line_is_wider_than_the_terminal(width: int, status: str, name: str) -> None:
    """Status, time gone by, name, next look, in this order; a Process ID is whole or not there."""
    job, error = Job("S1", name), Unreachable("No connection to alma.example could be made " + "so " * 60)
    run = WatchedRun(
        "9563643080000561", instance=Instance("9563643080000561", status=Code(status), progress=42.0, job=job)
    )
    run.age, run.due, run.failures, run.error = 750.0, 50.0, 2, error
    console = Console(file=io.StringIO(), markup=False, color_system=None)
    columns = live._choose_columns([run], width)
    line, reason = live._render(console, [run], columns, live._list_reasons([run]), 0.0, width)
    for shown in (line, reason):
        assert shown.width == cell_len(shown.text) <= width
    assert reason.text.startswith("Cannot be")
    assert status in line.text
    assert ("12 min 30 s" in line.text) is (width >= 36)
    assert name[:4] in line.text or width < 36
    assert ("next look in 50 s" in line.text) is (width >= 56)
    assert ("9563643080000561" in line.text) is (width >= 76)
    assert ("━" in line.text) is (width > 100 and status == "INITIALIZING")


def test_a_run_that_was_started_just_now_has_a_bar_rather_than_its_id(simulated: SimulatedAlma) -> None:
    """The Process ID stands above already, in the line that says that it was started."""
    with Terminal("--env", "sandbox", "run", ERP, "--wait", size=(20, 80)) as terminal:
        *_, started, line = terminal.until(lambda text: "next look in" in text).splitlines()
        assert re.fullmatch(rf"Started {ERP} in sandbox: run \d+\.?", started)
        assert re.match(r"ERP export[^…]*(…|FINANCE) QUEUED ━{10} ", line)
        terminal.press_ctrl_c()
        assert terminal.end() == 130


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_job_status_time_and_next_look_are_seen_at_any_width(simulated: SimulatedAlma, columns: int) -> None:
    """And the Process ID whole, in the line or once above it."""
    (run_id,) = _started(simulated)
    with Terminal(*WAIT, run_id, size=(20, columns)) as terminal:
        terminal.until(lambda text: "QUEUED" in text)
        *above, line = terminal.until(lambda text: "next look in 1 s" in text).splitlines()
        assert re.search(r"ERP export[^…]*(…|FINANCE) QUEUED .*\d s next look in 1 s$", line)
        assert above == ([f"Waiting for run {run_id}."] if columns == 60 else [])
        assert (run_id in line) is (columns > 60)
        terminal.press_ctrl_c()
        assert terminal.end() == 130


def test_why_a_run_cannot_be_seen_is_shown_while_one_waits(simulated: SimulatedAlma) -> None:
    """Below its line, once for all runs that have it."""
    first, second = _started(simulated, 2)
    simulated.faults.add("reset-before", "GET /conf/jobs/*", times=10_000)
    with Terminal(*WAIT, first, second, size=(20, 80)) as terminal:
        shown = terminal.until(lambda text: text.count("next look in") == 2 and "Cannot be seen" in text)
        assert shown.count("Cannot be seen: ") == 1
        assert shown.count("not seen yet") == 2
        terminal.press_ctrl_c()
        assert terminal.end() == 130
    simulated.faults.clear()


def test_ctrl_z_gives_the_terminal_back_and_fg_draws_anew(simulated: SimulatedAlma) -> None:
    """The cursor is there while the shell asks, nothing is left of the line, and nothing is written over."""
    (run_id,) = _started(simulated)
    shell = ("bash", "--norc", "--noprofile", "--noediting", "-i")
    command = shlex.join([sys.executable, "-m", "almajob", *WAIT, run_id])
    with Terminal(program=shell, environ={"PS1": "$ "}, size=(20, 200)) as terminal:
        terminal.until(lambda text: text.endswith("$"))
        terminal.type(f"{command}\n")
        terminal.until(lambda text: "QUEUED" in text)
        terminal.type("\x1a")
        terminal.until(lambda text: "Stopped" in text and text.endswith("$"))
        assert "QUEUED" not in terminal.text
        assert not terminal.cursor_is_hidden
        terminal.type("fg\n")
        terminal.until(lambda text: "QUEUED" in text)
        *_, shells, again, line = terminal.lines
        assert (shells, again) == ("$ fg", command)
        assert line.startswith(run_id)
        terminal.press_ctrl_c()
        shown = terminal.until(lambda text: "Resume: " in text and text.endswith("$"))
        assert "QUEUED" not in shown
        # So that not even kill -9 can leave a terminal without one.
        assert "\x1b[?25l" not in terminal.written


@pytest.mark.parametrize(
    ("failures", "due", "told"),
    [
        (0, 10.0, "next look in 7 s"),
        (0, 3.0, "looking"),
        (0, 603.0, "next look in 10 min"),
    ],
)
def test_when_the_next_look_is(failures: int, due: float, told: str) -> None:
    """In whole seconds, or minutes."""
    assert live.describe_next_look(_followed("RUNNING", 1.0, failures=failures, due=due), 3.0) == told
