"""``almajob ledger export``: all of the ledger as JSON lines, for a backup."""

from __future__ import annotations

import argparse
import contextlib
import logging
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TextIO

from almajob.cli.command import Command
from almajob.cli.options.value_types import non_empty
from almajob.output.formats import report_lost_result
from almajob.text.time_format import format_utc

LOG = logging.getLogger(__name__)
_STDOUT = "-"


class LedgerExport(Command):
    """Write all of the ledger as JSON lines, for a backup.

    The lines are of one moment. The last one has a count and a checksum: a file that was cut off
    is noticed. almajob ledger import reads it.

    Examples:
      almajob ledger export --output ledger.jsonl --overwrite
      almajob ledger export | gzip > ledger.jsonl.gz
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--output",
            metavar="FILE",
            type=non_empty,
            default=_STDOUT,
            help="file to write (default: - for stdout)",
        )
        parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from almajob.store.upkeep.export_file import explain_failure
        from almajob.store.upkeep.transfer import export_lines
        from almajob.system.atomic_write import new_file

        lines = export_lines(self.context.ledger.place, format_utc(self.context.now()))
        with contextlib.closing(lines):
            if parsed_args.output == _STDOUT:
                _print(lines, self.app.stdout)
                return
            path = Path(parsed_args.output)
            hint = "--overwrite replaces it."
            with (
                explain_failure(path, "written", hint),
                new_file(path, overwrite=parsed_args.overwrite, mode=0o600) as file,
            ):
                count = _write(lines, file)
        LOG.info("Wrote %s lines to %s.", f"{count:,}", path)


def _write(lines: Iterable[bytes], file: IO[bytes]) -> int:
    count = 0
    for line in lines:
        file.write(line)
        count += 1
    return count


def _print(lines: Iterable[bytes], stdout: TextIO) -> None:
    # Whoever reads slowly must not keep starts from the ledger.
    with tempfile.TemporaryFile() as kept:
        _write(lines, kept)
        kept.seek(0)
        with report_lost_result(stdout):
            for line in kept:
                stdout.write(line.decode("ascii"))
