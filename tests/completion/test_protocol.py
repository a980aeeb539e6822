"""``almajob __complete``: what it loads, what it opens, and how it answers each shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.completion.conftest import Keep
from tests.conftest import Run

# What takes long to import, or could call Alma.
HEAVY = {
    "cliff",
    "cmd2",
    "argparse",
    "requests",
    "diskcache",
    "socket",
    "ssl",
    "subprocess",
    "almajob.cli.app",
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
        (("__complete", "bash", "almajob --env sandbox show a", "a"), "words\na\\ job\n"),
        (("__complete", "zsh", "almajob", "--env", "sandbox", "show", "a"), "words\na job\tM1\n"),
        (("__complete", "fish", "almajob", "runs", "se"), "words\nsettle\t"),
        (("__complete", "bash", "almajob --ini-file x", "x"), "files\n"),
        # A new shell need not wait either.
        *((("completion", shell), "") for shell in ("bash", "fish", "zsh")),
    ],
)
def test_an_answer_loads_nothing_heavy(keep: Keep, words: tuple[str, ...], expected: str) -> None:
    """No cliff, no network, nothing that takes long; what plugins say is written the first time."""
    keep("sandbox", ["a job", "b job"])
    out, _loaded, seen = _run(*words)
    assert [each for each in seen if not (each.startswith("write ") and ".cache.completion" in each)] == []
    assert out.startswith(expected)
    out, loaded, seen = _run(*words)
    assert out.startswith(expected)
    assert not HEAVY & loaded
    assert seen == []


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
