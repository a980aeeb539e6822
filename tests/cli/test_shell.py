"""The shell, in a terminal and from a script: what is typed is what is run, and one session serves all."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob.testing import SimulatedAlma
from tests.conftest import Result, Run
from tests.support.distributions import GOOD, write_plugin
from tests.support.fake_alma import KEY

JOB = "ERP export using profile FINANCE"
_connects: list[object] = []
_counts = [False]


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and _counts[0]:
        _connects.append(arguments)


# An audit hook cannot be taken away again.
sys.addaudithook(_hook)

Script = Callable[..., Result]


@pytest.fixture
def script(almajob: Run, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Run a script of lines in the shell, in this process."""

    def run(*lines: str, words: tuple[str, ...] = ("--env", "sandbox")) -> Result:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return almajob(*words, "shell")

    return run


def test_quotes_reach_the_command(simulated: SimulatedAlma, script: Script) -> None:
    """A job's name has blanks; cliff's own shell would lose the quotes around it."""
    done = script(f"run --job '{JOB}' -f value -c state", f'show "{JOB}" -f value -c id')
    assert (done.code, done.out.split()) == (0, ["STARTED", "S9563600010000561"])
    assert simulated.log.count("POST /conf/jobs/*") == 1


def test_one_session_serves_all_commands(simulated: SimulatedAlma, script: Script) -> None:
    """Five commands, one connection; the list is fetched once."""
    _connects.clear()
    _counts[0] = True
    try:
        done = script(
            *["show S9563600010000561 -f value -c id"] * 3, "list -f value -c ID", "list --type manual"
        )
    finally:
        _counts[0] = False
    assert done.code == 0
    assert len(_connects) == 1
    assert simulated.log.total >= 4


