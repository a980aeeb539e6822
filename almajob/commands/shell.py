"""``almajob shell``: the commands at a prompt, or from a script."""

from __future__ import annotations

import argparse

from almajob.cli.command import Command


class Shell(Command):
    """Run commands at a prompt, or from a script on stdin.

    All commands share one session with Alma. Tab completes commands, options, job names and
    ids. Options given here apply to every command that does not set them itself. env NAME
    switches to another environment, > and | redirect output, Ctrl-C stops a command, Ctrl-D or
    exit leaves. At a terminal, almajob without a command starts the shell. Its history keeps no
    line that may contain a key.

    A script has one command per line; comments begin with #. Starts in production need --yes.
    The script goes on after a failed command unless --errexit is given; Ctrl-C and an env that
    fails end it. The exit code is that of the last command.

    Only whole lines are run, from a pipe as from a file: a last line without a line break may
    have been cut off and is refused (exit code 2). So is a line that is not text, or is longer
    than 128 KiB; nothing after it is run. Commands of a script cannot read standard input,
    which is the script: name files instead of - and @-.

    Examples:
      almajob shell
      almajob --env sandbox shell
      almajob --env sandbox shell --errexit < nightly.txt
    """

    environments = "none"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--errexit", action="store_true", help="stop at the first command that fails")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        # cmd2 takes longer to import than all other commands together; --help loads each of them.
        from almajob.cli.shell import run_shell

        return run_shell(self.app, parsed_args, errexit=parsed_args.errexit)
