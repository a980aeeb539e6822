"""``almajob plugin new``: begin a plugin, with a command that works and tests that pass."""

from __future__ import annotations

import argparse
import logging
import shlex
from pathlib import Path

from almajob.cli.command import Lister, Result
from almajob.cli.options.value_types import non_empty
from almajob.cli.plugins.new_project import name_project, render_project, write_project
from almajob.output.columns import Text

LOG = logging.getLogger(__name__)


class PluginNew(Lister):
    """Write a new plugin, with a command and its tests.

    The project is complete: it can be installed, its command works, and its tests pass. What the
    command does is yours to change. docs/writing-a-plugin.md explains the files.

    Examples:
      almajob plugin new hello
      almajob plugin new acme-report --command "acme-sets report"
    """

    environments = "none"
    columns = ("path", "purpose")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "name", metavar="NAME", type=non_empty, help="the plugin's name; its package is almajob-NAME"
        )
        parser.add_argument(
            "--command",
            metavar="WORDS",
            type=non_empty,
            help="what is typed after almajob (default: NAME)",
        )
        parser.add_argument(
            "--directory",
            metavar="DIR",
            type=non_empty,
            help="a new or empty directory for the project (default: almajob-NAME)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        others = [installed.name for installed in self.app.command_manager.installed]
        project = name_project(parsed_args.name, parsed_args.command, others)
        directory = Path(parsed_args.directory or project.distribution)
        texts = render_project(project)
        write_project(directory, {name: text for name, (_purpose, text) in texts.items()})
        LOG.info(
            "Next:\n  cd %s\n  pip install --use-pep517 --editable '.[test]'\n  almajob %s --env demo\n"
            "  python -m pytest",
            shlex.quote(str(directory)),
            project.command,
        )
        return self.columns, [
            (Text(str(directory / name)), Text(purpose)) for name, (purpose, _text) in texts.items()
        ]
