"""The pages beside the guide are followed, too: their files are installed, tested and checked by mypy."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from almajob.runs.observers.events import EVENTS
from tests.conftest import Run
from tests.support.environments import PLUGINS, ROOT
from tests.support.pages import FILE, install_page, read_page, typed_commands

PAGES = ("formats.md", "observers.md", "plugin-examples.md")


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A page, whose files are installed."""
    text = read_page(request.param)
    site = tmp_path / "site"
    site.mkdir()
    install_page(text, site)
    monkeypatch.chdir(site)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("COLUMNS", "80")
    return text


def test_its_commands_print_what_it_shows(page: str, almajob: Run) -> None:
    """Each of them, one after the other."""
    commands = list(typed_commands(page))
    assert commands
    for command, output in commands:
        program, *words = shlex.split(command)
        assert program == "almajob"
        done = almajob(*words)
        assert done.err + done.out == output, command
        assert done.code == 0, command


def test_their_tests_pass(tmp_path: Path) -> None:
    """Those of all pages, in a process of their own, as their readers run them."""
    for name in PAGES:
        install_page(read_page(name), tmp_path)
    tests = sorted(path.name for path in tmp_path.glob("test_*.py"))
    assert len(tests) == len(PAGES)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_a_module_that_has_tests_of_its_own_is_the_same() -> None:
    """What a page shows of tests/plugins, it shows as it is."""
    tested = {path.name: path.read_text("utf-8") for path in PLUGINS.rglob("almajob_*.py")}
    shown = {name: text for page in PAGES for name, text in FILE.findall(read_page(page)) if name in tested}
    assert "almajob_erp.py" in shown
    assert shown == {name: tested[name] for name in shown}


def test_the_modules_of_all_pages_are_typed(tmp_path: Path) -> None:
    """mypy --strict has nothing to say about those that are complete files; of tests it asks no types."""
    for name in ("writing-a-plugin.md", "python-api.md", *PAGES):
        for file, text in FILE.findall(read_page(name)):
            if file.endswith(".py") and not file.startswith(("test_", "setup")):
                (tmp_path / file).write_text(text, "utf-8")
    modules = sorted(path.name for path in tmp_path.glob("*.py"))
    assert "almajob_hello.py" in modules
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--follow-imports=silent",
            "--cache-dir",
            str(ROOT / ".mypy_cache"),
            *modules,
        ],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_table_of_events_has_all_of_them() -> None:
    """Each method of an observer with its event."""
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", read_page("observers.md"), re.MULTILINE)
    assert rows == [(method, event.__name__) for method, event in EVENTS.items()]
