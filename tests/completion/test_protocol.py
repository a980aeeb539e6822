"""``almajob __complete``: what it loads, what it opens, and how it answers each shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.completion.conftest import Keep
from tests.conftest import Run

HEAVY = {
    *("cliff", "stevedore", "cmd2", "argparse", "requests", "urllib3", "http", "ssl", "socket", "diskcache"),
    *(
        "importlib.metadata",
        "pathlib",
        "dataclasses",
        "typing",
        "subprocess",
        "configparser",
        "almajob.cli.app",
    ),
}
# It says on stderr what was loaded, which sockets there were, and what was written to.
PROGRAM = """
import sys
seen = []
def hook(event, arguments):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.system", "os.fork"):
        seen.append(event)
    elif event == "open" and isinstance(arguments[0], str) and (arguments[2] or 0) & 3:
        # Python compiles a module once, whoever imports it first.
        if "__pycache__" not in arguments[0]:
            seen.append(f"write {arguments[0]}")
before = set(sys.modules)
sys.addaudithook(hook)
from almajob.__main__ import main
code = main()
loaded = sorted(set(sys.modules) - before)
import json
sys.stdout.flush()
print(json.dumps([code, loaded, seen]), file=sys.stderr)
"""


def _run(*words: str) -> tuple[str, set[str], list[str]]:
    # Coverage would load modules of its own; -S leaves out what .pth files load.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM, *words],
        env={**environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    code, loaded, seen = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    return done.stdout, set(loaded), seen


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("bash", "almajob --env sandbox show a", "a"), "words\na\\ job\n"),
        (("zsh", "almajob", "--env", "sandbox", "show", "a"), "words\na job\tM1\n"),
        (
            ("fish", "almajob", "runs", "se"),
            "words\nsettle\tFind out how starts ended whose outcome is in doubt\n",
        ),
        (("bash", "almajob --ini-file x", "x"), "files\n"),
    ],
)
def test_an_answer_loads_nothing_heavy(keep: Keep, words: tuple[str, ...], expected: str) -> None:
    """No cliff, no network, nothing that takes long; and nothing is written but the first time."""
    keep("sandbox", ["a job", "b job"])
    _run("__complete", *words)
    out, loaded, seen = _run("__complete", *words)
    assert not HEAVY & loaded
    assert seen == []
    assert out.partition("\t")[0] == expected.partition("\t")[0]


def test_the_first_answer_opens_no_socket_either(keep: Keep) -> None:
    """Nor does it start a process while it looks for plugins."""
    keep("sandbox", ["a job"])
    out, _loaded, seen = _run("__complete", "zsh", "almajob", "show", "a")
    assert out == "words\na job\tM1\n"
    assert [each for each in seen if not each.startswith("write ")] == []
    assert [each for each in seen if ".cache.completion" not in each] == []


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_a_script_is_printed_at_once(shell: str) -> None:
    """A new shell need not wait for cliff."""
    out, loaded, seen = _run("completion", shell)
    assert "almajob" in out
    assert not HEAVY & loaded
    assert seen == []


def test_bash_gets_what_has_to_stand_there(almajob_process: Run, keep: Keep) -> None:
    """Only the piece that it replaces, in the quotes that are open."""
    keep("sandbox", ["Weekly: it's $(x)"])

    def asked(line: str, piece: str) -> list[str]:
        return almajob_process("__complete", "bash", line, piece).out.splitlines()[1:]

    assert asked("almajob show W", "W") == ["Weekly\\:\\ it\\'s\\ \\$\\(x\\)"]
    assert asked("almajob show Weekly:", "") == ["\\ it\\'s\\ \\$\\(x\\)"]
    assert asked("almajob show 'W", "W") == ["Weekly: it'\\''s $(x)"]
    assert asked('almajob show "W', "W") == ["Weekly: it's \\$(x)"]
    assert asked("almajob history --job=W", "W") == ["Weekly\\:\\ it\\'s\\ \\$\\(x\\)"]


def test_descriptions_fit_beside_their_candidates(almajob_process: Run, keep: Keep) -> None:
    """They are cut, and what cannot be printed is left out: a new line would be a candidate."""
    keep("sandbox", ["n" * 80, "\ttab\nnew\x1b[31m"])
    lines = almajob_process("__complete", "fish", "almajob", "show", "M").out.splitlines()
    assert lines == ["words", f"M1\t{'n' * 60}…", "M2\ttab new[31m"]


@pytest.mark.parametrize("words", [("fish", ""), ("zsh", "almajob"), ("bash", "", ""), ("bash", "almajob")])
def test_where_no_command_is_typed_there_is_nothing(almajob_process: Run, words: tuple[str, ...]) -> None:
    """And no complaint."""
    done = almajob_process("__complete", *words)
    assert (done.code, done.out, done.err) == (0, "words\n", "")
