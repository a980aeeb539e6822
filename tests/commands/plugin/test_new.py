"""A new plugin: what it may be called, where it may be written, and that it works as its README says."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from almajob.cli.plugins.new_project import Project, render_project
from tests.conftest import Run
from tests.support.distributions import GOOD, write_plugin
from tests.support.environments import ROOT, VirtualEnvironment
from tests.support.thoroughness import IN_CI

FILES = ["setup.cfg", "setup.py", "almajob_sets_report.py", "test_sets_report.py", "README.md", ".gitignore"]


@pytest.mark.parametrize(
    "words",
    [
        *(("Hello",), ("sets_report",), ("9lives",), ("hello-",), ("a--b",), ("almajob-",), ("é",), ("a/b",)),
        *((".",), ("hello", "--command", "sets Report"), ("hello", "--command", "sets  report -x")),
    ],
    ids=" ".join,
)
def test_what_is_no_name_is_refused(almajob: Run, words: tuple[str, ...]) -> None:
    """As a wrong command line, and nothing is written."""
    done = almajob("plugin", "new", *words)
    assert (done.code, done.out) == (2, "")
    assert "cannot be the name of a" in done.err
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("run",), "There is a command of this name."),
        (("almajob-run",), "There is a command of this name."),
        (("hello", "--command", "config show"), "There is a command of this name."),
        (("runs",), "It is the name of a group of commands."),
        (("exit",), "'exit' belongs to almajob's help or shell."),
        (("mine", "--command", "show m44"), "'show' is a command, and what follows it are its arguments."),
        (("hello",), "There is a command of this name."),
    ],
    ids=str,
)
def test_a_name_that_is_taken_is_refused(
    almajob: Run, words: tuple[str, ...], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By almajob, or by a plugin that is installed."""
    write_plugin(tmp_path, "almajob-other", "aj_other", GOOD, {"hello": "Hello"})
    monkeypatch.syspath_prepend(str(tmp_path))
    done = almajob("plugin", "new", *words)
    assert (done.code, done.out) == (2, "")
    assert why in done.err
    assert os.listdir() == []


def test_where_it_is_written(almajob: Run) -> None:
    """A directory of its name, another one, one that is there and empty; the files and what comes next."""
    done = almajob("plugin", "new", "sets-report", "-f", "json")
    assert done.code == 0
    assert [row["path"] for row in json.loads(done.out)] == [f"almajob-sets-report/{name}" for name in FILES]
    assert sorted(os.listdir("almajob-sets-report")) == sorted(FILES)
    assert "almajob sets-report --env demo" in done.err
    mask = os.umask(0)
    os.umask(mask)
    assert Path("almajob-sets-report").stat().st_mode & 0o777 == 0o777 & ~mask
    assert Path("almajob-sets-report/setup.py").stat().st_mode & 0o777 == 0o666 & ~mask

    done = almajob("plugin", "new", "almajob-sets-report", "--directory", "a plugin", "-q")
    assert (done.code, done.err) == (0, "")
    assert sorted(os.listdir("a plugin")) == sorted(FILES)

    os.mkdir("empty")
    os.chdir("empty")
    done = almajob("plugin", "new", "sets-report", "--command", "runs report", "--directory", ".")
    assert done.code == 0
    assert sorted(os.listdir()) == sorted(FILES)
    assert "runs_report = almajob_sets_report:RunsReport" in Path("setup.cfg").read_text("utf-8")


def test_what_is_there_is_never_touched(almajob: Run) -> None:
    """Nor is anything left behind: a directory with something in it, a file, a link to nowhere."""
    os.mkdir("full")
    Path("full/notes.txt").write_text("mine", "utf-8")
    Path("file").write_text("mine", "utf-8")
    os.symlink("nowhere", "link")
    for name, why in {
        "full": "The directory full is not empty.",
        "file": "Not a directory.",
        "link": "The directory link cannot be written.",
        "missing/below": "No such file or directory.",
        "x" * 300: "File name too long.",
    }.items():
        done = almajob("plugin", "new", "hello", "--directory", name)
        assert (done.code, done.out) == (5, ""), name
        assert why in done.err
    assert sorted(os.listdir()) == ["file", "full", "link"]
    assert os.listdir("full") == ["notes.txt"]


@pytest.mark.parametrize("is_there", [False, True])
def test_all_files_are_written_or_none(
    almajob: Run, monkeypatch: pytest.MonkeyPatch, *, is_there: bool
) -> None:
    """Where the disk is full after the third."""
    write, written = Path.write_text, []

    def fail(path: Path, *given: Any) -> int:
        written.append(path.name)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, *given)

    if is_there:
        os.mkdir("almajob-hello")
    monkeypatch.setattr(Path, "write_text", fail)
    done = almajob("plugin", "new", "hello")
    assert (done.code, len(written)) == (5, 4)
    assert "No space left on device." in done.err
    assert os.listdir() == (["almajob-hello"] if is_there else [])
    assert not is_there or os.listdir("almajob-hello") == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("hello", "Hello"), ("sets-report", "SetsReport"), ("a1-2b", "A12b")),
        *(("none", "NoneCommand"), ("true", "TrueCommand"), ("any", "AnyCommand")),
        ("show-one", "ShowOneCommand"),
    ],
)
def test_a_class_hides_nothing(name: str, expected: str) -> None:
    """Neither a word of Python's nor what its module imports."""
    project = Project(f"almajob-{name}", name)
    assert project.class_name == expected
    for file, (_purpose, text) in render_project(project).items():
        if file.endswith(".py"):
            ast.parse(text)
        assert "$" not in text


@pytest.mark.skipif(not IN_CI, reason="only CI types the README of the project as well as the guide")
def test_its_readme_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command in it works as it stands there: installed, tested, fully typed and checked."""
    monkeypatch.setenv("MYPY_CACHE_DIR", str(ROOT / ".mypy_cache" / "of-plugins"))
    environment = VirtualEnvironment(tmp_path / "env")
    new = ("plugin", "new", "almajob-sets-report", "--command", "sets report", "--directory", "here")
    assert environment.run("almajob", *new, cwd=tmp_path).code == 0
    readme = (tmp_path / "here" / "README.md").read_text("utf-8")
    lines = "".join(re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)).splitlines()
    printed = {}
    for line in lines:
        done = environment.run("sh", "-c", line, cwd=tmp_path / "here", merged=True)
        assert done.code == 0, f"{line}\n{done.out}"
        printed[line.split(" --env")[0]] = done.out
    assert len(lines) == 6
    assert "Hello, you!" in printed["almajob sets report"]
    assert "3 passed" in printed["python -m pytest"]
    assert "1 checked, no problems found." in printed["almajob plugin check sets report"]
