"""The shell at a terminal and as a process: the prompt, Tab, Ctrl-C, the history."""

from __future__ import annotations

import json
import lzma
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cmd2.history import History, HistoryItem
from cmd2.parsing import StatementParser

from almajob.testing import SimulatedAlma
from tests.cli.test_shell import JOB, MAY_HOLD_A_KEY
from tests.conftest import Run
from tests.support.fake_alma import KEY
from tests.support.terminals import Terminal

# The terminal of the tests does not answer where its cursor is.
ENVIRON = {"PROMPT_TOOLKIT_NO_CPR": "1"}


def _begun(*words: str) -> Terminal:
    return Terminal(*words, environ=ENVIRON)


def test_the_prompt_shows_the_environment(simulated: SimulatedAlma) -> None:
    """Bare almajob at a terminal opens the shell; production cannot be overlooked."""
    with _begun() as terminal:
        terminal.until(lambda text: "Ctrl-D leaves" in text and "(no environment) almajob>" in text)
        terminal.type("env sandbox\r")
        terminal.until(lambda text: "(sandbox) almajob>" in text)
        terminal.type("env production\r")
        terminal.until(lambda text: "(PRODUCTION) almajob#" in text)
        assert terminal.is_shown_in("PRODUCTION", "red")
        terminal.type("env\r")
        terminal.until(lambda text: "\nproduction\n" in text)
        terminal.type("\x04")
        assert terminal.end() == 0


def test_help_is_paged_in_the_shell(simulated: SimulatedAlma) -> None:
    """As outside of it; no line is wider than the terminal."""
    environ = {**ENVIRON, "PAGER": "sed s/^/p:/"}
    with Terminal("--env", "sandbox", environ=environ, size=(100, 60)) as terminal:
        terminal.until(lambda text: text.endswith("almajob>"))
        terminal.type("help\r")
        terminal.until(lambda text: "p:Run almajob COMMAND" in text and text.endswith("almajob>"))
        terminal.type("help runs\r")
        terminal.until(lambda text: "p:Run almajob runs COMMAND" in text and text.endswith("almajob>"))
        paged = [line for line in terminal.lines if line.startswith("p:")]
        assert "p:In the shell:" in paged
        assert "p:  runs list     List what was started from here (makes no" in paged
        terminal.type("exit\r")
        assert terminal.end() == 0


def test_tab_completes_in_the_shell(simulated: SimulatedAlma, almajob: Run) -> None:
    """Commands, options, environments, job names with their quotes, ids of runs."""
    done = almajob("--env", "sandbox", "run", "--job", JOB, "-f", "value", "-c", "instance_id")
    almajob("--env", "sandbox", "list", "-f", "json")
    with _begun("--env", "sandbox") as terminal:
        terminal.until(lambda text: "almajob>" in text)
        terminal.type("stat\t")
        terminal.until(lambda text: "almajob> status" in text)
        terminal.type("--exit\t")
        terminal.until(lambda text: "status --exit-status" in text)
        terminal.type("--id 9\t")
        terminal.until(lambda text: f"--id {done.out.strip()}" in text)
        terminal.press_ctrl_c()
        terminal.until(lambda text: text.endswith("almajob>"))
        terminal.type("show 'ERP export using profile F\t")
        terminal.until(lambda text: f"show '{JOB}'" in text)
        terminal.type("-f value -c id\r")
        terminal.until(lambda text: "\nS9563600010000561\n" in text)
        terminal.type("env prod\t")
        terminal.until(lambda text: text.endswith("env production"))
        terminal.type("\r")
        terminal.until(lambda text: "almajob#" in text)
        terminal.type("exit\r")
        assert terminal.end() == 0


def test_a_start_in_production_is_confirmed_at_the_prompt(simulated: SimulatedAlma) -> None:
    """The question is answered at the same keyboard, and nothing else starts it."""
    with _begun("--env", "production") as terminal:
        terminal.until(lambda text: "almajob#" in text)
        terminal.type(f"run --job '{JOB}' -f value -c state\r")
        terminal.until(lambda text: "Type the job's id" in text)
        terminal.type("no\r")
        terminal.until(lambda text: text.count("almajob#") == 2)
        assert simulated.log.count("POST /conf/jobs/*") == 0
        terminal.type(f"run --job '{JOB}' -f value -c state\r")
        terminal.until(lambda text: text.count("Type the job's id") == 2)
        terminal.type("S9570600010000561\r")
        terminal.until(lambda text: "\nSTARTED\n" in text)
        assert simulated.log.count("POST /conf/jobs/*") == 1
        terminal.type("exit\r")
        assert terminal.end() == 0


