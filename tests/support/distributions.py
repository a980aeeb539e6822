"""Distributions that are found on the path, without being installed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from almajob.entry_points import GROUP

GOOD = """
from almajob.plugin import Command, Lister

class Hello(Command):
    "Say hello."
    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--env", choices=("a", "b"), help="its own, not almajob's")
        return parser
    def take_action(self, parsed_args):
        print("hello", parsed_args.env, file=self.app.stdout)

class Jobs(Lister):
    "List something."
    def take_action(self, parsed_args):
        return ("ID",), [(job.id,) for job in self.context.catalogue.jobs()][:2]
"""
"""Two commands that work."""


def write_distribution(
    site: Path, name: str, entry_points: Mapping[str, Mapping[str, str]], version: str = "1.2"
) -> Path:
    """Write the metadata of a distribution into a directory of the path.

    Args:
        site: the directory.
        name: of the distribution.
        entry_points: by group and name, with what they lead to.
        version: of the distribution.

    Returns:
        The directory of its metadata.
    """
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    lines = []
    for group, targets in entry_points.items():
        lines += [f"[{group}]", *(f"{point} = {target}" for point, target in targets.items())]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]), "utf-8")
    return info


def write_plugin(
    site: Path, distribution: str, module: str, source: str, commands: Mapping[str, str]
) -> None:
    """Write a module into a directory of the path, and a distribution whose commands are its classes."""
    targets = {name: f"{module}:{target}" for name, target in commands.items()}
    write_distribution(site, distribution, {GROUP: targets})
    (site / f"{module}.py").write_text(source, "utf-8")
    sys.modules.pop(module, None)
