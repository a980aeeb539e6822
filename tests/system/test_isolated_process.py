"""Processes for other people's code: whatever it does there, who asked is told how it ended."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from almajob.system.isolated_process import CallFailed, Process, ProcessEnded, Processes
from tests.support.forks import fork, list_open


@pytest.fixture
def process() -> Iterator[Process]:
    """A process that is closed at the end."""
    made = Process()
    yield made
    made.close()


def test_a_function_is_called_elsewhere(process: Process) -> None:
    """Several, one after the other, in one other process."""
    first, second = process.call("os:getpid"), process.call("os:getpid")
    assert first == second != os.getpid()
    assert process.call("posixpath:join", "a", "b" * 2**22) == "a/" + "b" * 2**22


def test_a_forked_child_leaves_it_to_its_parent() -> None:
    """Otherwise it would live as long as the child, and the child could end it."""
    before = list_open()
    process = Process()
    own = list_open() - before

    def use() -> list[Any]:
        left = sorted(own & list_open())
        process.close()
        return left

    assert fork(use)() == []
    assert process.call("posixpath:join", "still", "there") == "still/there"
    process.close()
    assert list_open() <= before


def test_what_it_raises_is_named_and_it_goes_on(process: Process) -> None:
    """KeyboardInterrupt and the end of the program, too; and what JSON has no form for."""
    for function, arguments, named in (
        ("os:stat", ["/no/such/file"], "FileNotFoundError: [Errno 2]"),
        ("sys:exit", [0], "SystemExit: 0"),
        ("_thread:interrupt_main", [], "KeyboardInterrupt"),
        ("nowhere:x", [], "ModuleNotFoundError: No module named 'nowhere'"),
        ("os:getcwdb", [], "TypeError: "),
    ):
        with pytest.raises(CallFailed) as caught:
            process.call(function, *arguments)
        assert str(caught.value).startswith(named)
    assert process.call("posixpath:join", "still", "there") == "still/there"


@pytest.mark.parametrize(
    ("function", "argument", "how"),
    [
        ("os:_exit", 0, r"ended the process \(exit code 0\)"),
        ("os:_exit", 3, r"ended the process \(exit code 3\)"),
        ("signal:raise_signal", 9, r"ended the process \(Killed\)"),
        ("ctypes:string_at", 0, r"ended the process \(Segmentation fault\)"),
        ("os:closerange", [3, 100], "ended the process|gave no answer that can be read"),
    ],
)
def test_how_it_ended_is_told(process: Process, function: str, argument: Any, how: str) -> None:
    """The exit code, 0 too, or the signal."""
    arguments = argument if isinstance(argument, list) else [argument]
    with pytest.raises(ProcessEnded, match=how):
        process.call(function, *arguments)


def test_what_does_not_end_is_ended(process: Process) -> None:
    """After a time, with all that it has started."""
    assert process.call("os:getpid")
    with pytest.raises(ProcessEnded, match="did not end within 1 s"):
        process.call("subprocess:call", ["sleep", "1000"], limit=1)


def test_what_it_started_does_not_outlive_it(process: Process, tmp_path: Path) -> None:
    """A child of its own that holds its pipes open keeps nobody waiting, and is ended."""
    told = tmp_path / "child"
    source = (
        "import os, time\nchild = os.fork()\n"
        "if child:\n    open(path, 'w').write(str(child))\n    os._exit(0)\n"
        "time.sleep(1000)\n"
    )
    with pytest.raises(ProcessEnded, match=r"ended the process \(exit code 0\)"):
        process.call("builtins:exec", source, {"path": str(told)}, limit=None)
    try:
        child = os.pidfd_open(int(told.read_text()))
    except ProcessLookupError:
        return
    assert select.select([child], [], [], 60)[0]
    os.close(child)


def test_it_has_no_stdin_no_keys_and_no_stdout(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It may not ask, and what it writes is seen by nobody, however much it is."""
    monkeypatch.setenv("ALMAJOB_API_KEY_SANDBOX", "hidden")
    monkeypatch.setenv("ALMAJOB_ENV", "sandbox")
    with Processes(["one"]) as processes:
        with pytest.raises(CallFailed, match="EOFError"):
            processes.call("one", "builtins:input")
        assert processes.call("one", "os:getenv", "ALMAJOB_API_KEY_SANDBOX") is None
        assert processes.call("one", "os:getenv", "ALMAJOB_ENV") == "sandbox"
        processes.call("one", "builtins:print", "x" * 2**20)
        processes.call("one", "os:system", "echo on stdout; echo on stderr >&2")
    assert capfd.readouterr() == ("", "")


def test_one_party_that_ends_is_asked_anew_and_leaves_the_others_alone() -> None:
    """Each has a process of its own."""
    with Processes(["a", "b"]) as processes:
        first = {party: processes.call(party, "os:getpid") for party in ("a", "b")}
        with pytest.raises(ProcessEnded):
            processes.call("a", "os:_exit", 0)
        second = {party: processes.call(party, "os:getpid") for party in ("a", "b")}
    assert first["a"] not in (first["b"], second["a"])
    assert first["b"] == second["b"]


def test_it_ends_with_whoever_asked() -> None:
    """Also where that one was killed: nobody can ask it any more."""
    source = (
        "import os; from almajob.system.isolated_process import Process; pid = Process().call('os:getpid')\n"
        "print(pid, flush=True); input(); os._exit(9)"
    )
    words = [sys.executable, "-c", source]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdin is not None and asking.stdout is not None
        isolated = os.pidfd_open(int(asking.stdout.readline()))
        asking.kill()
    # It is there to be read once the process has ended.
    assert select.select([isolated], [], [], 60)[0]
    os.close(isolated)


def test_without_a_process_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many may be running."""
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(ProcessEnded, match="no process can be started"):
        Process().call("os:getpid")
