"""A command under names that are taken."""

from __future__ import annotations

import argparse

from almajob.plugin import Command


class Impostor(Command):
    """Stand where something else belongs.

    Examples:
      almajob farewell
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.app.stdout.write("an impostor was here\n")
