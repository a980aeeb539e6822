"""Scripts of the shell as processes: each whole line is run, exactly as it stands there, and nothing else."""

from __future__ import annotations

import fcntl
import io
import os
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from almajob.simulator.http.server import Simulator
from almajob.simulator.institution import Institution
from almajob.simulator.world.clock import Clock
from almajob.simulator.world.world import Rules
from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.support.distributions import write_plugin
from tests.support.ledgers import list_records, open_ledger
from tests.support.thoroughness import STRIDE
from tests.whole.test_many_processes import JOBS

SHELL = (sys.executable, "-m", "almajob", "--env", "sandbox", "shell")
_PATIENCE = 60.0
_STARTS = 300 // STRIDE


def _run(script: bytes | int, *options: str, environ: dict[str, str] | None = None) -> Result:
    """Run a script from a pipe, or from a file where that is its descriptor."""
    source: dict[str, Any] = {"stdin": script} if isinstance(script, int) else {"input": script}
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        [*SHELL, *options],
        capture_output=True,
        timeout=5 * _PATIENCE,
        env={**os.environ, **(environ or {})},
        check=False,
        **source,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def _run_file(script: bytes, *options: str) -> Result:
    path = Path("script")
    path.write_bytes(script)
    with path.open("rb") as file:
        return _run(file.fileno(), *options)


def test_each_of_many_starts_is_a_start_of_its_own(tmp_path: Path, write_ini: Callable[..., Path]) -> None:
    """Each under its own key, whatever is read by the program that prints the API key."""
    rules = Rules(checks_parameters=False, thresholds=False, seconds=0.0)
    with Simulator(Institution(Clock(speed=0), rules)) as simulator:
        write_ini(
            f"[sandbox]\nbase_url = {simulator.base_url}\ncalls_per_second = 1000\nburst = 100\n"
            f"api_key_command = sh -c 'cat >/dev/null; echo {simulator.key}'\n"
        )
        options = "--if-running start --allow-unknown -q -f value -c run_key"
        # Alma takes five starts of one job an hour.
        script = "".join(
            f"run --job {JOBS[number // 5]} --run-key n{number + 1} {options}\n" for number in range(_STARTS)
        )
        state = tmp_path / "state"
        done = _run(script.encode(), "--errexit", environ={"ALMAJOB_STATE_DIR": str(state)})
        keys = [f"n{number}" for number in range(1, _STARTS + 1)]
        assert (done.code, done.out.split(), done.err) == (0, keys, "")
        assert simulator.institution.log.count("POST /conf/jobs/*") == _STARTS
        assert sorted(record.run_key for record in list_records(open_ledger(state / "ledger"))) == sorted(
            keys
        )


@pytest.mark.parametrize("source", [_run, _run_file])
@pytest.mark.parametrize("options", [(), ("--errexit",)])
def test_half_a_line_is_not_run(
    simulated: SimulatedAlma, source: Callable[..., Result], options: tuple[str, ...]
) -> None:
    """It may be that of another start than was meant: exit code 2, and the line by its number."""
    job = "run --job S9563600010000561 --if-running start -f value -c run_key"
    done = source(f"{job} --run-key n1307\n\n{job} --run-key n130".encode(), *options)
    assert (done.code, done.out) == (2, "n1307\n")
    assert "Line 3 of the script ends without a line break" in done.err
    assert "n130\n" not in done.err
    assert simulated.log.count("POST /conf/jobs/*") == 1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"en\0v\n", "has a NUL character"),
        ("env sandböx\n".encode("latin-1"), "is not UTF-8 text"),
        (b"env " + b"x" * 128 * 1024 + b"\n", "is longer than 128 KiB"),
        (b"x" * 300 * 1024, "is longer than 128 KiB"),
        ("env".encode("utf-16"), "ends without a line break"),
        (b"\r", "ends without a line break"),
    ],
)
def test_a_damaged_line_ends_a_script(simulated: SimulatedAlma, line: bytes, problem: str) -> None:
    """Those before it are run; what comes after it cannot be trusted."""
    done = _run(b"env\n" * 3 + line + b"\nenv\n" * line.endswith(b"\n"))
    assert (done.code, done.out) == (2, "sandbox\n" * 3)
    assert f"Line 4 of the script {problem}" in done.err
    assert len(done.err.splitlines()) <= 6


