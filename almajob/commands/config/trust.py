"""``almajob config trust``: let a file of the current directory run commands, and say where keys go."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from almajob.cli.command import Lister, Result
from almajob.cli.options.value_types import non_empty
from almajob.errors import ConfigurationError, UsageError
from almajob.output.columns import Sentence, Time, Tone, Word

_TONES = {
    "trusted": Tone.GOOD,
    "changed": Tone.BAD,
    "gone": Tone.WARNING,
    "unreadable": Tone.WARNING,
    "damaged": Tone.WARNING,
}


class ConfigTrust(Lister):
    """Trust an almajob.ini found in the current directory.

    Such a file may have come with something that you cloned or unpacked. Until it is trusted it
    runs no command, reads no key from a file or keyring, and gets no key that is not in the
    file itself, except for a gateway of Alma's. It has no plugins, disables none, and sets
    nothing of theirs. Saved runs in it, or in a file in runs.d beside it, do not send variables
    or files from elsewhere, and do not start in production without asking.

    A file is trusted at its place and with its present content: after a change it must be
    trusted again. Files that --ini-file or ALMAJOB_INI names, and those in ~/.config and /etc,
    need no trust.

    Examples:
      almajob config trust
      almajob config trust ./almajob.ini
      almajob config trust --list
      almajob config trust --remove ./almajob.ini
    """

    columns = ("file", "state", "trusted_at")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "file",
            metavar="FILE",
            nargs="?",
            type=non_empty,
            help="the file to trust (default: the configuration file in use)",
        )
        instead = parser.add_argument_group("instead of trusting one").add_mutually_exclusive_group()
        instead.add_argument(
            "--list",
            dest="lists",
            action="store_true",
            help="list the trusted files, and whether they have changed since",
        )
        instead.add_argument("--remove", metavar="FILE", type=non_empty, help="stop trusting this file")
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.file and (parsed_args.lists or parsed_args.remove):
            raise UsageError(
                "--list and --remove trust no file.", hint="Leave out FILE, or leave out the option."
            )

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        files = self.context.trusted_files
        if parsed_args.lists:
            self.note_if_empty = "No file is trusted."
            found = files.all()
        elif parsed_args.remove:
            found = [files.remove(Path(parsed_args.remove).absolute())]
        else:
            found = [files.trust(self._file(parsed_args), time.time())]
        return self.columns, [
            (Sentence(str(each.path)), Word(each.state, _TONES), Time(each.trusted_at)) for each in found
        ]

    def _file(self, parsed_args: argparse.Namespace) -> Path:
        if parsed_args.file:
            return Path(parsed_args.file).absolute()
        ini = self.context.settings.ini
        if ini is None:
            raise ConfigurationError(
                "No configuration file was found to trust.", hint="Name one: almajob config trust FILE"
            )
        return ini.path
