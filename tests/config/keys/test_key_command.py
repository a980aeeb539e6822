"""The program that prints the key: what it reads, how much it prints, how long it takes, how it ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from almajob.config.keys import key_command
from almajob.config.keys.key_command import CommandFailed, read_first_line
from almajob.testing import SimulatedAlma
from tests.conftest import Run
from tests.support.terminals import Terminal

KEY = "simulator-sandbox-key"
CONFIG_CHECK = ("--env", "sandbox", "config", "check", "-f", "csv")
_PATIENCE = 30.0


class Lifeline:
    """A pipe that a program holds open as long as it lives; ``program`` is such a one, for a shell.

    Args:
        path: of the pipe.
    """

    def __init__(self, path: Path) -> None:
        os.mkfifo(path, 0o600)
        self.program = f"sh -c 'echo $$ >&9; exec sleep 1000' 9>{path}"
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._pid = 0

    def wait_for_start(self) -> None:
        """Wait until the program lives."""
        self._pid = self._pid or int(self._read())

    def has_ended(self) -> bool:
        """Wait for the end of the program; whether it came."""
        self.wait_for_start()
        return self._read() == b""

    def is_alive(self) -> bool:
        """Whether the program lives."""
        self.wait_for_start()
        return not select.select([self._reader], [], [], 0)[0]

    def close(self) -> None:
        """End a program that still lives."""
        with suppress(BlockingIOError, ValueError):
            self._pid = self._pid or int(os.read(self._reader, 100))
        if self._pid and not select.select([self._reader], [], [], 0)[0]:
            os.kill(self._pid, signal.SIGKILL)
        os.close(self._reader)

    def _read(self) -> bytes:
        assert select.select([self._reader], [], [], _PATIENCE)[0], "nothing happened"
        return os.read(self._reader, 100)


@pytest.fixture
def lifeline(tmp_path: Path) -> Iterator[Lifeline]:
    """A pipe that shows whether a program lives."""
    made = Lifeline(tmp_path / "alive")
    yield made
    made.close()


def _program(commands: str) -> str:
    """Write commands of a shell into a program; give the command line that runs it."""
    path = Path.home() / "program.key"
    path.write_text(f"{commands}\n", "utf-8")
    return f"sh {path}"


@pytest.fixture
def command(simulated: SimulatedAlma, write_ini: Callable[..., Path]) -> Callable[[str], None]:
    """Take the key of the sandbox from commands of a shell."""

    def use(commands: str) -> None:
        write_ini(f"[sandbox]\napi_key_command = {_program(commands)}\nbase_url = {simulated.base_url}\n")

    return use


def test_it_shares_stderr_and_not_stdin(almajob_process: Run, command: Callable[[str], None]) -> None:
    """ssh, pass and gpg read stdin, where a payload may be piped; somebody may be asked to touch a token."""
    command(f"cat >stolen; echo Berühren >&2; echo {KEY}")
    done = almajob_process(*CONFIG_CHECK, stdin="a payload\n")
    assert (done.code, "Berühren\n" in done.err) == (0, True), done.err
    assert Path("stolen").read_text("utf-8") == ""


@pytest.mark.parametrize(
    ("commands", "part"),
    [
        ("exec yes", "It wrote more than 64 KiB to stdout"),
        # They would fill the disk that a log is on.
        (f"yes | head -c 1000000 >&2; echo {KEY}", "It wrote more than 64 KiB on stderr"),
    ],
)
def test_output_without_end_is_refused(command: Callable[[str], None], commands: str, part: str) -> None:
    """In an address space that has no room for it: exit code 7, and it is said why."""
    command(commands)
    limited = f'ulimit -v 500000; exec "{sys.executable}" -m almajob --env sandbox list'
    done = subprocess.run(["sh", "-c", limited], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, ""), done.stderr
    assert part in done.stderr
    assert len(done.stderr) < 200_000


def test_the_largest_output_is_read(almajob_process: Run, command: Callable[[str], None]) -> None:
    """64 KiB on either way; what comes after the first line is of no interest."""
    command(f"(yes | head -c 65536) >&2; (echo {KEY}; yes) | head -c 65536")
    assert almajob_process(*CONFIG_CHECK).code == 0


def test_what_it_leaves_in_the_background_is_not_waited_for(
    almajob_process: Run, command: Callable[[str], None], lifeline: Lifeline
) -> None:
    """Such as the agent of a password store, which holds our pipes open; it goes on."""
    command(f"{lifeline.program} & echo {KEY}")
    done = almajob_process(*CONFIG_CHECK)
    assert done.code == 0, done.err
    assert lifeline.is_alive()


@pytest.mark.parametrize("printed", ["", "printf half-a-key"])
def test_half_a_line_is_no_key_where_more_may_come(lifeline: Lifeline, printed: str) -> None:
    """What is in the background may be what prints the key: that is told, and not a time-out."""
    with pytest.raises(CommandFailed, match="without printing a whole line, and left a program") as caught:
        read_first_line(_program(f"{lifeline.program} & {printed}"))
    assert ">/dev/null" in caught.value.hint
    assert lifeline.is_alive()


def test_a_last_line_needs_no_end_where_nothing_more_can_come() -> None:
    """``printf`` prints none, and the pipe is closed."""
    assert read_first_line("printf key") == "key"


@pytest.mark.parametrize("ending", ["wait", "exec >&-; wait", "exec >&- 2>&-; wait"])
def test_one_that_does_not_end_is_ended_with_all_that_it_started(
    lifeline: Lifeline, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """Also where it has closed its output. No process is left, no thread, and no open file."""

    class Clock:
        @staticmethod
        def monotonic() -> float:
            if lifelines.pop():
                lifeline.wait_for_start()
                return time.monotonic() + 1000
            return time.monotonic()

    # The time is over at its second look, and the program lives by then.
    lifelines = [True, False]
    monkeypatch.setattr(key_command, "time", Clock)
    before = (len(os.listdir("/dev/fd")), threading.active_count())
    with pytest.raises(CommandFailed, match=r"had not ended after 60 s, and was stopped"):
        read_first_line(_program(f"echo $$ >pid; {lifeline.program} & {ending}"))
    assert lifeline.has_ended()
    assert (len(os.listdir("/dev/fd")), threading.active_count()) == before
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("pid").read_text("ascii")), 0)


def test_one_that_ends_almajob_ends_it_too(command: Callable[[str], None], lifeline: Lifeline) -> None:
    """SIGTERM, as systemd sends it, leaves nothing behind."""
    command(f"{lifeline.program} & wait")
    with subprocess.Popen(
        [sys.executable, "-m", "almajob", "--env", "sandbox", "list"], stderr=subprocess.PIPE, text=True
    ) as process:
        lifeline.wait_for_start()
        process.terminate()
        assert process.wait(_PATIENCE) == 143
    assert lifeline.has_ended()


# --- at a terminal ---


def test_it_may_ask_at_a_terminal(command: Callable[[str], None]) -> None:
    """It has the terminal itself, under its own name, which gpg passes on to its agent; on stderr, too."""
    command("tty >name; test -t 2 && printf Passphrase: >&2; read word; echo simulator-$word-key")
    with Terminal(*CONFIG_CHECK) as terminal:
        terminal.until(lambda text: "Passphrase:" in text)
        terminal.type("sandbox\r")
        assert terminal.end() == 0
    assert Path("name").read_text("utf-8").startswith("/dev/pts/")


def test_it_may_ask_at_the_terminal_of_a_script(command: Callable[[str], None], tmp_path: Path) -> None:
    """As ssh does, which opens it by itself; its stdin is not the script."""
    command(
        "cat >stolen; printf Passphrase: >/dev/tty; read word </dev/tty; echo simulator-$word-key",
    )
    script = tmp_path / "script"
    script.write_text("list -f value -c ID --name nothing\nenv\n", "utf-8")
    shell = ("sh", "-c", f'exec "{sys.executable}" -m almajob --env sandbox shell <{script}')
    with Terminal(program=shell) as terminal:
        terminal.until(lambda text: "Passphrase:" in text)
        terminal.type("sandbox\r")
        terminal.until(lambda text: text.endswith("\nsandbox"))
        assert terminal.end() == 0
    assert Path("stolen").read_text("utf-8") == ""


def test_one_that_is_stopped_at_a_terminal_leaves_nothing_behind(
    command: Callable[[str], None], lifeline: Lifeline
) -> None:
    """What it started would go on to read what is typed."""
    command(f"{lifeline.program} & read word; yes")
    # The end of the terminal would end everything in it.
    session = ("sh", "-c", f"'{sys.executable}' -m almajob --env sandbox list; echo code $?; read word")
    with Terminal(program=session) as terminal:
        lifeline.wait_for_start()
        terminal.type("\r")
        shown = terminal.until(lambda text: "code" in text)
        assert "more than 64 KiB" in shown
        assert "code 7" in shown
        assert lifeline.has_ended()


def test_ctrl_c_reaches_it(command: Callable[[str], None], lifeline: Lifeline) -> None:
    """At a terminal, both of them, and what it started."""
    command(f"{lifeline.program}")
    with Terminal("--env", "sandbox", "list") as terminal:
        lifeline.wait_for_start()
        terminal.press_ctrl_c()
        assert terminal.end() == 130
    assert lifeline.has_ended()


# --- other sources that start programs ---

_BACKEND = """
import subprocess
from keyring.backend import KeyringBackend

class Pass(KeyringBackend):
    priority = 1
    def get_password(self, service, username):
        read = subprocess.run(["cat"], stdout=subprocess.PIPE, text=True).stdout
        open("stolen", "w").write(read)
        return "simulator-sandbox-key"
    def set_password(self, service, username, password):
        raise NotImplementedError
"""


def test_a_keyring_that_starts_a_program_reads_nothing_of_ours(
    almajob_process: Run,
    simulated: SimulatedAlma,
    write_ini: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the one does that is made of pass."""
    write_ini(f"[sandbox]\napi_key_keyring = yes\nbase_url = {simulated.base_url}\n")
    (tmp_path / "pass_backend.py").write_text(_BACKEND, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "pass_backend.Pass")
    assert almajob_process(*CONFIG_CHECK, stdin="a payload\n").code == 0
    assert Path("stolen").read_text("utf-8") == ""
