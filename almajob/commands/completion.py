"""``almajob completion``: what a shell needs to complete almajob's commands, jobs and runs."""

from __future__ import annotations

import argparse

from almajob.cli.command import Command
from almajob.completion.shell_scripts import SHELLS, completion_script


class Completion(Command):
    """Print the script with which a shell completes commands, options, job names and ids.

    Job names come from the cache, Process IDs and run keys from the ledger: Alma is not asked. To
    have it in each new shell, put the line "source <(almajob completion bash)" into ~/.bashrc, the
    same with zsh into ~/.zshrc, after compinit, or "almajob completion fish | source" into
    ~/.config/fish/config.fish.

    Examples:
      almajob completion bash
      almajob completion zsh
      almajob completion fish
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.app.stdout.write(completion_script(parsed_args.shell))
