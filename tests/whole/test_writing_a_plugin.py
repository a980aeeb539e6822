"""The page on writing a plugin is followed, word by word, from an empty directory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from almajob import plugin
from almajob.cli.context import Context
from almajob.completion import candidates
from tests.support.environments import PLUGINS, ROOT, VirtualEnvironment

PAGE = (ROOT / "docs" / "writing-a-plugin.md").read_text("utf-8")
# A paragraph that begins with a file's name, and the block below it.
FILE = re.compile(r"^`(\w+\.(?:cfg|py))`(?:(?!```).)*?\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _typed() -> Iterator[tuple[str, str]]:
    """Return each command that is to be typed, with what it prints."""
    (block,) = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def _timeless(output: str) -> str:
    return re.sub(r"in \d+\.\d+s", "in a moment", output)


def test_the_page_leads_to_a_tested_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files in an empty directory, its commands one after the other, and what they print."""
    monkeypatch.setenv("COLUMNS", "80")
    environment = VirtualEnvironment(tmp_path / "env")
    directory = tmp_path / "almajob-hello"
    directory.mkdir()
    files = dict(FILE.findall(PAGE))
    assert list(files) == ["setup.cfg", "setup.py", "almajob_hello.py", "test_hello.py"]
    for name, text in files.items():
        (directory / name).write_text(text, "utf-8")
    commands = dict(_typed())
    assert len(commands) == 5
    for command, output in commands.items():
        done = environment.run("sh", "-c", command, cwd=directory, merged=True)
        assert done.code == 0, f"{command}\n{done.out}"
        # What pip and setuptools remark changes with their versions.
        if not command.startswith("pip "):
            assert _timeless(done.out) == _timeless(output), command


def test_the_pages_other_code_is_the_good_plugins() -> None:
    """Which runs in tests of its own."""
    code = re.findall(r"^```python\n(.*?)^```$", FILE.sub("", PAGE), re.MULTILINE | re.DOTALL)
    assert len(code) == 1
    assert code[0] in (PLUGINS / "good" / "almajob_good.py").read_text("utf-8")


def test_the_pages_tables_are_right() -> None:
    """Each error with its exit code, all that a plugin can raise; and what a context has."""
    errors = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.MULTILINE))
    assert {name: str(getattr(plugin, name).exit_code) for name in errors} == errors
    assert list(map(int, errors.values())) == list(range(2, 11))
    (table,) = re.findall(r"\| `self\.context\.` .*?\n\n", PAGE, re.DOTALL)
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert {"settings", "alma", "catalogue", "runs", "cache", "store"} <= set(named)
    assert all(hasattr(Context, name) for name in named)


def test_the_page_names_all_that_may_be_imported() -> None:
    """And nothing that may not: each name in the table of names, or in that of errors."""
    tables = [part for part in re.split(r"\n\n", PAGE) if part.startswith(("| error |", "| name |"))]
    cells = [line.split("|")[1] for table in tables for line in table.splitlines()]
    named = re.findall(r"`(\w+)`", " ".join(cells))
    assert sorted(named) == dir(plugin)
    imported = re.findall(r"^from almajob\.plugin import (.*)", PAGE, re.MULTILINE)
    assert set(", ".join(imported).split(", ")) <= set(named)


def test_the_pages_metavars_are_completed() -> None:
    """Those that completion knows by their word."""
    (line,) = re.findall(r"with the metavar (.*?) are completed", PAGE)
    known = Path(candidates.__file__).read_text("utf-8")
    for word in re.findall(r"`(\w+)`", line):
        assert f'"{word}"' in known