def test_output_goes_where_it_is_sent(simulated: SimulatedAlma, script: Script) -> None:
    """``>``, ``>>`` and ``|``; in quotes they are text."""
    done = script(
        "list -f json > 'a list.json'",
        "list -f value -c ID >> ids.txt",
        "list -f value -c ID >> ids.txt",
        "list -f value -c ID | head -n 1 | tr S s",
        "list --name 'a > b | c' -f json",
    )
    assert json.loads(Path("a list.json").read_text("utf-8"))
    ids = Path("ids.txt").read_text("utf-8").splitlines()
    assert len(ids) > 10
    assert ids[: len(ids) // 2] == ids[len(ids) // 2 :]
    assert done.out.endswith("[]\n")
    assert not Path("b").exists()


def test_the_exit_code_is_that_of_the_last_command(simulated: SimulatedAlma, script: Script) -> None:
    """Whatever came before; an empty script is 0."""
    assert script("nope", "list -q > /dev/null").code == 0
    assert script("list > /dev/null", "show nothing").code == 5
    assert script("list > /dev/null", "list --nope").code == 2
    assert script("list > /dev/null", "lsit").code == 2
    for open_end in ("show 'unclosed", "list -f json \\", "show \\"):
        assert script(open_end).code == 2
    done = script("list > /no/such/directory/file")
    assert done.code == 5
    assert "No such file or directory" in done.err
    assert script("list | false").code == 5
    assert "A file must be named behind '>'" in script("list >").err
    assert script("nope", "help env").code == 0
    assert script("", "  ", "# a comment").code == 0
    assert script().code == 0


def test_errexit_leaves_at_the_first_failure(
    simulated: SimulatedAlma, almajob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And gives its exit code; without it the script goes on."""
    for words, code, out in ((("--errexit",), 5, ""), ((), 0, "S9563600010000561\n")):
        monkeypatch.setattr(
            sys, "stdin", io.StringIO("show nothing\nshow S9563600010000561 -f value -c id\n")
        )
        done = almajob("--env", "sandbox", "shell", *words)
        assert (done.code, done.out) == (code, out)


def test_options_of_one_command_do_not_stick(simulated: SimulatedAlma, script: Script) -> None:
    """Environment, quietness, UTC: the next command is as if they had not been typed."""
    done = script(
        "--env production -q --utc list --name nothing -f json",
        "list --env production -q --name nothing -f json",
        "env",
        "list --name nothing -f json",
    )
    assert done.out == "[]\n[]\nsandbox\n[]\n"
    assert done.err.count("No job matches") == 1


def test_the_shells_own_options_hold_for_all(simulated: SimulatedAlma, script: Script) -> None:
    """Those before its name and those after."""
    done = script("list --name nothing -f json", "env", words=("-q", "--env", "production"))
    assert (done.out, done.err) == ("[]\nproduction\n", "")


def test_a_wrong_env_ends_a_script(simulated: SimulatedAlma, script: Script) -> None:
    """What comes next would go to another environment than was meant."""
    assert script("env production", "env").out == "production\n"
    assert script("env a b").code == 2
    done = script("env production", "env sandbx", "env", f"run --job '{JOB}'")
    assert (done.code, done.out) == (7, "")
    assert "has no environment 'sandbx'" in done.err
    assert "in line 2: env sandbx" in done.err
    assert simulated.log.total == 0


def test_a_script_says_where_it_failed(simulated: SimulatedAlma, script: Script) -> None:
    """The line, and its number."""
    done = script(
        "# first", "list > /dev/null", "show nothing", "list --nope", words=("--env", "sandbox", "-q")
    )
    assert "in line 3: show nothing" in done.err
    assert "in line 4: list --nope" in done.err


def test_lines_of_the_readme_can_be_typed(simulated: SimulatedAlma, script: Script) -> None:
    """With the program's name before them, and in the older spelling."""
    done = script("almajob show S9563600010000561 -f value -c id", "almajob", "--cmd list")
    assert done.out.startswith("S9563600010000561\n")
    assert "Run almajob COMMAND --help" in done.out
    assert JOB in done.out
    assert script(f"--cmd status --job '{JOB}' --id 1").code in (4, 5)


def test_output_that_cannot_be_written_ends_the_command_alone(
    simulated: SimulatedAlma, script: Script
) -> None:
    """Told in almajob's words, but for a closed pipe; and the next command prints as if nothing had been."""
    done = script("list > /dev/full", *["list -f json | true"] * 2, "env")
    assert (done.code, done.out) == (0, "sandbox\n")
    assert done.err.count("cannot be written") == 1
    assert "traceback" not in done.err.lower()


def test_production_asks_in_a_script_as_anywhere(simulated: SimulatedAlma, script: Script) -> None:
    """The next line of the script is no answer."""
    done = script(f"run --job '{JOB}' -f value -c state", "S9563600010000561", words=("--env", "production"))
    assert simulated.log.count("POST /conf/jobs/*") == 0
    assert "--yes" in done.err
    assert done.code == 2


def test_none_of_cmd2s_own_commands_is_there(simulated: SimulatedAlma, script: Script) -> None:
    """They would shadow a plugin's, or run other programs; and there is no shell in the shell."""
    for line in ("py", "edit x", "alias create a b", "run_script x", "macro", "set x y", "!ls", "shell"):
        done = script(line)
        assert done.code == 2
        assert ("shell already" if line == "shell" else "There is no command") in done.err


def test_help_lists_and_explains(simulated: SimulatedAlma, script: Script) -> None:
    """``help``, ``?`` and --help."""
    done = script("help", "? runs list", "list --help")
    assert "\nJobs:\n  list " in done.out
    assert "Usage: almajob runs list" in done.out
    assert "Usage: almajob list" in done.out
    assert re.search(r"In the shell:\n  env +Switch to another environment", done.out)
    assert done.code == 0
    assert script("help runs").out.startswith("Usage: almajob runs COMMAND [options]\n")
    done = script("runs")
    assert (done.code, done.out) == (2, "")
    assert "  runs list " in done.err


@pytest.mark.parametrize(
    "line",
    ["list; show M44", "list && show M44", "list||show M44", "list > x; list", 'show "a" ; list', "list;"],
)
def test_several_commands_on_a_line_are_refused(simulated: SimulatedAlma, script: Script, line: str) -> None:
    """Before anything is run or written; the answer says what to type instead."""
    done = script(line)
    assert (done.code, done.out) == (2, "")
    assert "one command per line; nothing was run" in done.err
    assert "--errexit" in done.err
    assert simulated.log.total == 0
    assert list(Path().iterdir()) == []


def test_an_env_in_a_refused_line_ends_a_script(simulated: SimulatedAlma, script: Script) -> None:
    """What comes next would go to another environment than was meant."""
    for line in ("env production && list", "list; env production"):
        assert script(line, "env").out == ""
    assert script("list; list", "env").out == "sandbox\n"


@pytest.mark.parametrize("line", ["show 'a;b' -q", 'show "a && b"', "show a\\;b", "# a; b && c"])
def test_quoted_separators_are_text(simulated: SimulatedAlma, script: Script, line: str) -> None:
    """As in any shell; a comment is none, too."""
    assert "one command per line" not in script(line).err


def test_plugins_are_there(
    simulated: SimulatedAlma, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the shell's session, their own options, and their faults as messages."""
    monkeypatch.syspath_prepend(str(tmp_path))
    source = (
        GOOD + "class Fails(Command):\n    'Fail.'\n    def take_action(self, parsed_args):\n        {}[7]\n"
    )
    commands = {"hello": "Hello", "fails": "Fails", "env": "Hello"}
    write_plugin(tmp_path, "almajob-good", "aj_good_sh", source, commands)
    done = script("hello --env b", "fails", "env")
    assert done.out == "hello b\nsandbox\n"
    assert "KeyError" in done.err
    assert done.code == 0


MAY_HOLD_A_KEY = (
    "config set-key sandbox an-odd-key-of-a-test",
    "config set-key sandbox 'an-odd key'",
    "config 'set-key' sandbox an-odd-key",
    "almajob config set-key sandbox an-odd-key --keyring",
    "config set-key an-odd-key",
    "config set-key sandbox --region eu",
    "config setkey sandbox an-odd-key",
    "config set key sandbox an-odd-key",
    "conf set_key sandbox an-odd-key",
    "show l7xx'0123'456789abcdef",
    'show "l7xx"01"234567"89abcdef',
    "show l7xx\\01234567\\89abcdef",
    "show l7 xx0123456789abcdef",
    "export ALMAJOB_API_KEY_SANDBOX=an-odd-key",
    "ALMAJOB_API_KEY_SANDBOX=an-odd-key list",
    "set -x almajob_api_key_sandbox an-odd-key",
    "api_key = an-odd-key",
    "curl -H 'Authorization: apikey an-odd-key'",
    f"lst {KEY[:9]}''{KEY[9:]}",
    "lst l7xx'01'23456789abcodd",
    f"show {KEY.upper()}",
)


def test_a_line_that_may_hold_a_key_is_not_repeated(simulated: SimulatedAlma, script: Script) -> None:
    """Of whatever shape, and in pieces: where a script fails, its number says which line it was."""
    for line in MAY_HOLD_A_KEY:
        done = script("list -q -f value -c ID > /dev/null", line)
        assert done.code != 0, line
        assert done.err.endswith("\n  in line 2\n"), line
        assert "odd" not in done.err
    assert "(hidden)" in script(f"show {KEY}").err
