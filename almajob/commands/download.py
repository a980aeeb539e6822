"""``almajob download``: the file of records that an import loaded."""

from __future__ import annotations

import argparse
from pathlib import Path

from almajob.cli.command import Result, ShowOne
from almajob.cli.options.name_options import add_run_argument, process_id_of
from almajob.cli.options.value_types import non_empty
from almajob.jobs.run_reports import LINE_TYPE, download_file


class DownloadFile(ShowOne):
    """Save the records that a metadata import loaded.

    The file appears only when it is complete. A download that breaks off starts over, as Alma
    cannot resume one.

    Examples:
      almajob --env sandbox download PROCESS_ID --output records.xml
      almajob --env sandbox download PROCESS_ID --output new.mrc --form binary
    """

    columns = ("environment", "instance_id", "file", "bytes")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_run_argument(parser)
        parser.add_argument("--output", metavar="FILE", type=non_empty, required=True, help="file to write")
        parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
        parser.add_argument(
            "--form",
            choices=("xml", "binary"),
            default="xml",
            help="the records' format (default: %(default)s)",
        )
        parser.add_argument(
            "--line-type",
            metavar="TYPE",
            type=non_empty,
            default=LINE_TYPE,
            help="which records, as named in the run's report (default: %(default)s)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        instance_id = process_id_of(parsed_args, self.context)
        path = Path(parsed_args.output)
        count = download_file(
            self.context.alma,
            instance_id,
            path,
            form=parsed_args.form.upper(),
            line_type=parsed_args.line_type,
            overwrite=parsed_args.overwrite,
        )
        return self.columns, (self.context.environment_name, instance_id, str(path), count)
