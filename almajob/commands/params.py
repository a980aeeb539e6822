"""``almajob params``: the last known payload of a job, ready to be edited."""

from __future__ import annotations

import argparse
from functools import partial

from almajob.alma.request_body import to_plain_json, to_xml
from almajob.cli.command import Command
from almajob.cli.options.name_options import add_job_argument, find_job
from almajob.errors import Refused


class Params(Command):
    """Print the parameters of a job's last start from here.

    They are printed as Alma's 'Run a job' wizard shows them, below a line that names the job;
    -f json prints a plain object. Save them to a file, edit it, and pass it to run --params.

    Alma does not list the parameters of a job. Nothing is known of a job that was never started
    from here with parameters (exit code 5).

    Examples:
      almajob --env sandbox params M44
      almajob --env sandbox params 'Export Bibliographic records' -f json
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_job_argument(parser)
        form = partial(parser.add_argument, dest="form", default="xml")
        form("-f", "--format", choices=("xml", "json"), help="form of the payload (default: xml)")
        form("--json", action="store_const", const="json", help="the same as -f json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        job, parameters = find_job(parsed_args, self.context, self.context.runs.last_payload)
        if parameters is None:
            raise Refused(
                f"No parameters of {job.name!r} ({job.id}) are known here.",
                reason="Alma does not list them. almajob knows only those of the last start from here.",
                hint="Alma shows them once: Admin > Run a Job, last step, panel API Information.\n"
                "Save its URL line and its XML in a file, then: almajob run --params FILE",
            )
        # As in the panel of Alma's wizard.
        panel = f"POST /almaws/v1/conf/jobs/{job.id}?op=run\n{to_xml(parameters)}"
        text = to_plain_json(parameters) if parsed_args.form == "json" else panel
        self.app.stdout.write(text.rstrip("\n") + "\n")
