"""The page on writing a plugin is followed, word by word, from an empty directory."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from almajob import plugin
from almajob.cli.context import Context
from almajob.completion import candidates
from tests.conftest import Run
from tests.support.environments import PLUGINS, ROOT, VirtualEnvironment
from tests.support.pages import FILE, read_page, typed_commands

PAGE = read_page("writing-a-plugin.md")
INSIDE = read_page("inside-a-command.md")


def _timeless(output: str) -> str:
    return re.sub(r"in \d+\.\d+s", "in a moment", output)


def test_the_page_leads_to_a_tested_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands, one after the other, and what they print, from an empty directory.

    The project that is written is the page's, and is fully typed.
    """
    monkeypatch.setenv("COLUMNS", "80")
    # What mypy knows of almajob: made once for all tests.
    monkeypatch.setenv("MYPY_CACHE_DIR", str(ROOT / ".mypy_cache" / "of-plugins"))
    environment = VirtualEnvironment(tmp_path / "env")
    directory = tmp_path
    commands = list(typed_commands(PAGE))
    assert len(commands) == 8
    for command, output in commands:
        if command.startswith("cd "):
            directory /= command.removeprefix("cd ")
            continue
        done = environment.run("sh", "-c", command, cwd=directory, merged=True)
        assert done.code == 0, f"{command}\n{done.out}"
        # What pip and setuptools remark changes with their versions.
        if not command.startswith("pip "):
            assert _timeless(done.out) == _timeless(output), command
    files = dict(FILE.findall(PAGE))
    assert list(files) == ["setup.cfg", "setup.py", "almajob_hello.py", "test_hello.py"]
    assert {name: (directory / name).read_text("utf-8") for name in files} == files


def test_the_pages_other_code_is_of_tested_plugins() -> None:
    """Each block is a part of a plugin below tests/plugins, which has tests of its own."""
    pages = FILE.sub("", PAGE) + INSIDE
    code = re.findall(r"^```python\n(.*?)^```$", pages, re.MULTILINE | re.DOTALL)
    sources = [path.read_text("utf-8") for path in PLUGINS.glob("*/*.py")]
    assert code
    assert [block for block in code if not any(block in source for source in sources)] == []


def test_the_plugin_in_one_file_works(almajob: Run, write_ini: Callable[..., Path]) -> None:
    """As the page has it, in the directory that the page names; it keeps the rules."""
    (setting,) = re.findall(r"^```ini\n(\[almajob\]\nplugins_dir = .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    directory = write_ini(setting).parent / "plugins.d"
    directory.mkdir(mode=0o700)
    Path(shutil.copy(PLUGINS / "single" / "job-types.py", directory)).chmod(0o600)
    done = almajob("--env", "demo", "job-types", "-f", "csv", "--quote", "none")
    assert done.out.splitlines()[0] == "type,jobs"
    assert sum(int(line.partition(",")[2]) for line in done.out.splitlines()[1:]) == 88
    assert almajob("plugin", "check", "job-types").code == 0


def test_the_plugin_with_settings_reads_them(
    almajob: Run, write_ini: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the page has them, with the token in the variable that the page names; without one it says so."""
    (section,) = re.findall(r"^```ini\n(\[plugin:job-report\]\n.*?)^```$", INSIDE, re.MULTILINE | re.DOTALL)
    settings = "\n".join(line for line in section.splitlines() if not line.startswith("token_command"))
    directory = write_ini(f"[almajob]\nplugins_dir = plugins.d\n{settings}\n").parent / "plugins.d"
    directory.mkdir(mode=0o700)
    Path(shutil.copy(PLUGINS / "single" / "job-report.py", directory)).chmod(0o600)
    refused = almajob("--env", "demo", "job-report")
    assert (refused.code, "There is no token" in refused.err) == (7, True)
    (variable,) = set(re.findall(r"ALMAJOB_PLUGIN_JOB_REPORT__\w+", INSIDE))
    monkeypatch.setenv(variable, "a-token-of-the-page")
    done = almajob("--env", "demo", "job-report", "-f", "csv", "--quote", "none")
    assert [line.partition(",")[0] for line in done.out.splitlines()] == ["category", "EXPORT", "PUBLISHING"]
    assert almajob("plugin", "check", "job-report").code == 0


def test_the_pages_tables_are_right() -> None:
    """Each error with its exit code, all that a plugin can raise; and what a context has."""
    errors = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.MULTILINE))
    assert {name: str(getattr(plugin, name).exit_code) for name in errors} == errors
    codes = list(map(int, errors.values()))
    assert (codes, set(codes)) == (sorted(codes), set(range(2, 11)))
    (table,) = re.findall(r"\| `self\.context\.` .*?\n\n", PAGE, re.DOTALL)
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert {"settings", "alma", "catalogue", "runs", "store"} <= set(named)
    assert all(hasattr(Context, name) for name in named)


def test_the_page_imports_what_is_there() -> None:
    """Each name that its code imports from almajob.plugin, and each error of its table."""
    imported = re.findall(r"^from almajob\.plugin import (.*)", PAGE, re.MULTILINE)
    assert set(", ".join(imported).split(", ")) <= set(dir(plugin))


def test_the_pages_metavars_are_completed() -> None:
    """Those that completion knows by their word."""
    (line,) = re.findall(r"with the metavar (.*?) are completed", PAGE)
    known = Path(candidates.__file__).read_text("utf-8")
    for word in re.findall(r"`(\w+)`", line):
        assert f'"{word}"' in known
