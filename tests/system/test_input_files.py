"""What somebody named is read: a file, or a pipe that says something."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.completion.local_values import Places
from almajob.system.input_files import read_given
from almajob.testing import SimulatedAlma
from tests.conftest import Run

JOB = "M44"
PAYLOAD = '{"task_ExportBibParams_outputFormat_string": "MARC21_XML", "set_id": "9563211250000561"}'


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe into which nobody writes."""
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)
    return path


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent pipe is given up at once."""
    monkeypatch.setattr("almajob.system.input_files.PATIENCE", 0.05)


@pytest.mark.parametrize("size", [3, 5, 100_000, 300_000])
def test_a_file_and_a_pipe_are_read_alike(tmp_path: Path, pipe: Path, size: int) -> None:
    """To their ends, or to the size that is asked for, however they come."""
    content = b"12345" * 50_000 if size > 5 else b"12345"
    file = tmp_path / "file"
    file.write_bytes(content)
    with subprocess.Popen(["sh", "-c", 'cat "$0" > "$1"', file, pipe], stderr=subprocess.DEVNULL):
        assert read_given(file, size)[0] == read_given(pipe, size)[0] == content[:size]


def test_what_was_only_found_must_be_a_file(pipe: Path) -> None:
    """It is told at once."""
    with pytest.raises(OSError, match="not a file"):
        read_given(pipe, 5, may_be_pipe=False)
    with pytest.raises(OSError, match="not a file"):
        read_given(Path("/dev/zero"), 5, may_be_pipe=False)


@pytest.mark.usefixtures("no_patience")
def test_a_silent_pipe_is_given_up(pipe: Path) -> None:
    """Whether nobody writes, or somebody does not go on."""
    with pytest.raises(TimeoutError, match="silent"):
        read_given(pipe, 5)
    writer = os.open(pipe, os.O_RDWR)
    try:
        os.write(writer, b"12")
        with pytest.raises(TimeoutError, match="silent"):
            read_given(pipe, 5)
    finally:
        os.close(writer)


def test_a_pipe_that_was_found_for_an_ini_does_not_hang(pipe: Path, almajob: Run) -> None:
    """Neither a command nor a completion waits for it."""
    pipe.rename("almajob.ini")
    done = almajob("--env", "sandbox", "list")
    assert (done.code, "It is not a file" in done.err) == (7, True), done.err
    assert Places(os.environ).environments == ["demo"]


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize(
    ("by", "code"), [("--ini-file", 7), ("ALMAJOB_INI", 7), ("api_key_file", 7), ("--params", 5)]
)
def test_a_silent_pipe_ends_a_command(
    simulated: SimulatedAlma,
    pipe: Path,
    almajob: Run,
    monkeypatch: pytest.MonkeyPatch,
    write_ini: Callable[..., Path],
    by: str,
    code: int,
) -> None:
    """For an ini, a key or parameters: it does not hang, and nothing is sent."""
    words = ["--env", "sandbox", "run", "--job", JOB]
    if by == "api_key_file":
        write_ini(f"[sandbox]\nregion = na\napi_key_file = {pipe}\n")
    elif by == "ALMAJOB_INI":
        monkeypatch.setenv(by, str(pipe))
    else:
        words += [by, str(pipe)]
    done = almajob(*words)
    assert (done.code, "was silent" in done.err) == (code, True), done.err
    assert simulated.log.count("POST *") == 0


@pytest.mark.parametrize("given", ["<(cat payload)", "/dev/stdin < payload", "- < payload"])
def test_what_a_shell_makes_of_a_command_is_read(simulated: SimulatedAlma, given: str) -> None:
    """Process substitution, for the ini as for the parameters, and stdin by both its names."""
    Path("payload").write_text(PAYLOAD)
    command = f'"{sys.executable}" -m almajob --ini-file <(cat "$ALMAJOB_INI") --env sandbox run --job {JOB}'
    done = subprocess.run(
        ["bash", "-c", f"{command} --params {given}"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    (sent,) = simulated.log.requests("POST /conf/jobs/*")
    assert "MARC21_XML" in sent.body
