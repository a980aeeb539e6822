"""``almajob download``: the file of records that an import loaded."""

from __future__ import annotations

import argparse
from pathlib import Path

from almajob.cli.command import Result, ShowOne
from almajob.cli.options.run_options import add_id_option
from almajob.cli.options.value_types import non_empty
from almajob.jobs.run_reports import LINE_TYPE, download_file


class DownloadFile(ShowOne):
    """Save the file of records that a metadata import loaded.

    The file is there when it is complete, and not before. One that breaks off begins anew, as Alma has no
    way to go on in the middle.

    Examples:
      almajob --env sandbox download --id PROCESS_ID --output records.xml
      almajob --env sandbox download --id PROCESS_ID --output records.mrc --form binary --overwrite
    """

    columns = ("environment", "instance_id", "file", "bytes")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_id_option(parser)
        parser.add_argument("--output", metavar="FILE", type=non_empty, required=True, help="where it goes")
        parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
        parser.add_argument(
            "--form", choices=("xml", "binary"), default="xml", help="of the records; default: %(default)s"
        )
        parser.add_argument(
            "--line-type",
            metavar="TYPE",
            type=non_empty,
            default=LINE_TYPE,
            help="which records, as the run's report calls them; default: %(default)s",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        instance_id = self.context.runs.process_id(parsed_args.run_id)
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
