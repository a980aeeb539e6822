"""What commands, the shell and the checks need of the application: named here, so that none imports it."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from almajob.cli.connections import Connections


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
    # Its type knows the kinds of commands, and they know this module.
    command_manager: Any

    def run_subcommand(self, argv: list[str]) -> int: ...

    def run(self, argv: list[str]) -> int: ...

    def report(self, error: BaseException, cmd_name: str | None = None) -> int: ...
