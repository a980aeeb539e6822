"""What a command loads: nothing that it does not use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.fake_alma import FakeAlma, job

HEAVY = {
    *("requests", "urllib3", "cmd2", "rich", "yaml", "prompt_toolkit", "http.client", "ssl", "prettytable"),
    *("wcwidth", "difflib", "psycopg", "almajob.simulator.world.world"),
}
PROGRAM = """
import json, sys
from almajob.__main__ import main
sys.argv = ["almajob", *json.loads(sys.argv[1])]
code = main()
sys.stdout.flush()
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def _loaded(*argv: str) -> set[str]:
    # Coverage would load modules of its own.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(argv)],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    return set(modules)


def test_a_warm_list_loads_no_http_and_no_shell(site: FakeAlma, almajob: Run) -> None:
    """From the cache, as JSON: none of the heavy libraries, and no request."""
    site.jobs([job("S1", "ERP export")])
    almajob("--env", "sandbox", "list")
    modules = _loaded("--env", "sandbox", "list", "-f", "json")
    assert not HEAVY & modules
    assert "diskcache" in modules
    # Of ours, nothing of starts, waits or parameters, and no other command.
    assert not {name for name in modules if name.startswith(("almajob.runs", "almajob.alma.client"))}
    assert not {name for name in modules if name.startswith("almajob.commands.")} - {"almajob.commands.list"}
    assert len(site.calls()) == 1


@pytest.mark.parametrize(
    "words",
    [
        # A table, as long as its text is simple: the widths of all the world's characters take long to read.
        ("--env", "sandbox", "list"),
        # The shell's library, above all, is loaded by the shell alone.
        ("--help",),
        ("config", "show"),
        ("cache", "show", "-f", "json"),
        ("list", "--help"),
    ],
    ids=" ".join,
)
def test_what_needs_no_call_loads_no_http(site: FakeAlma, almajob: Run, words: tuple[str, ...]) -> None:
    """Nor anything else that takes long."""
    site.jobs([job("S1", "ERP export")])
    almajob("--env", "sandbox", "list")
    assert not HEAVY & _loaded(*words)


def test_the_version_loads_nothing_but_itself() -> None:
    """It is told before cliff is imported; typing alone takes half as long as Python's own start."""
    assert not {"cliff", "argparse", "typing", "almajob.errors"} & _loaded("--version")


def test_no_cache_of_stevedores_is_written(almajob_process: Run) -> None:
    """It could hide a plugin that was just installed again."""
    assert almajob_process("--env", "demo", "list").code == 0
    assert [path.name for path in (Path.home() / ".cache").iterdir()] == ["almajob"]


def test_a_plugin_loads_what_it_uses() -> None:
    """Of ``almajob.plugin``, an error is imported without cliff, without the context and without starts."""
    heavy = "('cliff', 'almajob.cli', 'almajob.runs', 'almajob.alma', 'almajob.store')"
    program = (
        "from almajob.plugin import Refused\nimport sys\n"
        f"print(*(name for name in sys.modules if name.startswith({heavy})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


READS = """
import json, sys
opened = []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
from almajob.__main__ import main
sys.argv = ["almajob", *json.loads(sys.argv[1])]
code = main()
sys.stdout.flush()
print(json.dumps([code, opened]), file=sys.stderr)
"""


def test_of_other_distributions_nothing_is_read_but_their_entry_points(
    site: FakeAlma, almajob: Run, tmp_path: Path
) -> None:
    """However many are installed: stock cliff reads the list of files of each, on every call."""
    site.jobs([job("S1", "ERP export")])
    almajob("--env", "sandbox", "list")
    for number in range(20):
        info = tmp_path / "others" / f"other{number}-1.0.dist-info"
        info.mkdir(parents=True)
        for name in ("METADATA", "RECORD", "top_level.txt"):
            (info / name).write_text(f"Name: other{number}\nVersion: 1.0\n", "utf-8")
        (info / "entry_points.txt").write_text("[other.plugins]\nx = other:x\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", READS, json.dumps(["--env", "sandbox", "list", "-f", "json"])],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "others")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    code, opened = json.loads(done.stderr.splitlines()[-1])
    read = {Path(name).name for name in opened if ".dist-info" in name}
    assert (code, read) == (0, {"entry_points.txt"})
    assert sum("others" in name for name in opened if ".dist-info" in name) == 20
