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
    *("wcwidth", "difflib", "almajob.simulator.world.world"),
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
    # Of ours, what lists jobs from the cache, and nothing of starts, waits or parameters.
    assert not {name for name in modules if name.startswith("almajob.runs")}
    assert {name for name in modules if name.startswith("almajob.alma.")} == {
        *("almajob.alma.api_key", "almajob.alma.models", "almajob.alma.http.timeouts"),
        "almajob.alma.http",
        # The ini is read whole, with how often Alma may be called.
        *("almajob.alma.rate_limit", "almajob.alma.rate_limit.rates"),
    }
    assert not {name for name in modules if name.startswith("almajob.commands.")} - {"almajob.commands.list"}
    assert len(site.calls()) == 1


def test_a_table_loads_no_more(site: FakeAlma, almajob: Run) -> None:
    """As long as its text is simple: the widths of all the world's characters take long to read."""
    site.jobs([job("S1", "ERP export")])
    almajob("--env", "sandbox", "list")
    assert not HEAVY & _loaded("--env", "sandbox", "list")


def test_help_loads_every_command_and_nothing_heavy() -> None:
    """The shell's library, above all, is loaded by the shell alone."""
    assert not HEAVY & _loaded("--help")


def test_the_version_loads_nothing_but_itself() -> None:
    """It is told before cliff is imported."""
    assert {name for name in _loaded("--version") if name.startswith(("almajob", "cliff", "argparse"))} == {
        *("almajob", "almajob.__main__", "almajob.system", "almajob.system.stdio"),
    }
    assert "typing" not in _loaded("--version"), "it takes half as long as Python's own start"


@pytest.mark.parametrize("words", [("config", "show"), ("cache", "show", "-f", "json"), ("list", "--help")])
def test_local_commands_load_no_http(words: tuple[str, ...]) -> None:
    """Neither do those that never call Alma."""
    assert not HEAVY & _loaded(*words)


def test_no_cache_of_stevedores_is_written(almajob_process: Run) -> None:
    """It could hide a plugin that was just installed again."""
    assert almajob_process("--env", "demo", "list").code == 0
    assert [path.name for path in (Path.home() / ".cache").iterdir()] == ["almajob"]


def test_a_plugin_loads_what_it_uses() -> None:
    """Of ``almajob.plugin``, an error is imported without cliff, without the context and without starts."""
    names = "[name for name in sorted(sys.modules) if name.startswith(('almajob', 'cliff'))]"
    program = f"from almajob.plugin import Refused\nimport sys\nprint(*{names})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {
        *("almajob", "almajob.errors", "almajob.plugin"),
        *("almajob.text", "almajob.text.redaction", "almajob.text.sanitize"),
    }


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
