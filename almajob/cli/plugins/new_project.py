"""The files of a new plugin: what ``almajob plugin new`` writes, and docs/writing-a-plugin.md shows."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import NamedTuple

from almajob.entry_points import RESERVED
from almajob.errors import Refused, UsageError
from almajob.system.signals import defer_signals

_PREFIX = "almajob-"
_WORD = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_IMPORTED = {"Any", "ShowOne"}
"""What the template imports: a class of the same name would hide it."""


class Project(NamedTuple):
    """What a new plugin is called.

    Attributes:
        distribution: what pip installs.
        command: the words that are typed after ``almajob``.
    """

    distribution: str
    command: str

    @property
    def module(self) -> str:
        """The module that has the command."""
        return self.distribution.replace("-", "_")

    @property
    def test_module(self) -> str:
        """The module of its tests."""
        return f"test_{self.module.removeprefix('almajob_')}"

    @property
    def class_name(self) -> str:
        """The class that is the command."""
        name = "".join(word.capitalize() for word in re.split("[ -]", self.command))
        return f"{name}Command" if keyword.iskeyword(name) or name in _IMPORTED else name


def name_project(name: str, command: str | None, others: Iterable[str]) -> Project:
    """Read how a new plugin is to be called.

    Args:
        name: of the distribution, with or without ``almajob-`` at its beginning.
        command: its words; those of the name where not given.
        others: the commands that are installed.

    Raises:
        UsageError: one of the names is none, or is taken.
    """
    bare = name.removeprefix(_PREFIX)
    if not _WORD.fullmatch(bare):
        raise UsageError(
            f"{name!r} cannot be the name of a plugin.",
            reason="It must be lowercase letters, digits and single hyphens, and begin with a letter.",
            hint="For example: almajob plugin new acme-report",
        )
    words = [bare] if command is None else command.split()
    typed = " ".join(words)
    if not words or not all(map(_WORD.fullmatch, words)):
        raise UsageError(
            f"{command!r} cannot be the name of a command.",
            reason="Its words must be lowercase letters, digits and single hyphens, and begin with a letter.",
            hint='For example: --command "acme-sets report"',
        )
    if problem := _find_clash(words, set(others)):
        raise UsageError(
            f"The command cannot be called {typed!r}.",
            reason=problem,
            hint="Choose other words, such as --command acme-report. almajob plugin list shows all.",
        )
    return Project(_PREFIX + bare, typed)


def _find_clash(words: list[str], others: set[str]) -> str:
    """Return why other commands leave no room for one; empty where they do."""
    typed = " ".join(words)
    if words[0] in RESERVED:
        return f"{words[0]!r} belongs to almajob's help or shell."
    if typed in others:
        return "There is a command of this name."
    if any(other.startswith(f"{typed} ") for other in others):
        return "It is the name of a group of commands."
    longer = (" ".join(words[:length]) for length in range(1, len(words)))
    taken = next((beginning for beginning in longer if beginning in others), "")
    return f"{taken!r} is a command, and what follows it are its arguments." if taken else ""


def render_project(project: Project) -> dict[str, tuple[str, str]]:
    """Return the files of a new plugin: each name with what the file is for, and its text."""
    words = {
        **project._asdict(),
        "module": project.module,
        "test_module": project.test_module,
        "class_name": project.class_name,
        "entry_point": project.command.replace(" ", "_"),
        "words": ", ".join(map(json.dumps, project.command.split())),
    }
    template = files("almajob.cli.plugins").joinpath("project_template")

    def write(name: str) -> str:
        return Template(template.joinpath(f"{name}.txt").read_text("utf-8")).substitute(words)

    return {
        "setup.cfg": ("the distribution and its command", write("setup.cfg")),
        "setup.py": ("needed by pip", write("setup.py")),
        f"{project.module}.py": ("the command", write("module.py")),
        f"{project.test_module}.py": ("its tests", write("test.py")),
        "README.md": ("how to install it and to work on it", write("README.md")),
        ".gitignore": ("what git leaves out", write("gitignore")),
    }


def write_project(directory: Path, texts: Mapping[str, str]) -> None:
    """Write files into a directory that is not there or empty; all of them or none.

    Raises:
        Refused: there is something in it, or it cannot be written.
    """
    try:
        is_new = not directory.exists()
        if not is_new and any(directory.iterdir()):
            raise Refused(
                f"The directory {directory} is not empty.",
                hint="Name another: --directory DIR",
            )
        with TemporaryDirectory(prefix=".almajob-", dir=directory.parent if is_new else directory) as beside:
            whole = Path(beside, "project")
            whole.mkdir()
            for name, text in texts.items():
                Path(whole, name).write_text(text, "utf-8")
            with defer_signals():
                if is_new:
                    whole.rename(directory)
                else:
                    for name in texts:
                        Path(whole, name).rename(directory / name)
    except OSError as error:
        raise Refused(
            f"The directory {directory} cannot be written.",
            reason=f"{error.strerror or error}.",
            hint="Name another: --directory DIR",
        ) from None
