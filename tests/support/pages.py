"""Pages of the documentation that are followed: their files, and what is to be typed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

from tests.support.distributions import write_distribution
from tests.support.environments import ROOT

# A paragraph that begins with a file's name, and the block below it.
FILE = re.compile(
    r"^`([\w.]+\.(?:cfg|py|ini))`(?:(?!```).)*?\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


def read_page(name: str) -> str:
    """Return a page of docs/."""
    return (ROOT / "docs" / name).read_text("utf-8")


def typed_commands(page: str) -> Iterator[tuple[str, str]]:
    """Return each command that is to be typed, with what it prints."""
    for block in re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def install_page(page: str, directory: Path) -> None:
    """Write a page's files into a directory of the path, and the metadata that its setup.cfg leads to."""
    files = dict(FILE.findall(page))
    for name, text in files.items():
        (directory / name).write_text(text, "utf-8")
        sys.modules.pop(name.removesuffix(".py"), None)
    setup = ConfigParser()
    setup.optionxform = str  # type: ignore[assignment, method-assign]
    setup.read_string(files["setup.cfg"])
    points = {
        group: dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in lines.strip().splitlines())
        for group, lines in setup["options.entry_points"].items()
    }
    write_distribution(directory, setup["metadata"]["name"], points, setup["metadata"]["version"])
