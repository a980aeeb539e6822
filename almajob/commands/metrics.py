"""``almajob metrics``: what almajob knows, for Prometheus."""

from __future__ import annotations

import argparse
from pathlib import Path

from almajob.cli.command import Command
from almajob.cli.options.value_types import non_empty
from almajob.errors import Refused, UsageError

_SUFFIX = ".prom"
# The node exporter is another user.
_MODE = 0o644


class Metrics(Command):
    """Print metrics for Prometheus (makes no API call).

    They tell of each job when its last run ended and how, of starts without a known outcome, of
    the API calls that are left, and of webhook messages that wait. With --to they are written
    to a file for the node exporter's textfile collector, which is replaced as a whole. Without
    --env all environments are shown.

    Exit codes: 0 printed or written. 5 the file cannot be written, or the ledger cannot be
    read. 7 the configuration file is wrong.

    Examples:
      almajob metrics
      almajob metrics --to almajob.prom
      almajob --env production metrics --counter asset_failed
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--to",
            metavar="FILE",
            type=non_empty,
            help="write to this file, whose name ends with .prom, instead of stdout",
        )
        add_counter_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from almajob.cli.metrics import write_metrics

        path = Path(parsed_args.to) if parsed_args.to else None
        if path is not None and path.suffix != _SUFFIX:
            raise UsageError(
                f"{path} does not end with {_SUFFIX}.",
                reason="The node exporter reads no other files.",
                hint=f"Name it, for example, {path.with_suffix(_SUFFIX)}",
            )
        text = write_metrics(self.context, parsed_args.counters)
        if path is None:
            self.app.stdout.write(text)
            return
        from almajob.system.atomic_write import new_file

        try:
            with new_file(path, overwrite=True, mode=_MODE) as file:
                file.write(text.encode())
        except OSError as error:
            raise Refused(
                f"{path} cannot be written.",
                reason=f"{error.strerror}.",
                hint="Name a file in a directory that you can write to.",
            ) from None


def add_counter_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names counters of reports."""
    parser.add_argument(
        "--counter",
        dest="counters",
        metavar="NAME",
        type=non_empty,
        action="append",
        default=[],
        help="also show this counter of each job's last report that a webhook listener has, named as in "
        "--fail-if; may be repeated",
    )
