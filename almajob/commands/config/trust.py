"""``almajob config trust``: let a file of the current directory run commands, and say where keys go."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

from almajob.cli.command import Lister, Result
from almajob.cli.options.value_types import non_empty
from almajob.errors import ConfigurationError, UsageError
from almajob.output.columns import Text, Time

LOG = logging.getLogger(__name__)


class ConfigTrust(Lister):
    """Trust an almajob.ini that was found in the current directory.

    Such a file may have come with something that was cloned or unpacked. Until it is trusted it
    runs no command, reads no key from a file or keyring, and gets no key that does not stand in
    it, except for a gateway of Alma's. Nor does a saved run of it, or of a file in runs.d beside
    it, send what is in variables or in files elsewhere, or start in production unasked.

    A file is trusted at its place and as it is now: after a change it has to be trusted again.
    One that is named by --ini-file or ALMAJOB_INI, or is in ~/.config or /etc, needs no trust.

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
            help="the file to trust; where not given, the configuration file that is used here",
        )
        instead = parser.add_argument_group("instead of trusting one").add_mutually_exclusive_group()
        instead.add_argument(
            "--list",
            dest="lists",
            action="store_true",
            help="list the files that are trusted, and whether they have changed since",
        )
        instead.add_argument("--remove", metavar="FILE", type=non_empty, help="trust this file no more")
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
        return self.columns, [(Text(str(each.path)), each.state, Time(each.trusted_at)) for each in found]

    def _file(self, parsed_args: argparse.Namespace) -> Path:
        if parsed_args.file:
            return Path(parsed_args.file).absolute()
        ini = self.context.settings.ini
        if ini is None:
            raise ConfigurationError(
                "There is no almajob.ini to trust.", hint="Name it: almajob config trust FILE"
            )
        return ini.path