def test_a_script_in_memory_is_held_to_the_same(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a program has it that calls almajob in its own process; its stdin is given back."""
    monkeypatch.setattr(sys, "stdin", script := io.StringIO("env\nenv"))
    done = almajob("--env", "sandbox", "shell")
    assert (done.code, done.out) == (2, "sandbox\n")
    assert sys.stdin is script


def test_scripts_of_windows_are_run(simulated: SimulatedAlma) -> None:
    """With its mark at the beginning and its line breaks."""
    done = _run(b"\xef\xbb\xbfenv\r\nlist --name nothing -f json\r\n")
    assert (done.code, done.out) == (0, "sandbox\n[]\n")


def test_a_line_may_be_long(simulated: SimulatedAlma) -> None:
    """Up to what Linux takes as one word of a command line."""
    long = "x" * 100_000
    assert _run(f"list --name '{long}' -q -f json\n".encode()).out == "[]\n"


@pytest.mark.parametrize(
    "command",
    [
        "run --job M44 --param note=@-",
        "run --job M44 --params -",
        "run --job M44 --param note=@/dev/stdin",
        "asks",
        "reads",
    ],
)
def test_a_command_of_a_script_reads_none_of_it(
    simulated: SimulatedAlma, tmp_path: Path, command: str
) -> None:
    """It is refused, nothing is sent, and the next line is run: ours and those of plugins."""
    source = (
        "from almajob.plugin import Command\nimport sys\n"
        "class Asks(Command):\n    'Ask.'\n    def take_action(self, parsed_args):\n        input()\n"
        "class Reads(Command):\n    'Read.'\n    def take_action(self, parsed_args):\n"
        "        print(sys.stdin.buffer.read())\n"
    )
    write_plugin(tmp_path, "asking", "asking", source, {"asks": "Asks", "reads": "Reads"})
    done = _run(f"{command}\nenv\n{command}\n".encode(), environ={"PYTHONPATH": str(tmp_path)})
    assert (done.code, done.out) == (5 if "/dev/stdin" in command else 2, "sandbox\n"), done.err
    said = "is empty" if "/dev/stdin" in command else "Standard input is the script here"
    assert done.err.count(said) == 2
    assert f"in line 3: {command}" in done.err
    assert simulated.log.count("POST *") == 0


def test_what_a_command_starts_reads_none_of_it(simulated: SimulatedAlma, tmp_path: Path) -> None:
    """A plugin need not think of it."""
    source = (
        "from almajob.plugin import Command\nimport subprocess\n"
        "class Starts(Command):\n    'Start.'\n    def take_action(self, parsed_args):\n"
        "        return subprocess.run(['sh', '-c', 'cat >&2']).returncode\n"
    )
    write_plugin(tmp_path, "starting", "starting", source, {"starts": "Starts"})
    # More than is read at once.
    script = "starts\n" + "# that which is read\n" * 10_000 + "env\n"
    done = _run(script.encode(), environ={"PYTHONPATH": str(tmp_path)})
    assert done == Result(0, "sandbox\n", "")


def test_a_pause_of_its_writer_is_not_the_end(simulated: SimulatedAlma) -> None:
    """Though whoever had the pipe before may have left it so that nobody waits at it."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with subprocess.Popen(SHELL, stdin=reader, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.poll() is None and not os.get_blocking(reader):
            os.sched_yield()
        os.write(writer, b"env\n")
        os.close(reader)
        os.close(writer)
        assert process.stdout.read() == "sandbox\n"
        assert process.wait(_PATIENCE) == 0


def test_ctrl_c_in_the_middle_of_a_line_ends_a_script(simulated: SimulatedAlma) -> None:
    """The half of it that has not come yet is no command."""
    reader, writer = os.pipe()
    with subprocess.Popen(SHELL, stdin=reader, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        os.write(writer, b"list --name nothing -q -f json\n")
        assert process.stdout.readline() == "[]\n"
        os.write(writer, b"# later: ")
        while _waiting_in(reader):
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        os.write(writer, b"env\nenv\n")
        os.close(writer)
        os.close(reader)
        assert process.stdout.read() == ""
        assert process.wait(_PATIENCE) == 130


def _waiting_in(pipe: int) -> int:
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
    assert isinstance(count, int)
    return count


def test_a_closed_stdout_is_no_bug() -> None:
    """Also where it is the shell itself that prints: exit code 141."""
    Path("script").write_text("env\nenv\n", "utf-8")
    shell = f"PYTHONUNBUFFERED=1 '{sys.executable}' -m almajob --env demo shell"
    command = f"{shell} <script | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "bug" in done.stderr) == (141, False), done.stderr
