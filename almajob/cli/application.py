"""What commands, the shell and the checks need of the application: named here, so that none imports it."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from almajob.cli.connections import Connections
    from almajob.cli.context import Context
    from almajob.config.settings import Options


class Application(Protocol):
    """The running application; ``app.AlmaJob`` is the one there is."""

    NAME: str
    LOG: logging.Logger
    stdout: TextIO
    stderr: TextIO
    options: argparse.Namespace
    parser: argparse.ArgumentParser
    lasting: argparse.Namespace | None
    connections: Connections | None
    has_older_spelling: bool
    # Its type knows the kinds of commands, and they know this module.
    command_manager: Any

    def configure_output(self, options: argparse.Namespace) -> None: ...

    def context_of(self, options: Options, cmd_name: str | None) -> Context: ...

    def run_subcommand(self, argv: list[str]) -> int: ...

    def outcome(self, words: list[str]) -> int: ...

    def report(self, error: BaseException, cmd_name: str | None = None) -> int: ...
