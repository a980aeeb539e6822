"""``almajob shell``: the commands at a prompt, or from a script."""

from __future__ import annotations

import argparse

from almajob.cli.command import Command


class Shell(Command):
    """Read commands at a prompt, or from a script on stdin.

    All of them share one session with Alma; Tab completes commands, options, job names and ids.
    Options given here hold for every command that says nothing else. env NAME switches to another
    environment, > and | send what a command prints elsewhere, Ctrl-C stops a command, Ctrl-D or
    exit leaves. At a terminal, almajob without a command is the same; its history has no line that
    may hold a key.

    A script has a command a line, and comments, which begin with #. Starts in production need --yes
    in it. It goes on after a command that failed, unless --errexit is given; Ctrl-C and an env that
    fails end it. The exit code is that of the last command.

    Only whole lines are run, from a pipe as from a file: a last line without a line break may have
    been cut off and is refused (exit code 2). So is a line that is not text, or is longer than 128 KiB;
    nothing after it is run. Commands of a script cannot read standard input, which is the script:
    name files instead of - and @-.

    Examples:
      almajob shell
      almajob --env sandbox shell
      almajob --env sandbox shell --errexit < nightly.txt
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--errexit", action="store_true", help="leave at the first command whose exit code is not 0"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        # cmd2 takes longer to import than all other commands together; --help loads each of them.
        from almajob.cli.shell import run_shell

        return run_shell(self.app, parsed_args, errexit=parsed_args.errexit)
