"""``almajob completion``: what a shell needs to complete almajob's commands, jobs and runs."""

from __future__ import annotations

import argparse

from almajob.cli.command import Command
from almajob.completion.shell_scripts import SHELLS, completion_script


class Completion(Command):
    """Print the completion script for a shell.

    It completes commands, options, job names and ids. Job names come from the cache, Process
    IDs and run keys from the ledger; Alma is not asked.

    To load it in every new shell, add the line "source <(almajob completion bash)" to
    ~/.bashrc, the same with zsh to ~/.zshrc after compinit, or "almajob completion fish |
    source" to ~/.config/fish/config.fish.

    Examples:
      almajob completion bash
      almajob completion zsh
      almajob completion fish
    """

    environments = "none"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=" or ".join(SHELLS))
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.app.stdout.write(completion_script(parsed_args.shell))
