"""``almajob top``: in a real terminal, and where there is none."""

from __future__ import annotations

import csv
import io
import json
import shlex
import signal
import sys
import termios
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.terminals import Terminal

ERP = "ERP export using profile FINANCE"
SIS = "Users SYNCHRONIZE using profile SIS"
TOP = ("--env", "sandbox", "top", ERP, SIS)
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?25h\x1b[?1049l"


def _submit(alma: SimulatedAlma, name: str = ERP, *, seconds: float = 3000, status: str = "") -> str:
    alma.set_ending(name, status or "COMPLETED_SUCCESS", seconds=seconds)
    world = alma.institution.sandbox
    return world.submit(next(job for job in world.jobs if job.name == name), [], ("System", "")).id


def _assert_given_back(terminal: Terminal, mode: list[object]) -> None:
    """The screen, the cursor, echo and lines are as they were."""
    assert terminal.written.count(ENTER) == terminal.written.count(LEAVE) > 0
    assert not terminal.cursor_is_hidden
    assert _mode(terminal) == mode


def _is_as_wide(columns: int, text: str) -> bool:
    """Whether the page fills a terminal of this width."""
    return [len(line) for line in text.splitlines()[-1:]] == [columns]


def _mode(terminal: Terminal) -> list[object]:
    return list(termios.tcgetattr(terminal._master))


def test_the_page_follows_what_runs(simulated: SimulatedAlma) -> None:
    """At 80 columns, and when the window is made narrower, wider and lower; q leaves. Nothing but GETs."""
    failed = _submit(simulated, SIS, seconds=30, status="FAILED")
    simulated.clock.advance(300)
    run_id = _submit(simulated, seconds=100)
    simulated.clock.advance(63)
    with Terminal(*TOP, size=(24, 80)) as terminal:
        mode = _mode(terminal)
        shown = terminal.until(lambda text: run_id in text and failed in text)
        top, counts, heading, line, details, _ended, end, *_, bottom = shown.splitlines()
        assert top.startswith("almajob top  ")
        assert counts.startswith(" sandbox  1 running, 1 ended (1 badly), 99,")
        assert heading == "Running"
        assert line.startswith(f"{ERP} ")
        for word in (" RUNNING ", "━━━━━", " 60 % ", " 1 min "):
            assert word in line
        assert details.startswith(f"  {run_id}  since ")
        assert details.endswith("  by System")
        for word in (SIS[:20], "FAILED", failed):
            assert word in end
        assert bottom.startswith("q leaves; the jobs go on  ")
        assert len(bottom) == 80
        # Neither of them is shown by a terminal whose keys are read.
        assert mode != _mode(terminal)
        terminal.type("x")
        for rows, columns in ((24, 60), (30, 140), (6, 80)):
            terminal.resize(rows, columns)
            shown = terminal.until(partial(_is_as_wide, columns))
            assert shown.splitlines()[0].startswith("almajob top ")
            assert len(shown.splitlines()[0]) == columns
            assert ERP[:18] in shown
            assert ("by System" in shown) is (columns == 60)
        # The window fits it again; time passes, and the run ends.
        terminal.resize(24, 80)
        simulated.clock.advance(3000)
        terminal.until(lambda text: " sandbox  0 running, 2 ended" in text)
        terminal.type("q")
        assert terminal.end() == 0
        assert terminal.written.endswith(LEAVE)
        _assert_given_back(terminal, mode)
    assert {entry.method for entry in simulated.log.requests()} == {"GET"}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_it_and_gives_the_terminal_back(
    simulated: SimulatedAlma, number: signal.Signals, code: int
) -> None:
    """With the exit code of a wait that it ends; Ctrl-C is one. Calls that hang hold nothing up."""
    _submit(simulated)
    simulated.faults.add("accepted-slow", "GET /conf/jobs/*/instances*", times=None, seconds=30)
    with Terminal(*TOP, size=(24, 80)) as terminal:
        mode = _mode(terminal)
        terminal.until(lambda text: "looking" in text and "0 of 2 jobs seen" in text)
        if number == signal.SIGINT:
            terminal.press_ctrl_c()
        else:
            terminal.process.send_signal(number)
        assert terminal.end() == code
        assert terminal.written.endswith(LEAVE)
        _assert_given_back(terminal, mode)
    simulated.faults.clear()


def test_ctrl_z_gives_the_terminal_back_and_fg_draws_anew(simulated: SimulatedAlma) -> None:
    """The shell has its screen, its cursor and its echo meanwhile."""
    run_id = _submit(simulated)
    shell = ("bash", "--norc", "--noprofile", "--noediting", "-i")
    command = shlex.join([sys.executable, "-m", "almajob", *TOP])
    with Terminal(program=shell, environ={"PS1": "$ "}, size=(24, 80)) as terminal:
        terminal.until(lambda text: text.endswith("$"))
        mode = _mode(terminal)
        terminal.type(f"{command}\n")
        terminal.until(lambda text: run_id in text)
        terminal.type("\x1a")
        terminal.until(lambda text: "Stopped" in text and terminal.written.endswith("$ "))
        _assert_given_back(terminal, mode)
        # What runs in the background draws nothing.
        terminal.type("clear; bg\n")
        terminal.until(lambda text: "almajob" in text and terminal.written.endswith("$ "))
        terminal.type("clear; echo still $((1 + 1))\n")
        terminal.until(lambda text: "still 2" in text and terminal.written.endswith("$ "))
        assert run_id not in terminal.text
        terminal.type("fg\n")
        terminal.until(lambda text: run_id in text and "almajob top" in text)
        assert terminal.written.count(ENTER) == 2
        terminal.type("q")
        terminal.until(lambda _: terminal.written.endswith("$ "))
        terminal.type("echo ended with $?\n")
        terminal.until(lambda text: "ended with 0" in text and terminal.written.endswith("$ "))
        _assert_given_back(terminal, mode)


def test_an_alma_that_is_down_and_comes_back(simulated: SimulatedAlma) -> None:
    """The page stays, says since when and why, and goes on by itself."""
    run_id = _submit(simulated)
    with Terminal(*TOP, size=(24, 80)) as terminal:
        terminal.until(lambda text: run_id in text and "2 jobs" in text)
        simulated.faults.add("reset-before", "GET *", times=None)
        shown = terminal.until(lambda text: "tries again in" in text)
        assert "No news from Alma since " in shown
        assert "did not answer completely." in shown
        assert run_id in shown
        simulated.faults.clear()
        terminal.until(lambda text: "No news" not in text and run_id in text)
        terminal.type("q")
        assert terminal.end() == 0


def test_a_wrong_key_ends_it_with_its_message(
    simulated: SimulatedAlma, write_ini: Callable[..., Path]
) -> None:
    """On the screen that was there before, with the exit code of any command."""
    write_ini(simulated.ini.replace("api_key = ", "api_key = x"))
    with Terminal("--env", "sandbox", "top", "--name", "ERP", size=(24, 80)) as terminal:
        mode = _mode(terminal)
        assert terminal.end() == 7
        _assert_given_back(terminal, mode)
        assert "almajob:" in terminal.written.rpartition(LEAVE)[2]


@pytest.fixture
def with_broken(simulated: SimulatedAlma, write_ini: Callable[..., Path]) -> None:
    """A third environment, whose key Alma does not accept."""
    broken = f"base_url = {simulated.base_url}\nkind = sandbox\napi_key = l7xx{'0' * 32}"
    write_ini(f"{simulated.ini}\n[broken]\n{broken}\n")


@pytest.mark.usefixtures("with_broken")
def test_several_environments_are_one_page(simulated: SimulatedAlma) -> None:
    """One that has no right key hides nothing of the others, and says why."""
    run_id = _submit(simulated)
    simulated.clock.advance(300)
    world = simulated.institution.production
    simulated.set_ending(SIS, "COMPLETED_SUCCESS", seconds=3000)
    other = world.submit(next(job for job in world.jobs if job.name == SIS), []).id
    with Terminal("--env", "sandbox,production,broken", *TOP[2:], size=(24, 100)) as terminal:
        shown = terminal.until(lambda text: run_id in text and other in text and "tries again" in text)
        lines = shown.splitlines()
        places = [lines.index(next(line for line in lines if word in line)) for word in (run_id, other)]
        tops = [
            lines.index(next(line for line in lines if line.startswith(f" {name} ")))
            for name in ("sandbox", "production", "broken")
        ]
        assert tops[0] < places[0] < tops[1] < places[1] < tops[2]
        assert "Alma does not accept the API key" in shown
        assert terminal.is_shown_in("production", "red")
        terminal.type("q")
        assert terminal.end() == 0


@pytest.mark.usefixtures("with_broken")
def test_several_environments_are_one_result(simulated: SimulatedAlma, almajob: Run) -> None:
    """With an element for the one that failed, and its exit code."""
    run_id = _submit(simulated)
    simulated.clock.advance(300)
    done = almajob("--env", "sandbox,production,broken", *TOP[2:], "-f", "json")
    running, failed = json.loads(done.out)
    assert (running["environment"], running["instance_id"], running["error"]) == ("sandbox", run_id, None)
    assert (failed["environment"], failed["error"]["code"], done.code) == ("broken", "key_refused", 7)


def test_no_colour_where_none_is_wanted(simulated: SimulatedAlma) -> None:
    """Bold and reverse are none."""
    _submit(simulated, seconds=30, status="FAILED")
    simulated.clock.advance(300)
    with Terminal(*TOP, environ={"NO_COLOR": "1"}, size=(24, 80)) as terminal:
        terminal.until(lambda text: "FAILED" in text)
        assert "\x1b[31m" not in terminal.written
        terminal.type("q")
        assert terminal.end() == 0


def test_without_rich_the_library_is_named(simulated: SimulatedAlma, tmp_path: Path) -> None:
    """With what to type; what programs get needs none."""
    missing = tmp_path / "site" / "rich"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text("raise ModuleNotFoundError('No rich', name='rich')\n", "utf-8")
    environ = {"PYTHONPATH": str(missing.parent)}
    with Terminal(*TOP, environ=environ, size=(24, 100)) as terminal:
        assert terminal.end() == 7
        assert terminal.lines == [
            "almajob: The page needs the library rich, which is not installed.",
            "  Type: pip install rich",
            "  Without it: almajob top -f json",
        ]
    with Terminal(*TOP, "-f", "csv", environ=environ, size=(24, 100)) as terminal:
        assert terminal.end() == 0


def test_in_a_pipe_it_is_a_table_once(simulated: SimulatedAlma, almajob_process: Run) -> None:
    """For programs JSON and CSV; a call for each job, and Rich is not even imported."""
    run_id = _submit(simulated)
    simulated.clock.advance(1000)
    failed = _submit(simulated, SIS, seconds=30, status="FAILED")
    simulated.clock.advance(300)
    simulated.log.clear()
    done = almajob_process(*TOP, "-f", "json", environ={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.code == 0
    assert not [line for line in done.err.splitlines() if line.endswith((" rich", " rich.console"))]
    assert simulated.log.count("GET /conf/jobs/*/instances*") == 2
    running, ended = json.loads(done.out)
    assert (running["phase"], running["instance_id"], running["status"]) == ("running", run_id, "RUNNING")
    assert (running["progress"], running["submitted_by"], running["late"]) == (24, "System", False)
    assert 1298 <= running["seconds"] <= 1303
    assert (ended["phase"], ended["instance_id"], ended["passed"]) == ("ended", failed, False)
    table = almajob_process(*TOP)
    assert table.code == 0
    assert run_id in table.out
    assert "\x1b" not in table.out
    ended_only = almajob_process("--env", "sandbox", "top", SIS).out
    assert ("| usual |" in ended_only, "seconds" in ended_only) == (True, False)
    rows = list(csv.DictReader(io.StringIO(almajob_process(*TOP, "-f", "csv").out)))
    assert [row["instance_id"] for row in rows] == [run_id, failed]


def test_a_start_that_is_not_clear_is_a_row(simulated: SimulatedAlma, almajob: Run) -> None:
    """With what the ledger knows of it."""
    simulated.faults.add("reset-after", "POST /conf/jobs/*")
    assert almajob("--env", "production", "run", ERP, "--yes", "--run-key", "mine").code == 9
    rows = json.loads(almajob("--env", "production", "top", ERP, "-f", "json").out)
    (start,) = (row for row in rows if row["phase"] == "unknown")
    assert (start["run_key"], start["state"], start["status"]) == ("mine", "AMBIGUOUS", None)
    assert almajob("runs", "show", start["run_id"]).code == 0


def test_where_nothing_runs_and_where_alma_is_down(simulated: SimulatedAlma, almajob: Run) -> None:
    """Nothing is no failure; an Alma that cannot be reached is."""
    nothing = almajob(*TOP, "-f", "json")
    assert (nothing.code, json.loads(nothing.out)) == (0, [])
    assert "Nothing runs, and nothing has ended within the last hour." in almajob(*TOP).err
    assert "No job matches." in almajob("--env", "sandbox", "top", "--name", "no such job").err
    simulated.faults.add("reset-before", "GET /conf/jobs/*/instances*", times=None)
    down = almajob(*TOP, "-f", "json")
    assert (down.code, down.out) == (6, "")
    assert almajob(*TOP, "--type", "manual").code == 2