def test_ctrl_c_stops_the_command_and_not_the_shell(simulated: SimulatedAlma) -> None:
    """A wait that is interrupted says how to go on; the prompt comes back, as often as one is."""
    with _begun("--env", "sandbox") as terminal:
        terminal.until(lambda text: "almajob>" in text)
        for words in (f"run --job '{JOB}' --wait", "wait --id @last", "wait --id @last"):
            terminal.type(f"{words}\r")
            terminal.until(lambda text: "QUEUED" in text.splitlines()[-1])
            terminal.press_ctrl_c()
            terminal.until(lambda text: text.endswith("almajob>"))
        assert terminal.text.count("Resume: almajob") == 3
        # Ctrl-\\ ends both, as SIGTERM does.
        terminal.type("wait --id @last\r")
        terminal.until(lambda text: "QUEUED" in text.splitlines()[-1])
        terminal.type("\x1c")
        assert terminal.end() == 131
        assert terminal.text.count("Resume: almajob") == 4


def test_a_closed_stdin_is_an_empty_script(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some that start programs leave it so."""
    monkeypatch.setattr(sys, "stdin", None)
    assert almajob("--env", "sandbox", "shell").code == 0


def test_ctrl_c_ends_a_script(simulated: SimulatedAlma) -> None:
    """Nobody wants the next start who stops this one; the run that was started is named."""
    lines = f"run --job '{JOB}' --wait\nlist -f value -c ID\n"
    with subprocess.Popen(
        [sys.executable, "-m", "almajob", "--env", "sandbox", "shell"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(lines)
        process.stdin.close()
        for line in process.stderr:
            if "QUEUED" in line or "RUNNING" in line:
                break
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
        assert process.wait(30) == 130
        assert "Resume: almajob" in told
        assert process.stdout is not None
        assert process.stdout.read() == ""


def test_the_prompt_follows_the_ini(simulated: SimulatedAlma, write_ini: Callable[..., Path]) -> None:
    """Commands read it anew, and the prompt must not say something else."""
    text = simulated.ini + "[lab]\nkind = {}\nregion = na\n"
    write_ini(text.format("sandbox"))
    with _begun("--env", "lab") as terminal:
        terminal.until(lambda text: "(lab) almajob>" in text)
        write_ini(text.format("production"))
        terminal.type("env\r")
        terminal.until(lambda text: "(PRODUCTION lab) almajob#" in text)
        terminal.type("exit\r")
        assert terminal.end() == 0


def test_the_history_is_kept_for_its_owner(simulated: SimulatedAlma) -> None:
    """0600, whatever the umask; the arrow brings back the last line of the session before."""
    before = os.umask(0)
    try:
        for line in ("list --name once\r", "\x1b[A\x1b[A\r"):
            with _begun("--env", "sandbox") as terminal:
                terminal.until(lambda text: "almajob>" in text)
                terminal.type(line)
                terminal.until(lambda text: text.count("almajob>") == 2)
                terminal.type("exit\r")
                assert terminal.end() == 0
    finally:
        os.umask(before)
    assert _kept() == ["list --name once", "exit"] * 2
    assert stat.S_IMODE(_history().stat().st_mode) == 0o600


# More of them are in test_shell; these change with what a shell does with them.
NOT_KEPT = (
    MAY_HOLD_A_KEY[0],
    "config set-key sandbox > an-odd-key",
    "show an-odd-key | config set-key sandbox",
    f"show {KEY[:9]}''{KEY[9:]}",
)
KEPT = (
    "config set-key sandbox",
    "almajob config set-key sandbox",
    "help config set-key",
    "list --name 'set the key'",
)


def _history() -> Path:
    return Path.home() / ".local/state/almajob/shell-history"


def _kept() -> list[str]:
    items = json.loads(lzma.decompress(_history().read_bytes()))["history_items"]
    return [item["statement"]["raw"] for item in items]


ASKS = "(not shown):"


def _await(terminal: Terminal, line: str, *ends: str) -> str:
    return terminal.until(lambda text: line in text and text.endswith(ends))


def test_the_history_keeps_no_line_that_may_hold_a_key(simulated: SimulatedAlma) -> None:
    """Of whatever shape, and in pieces: it is left out as a whole. What an earlier version kept goes, too."""
    parser = StatementParser()
    before = History(HistoryItem(parser.parse(line)) for line in (NOT_KEPT[0], "list -q", NOT_KEPT[1]))
    _history().parent.mkdir(mode=0o700, parents=True)
    _history().write_bytes(lzma.compress(before.to_json().encode()))
    _history().chmod(0o600)
    with Terminal("--env", "sandbox", environ=ENVIRON, size=(300, 110)) as terminal:
        terminal.until(lambda text: text.endswith("almajob>"))
        for line in (*KEPT, *NOT_KEPT):
            terminal.type(f"{line}\r")
            if _await(terminal, line, ASKS, "almajob>").endswith(ASKS):
                terminal.press_ctrl_c()
                _await(terminal, line, "almajob>")
        terminal.type("exit\r")
        terminal.end()
    assert _kept() == ["list -q", *KEPT, "exit"]
    assert b"odd" not in lzma.decompress(_history().read_bytes())
