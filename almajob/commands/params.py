"""``almajob params``: the last known payload of a job, ready to be edited."""

from __future__ import annotations

import argparse

from almajob.alma.request_body import to_plain_json, to_xml
from almajob.cli.command import Command
from almajob.cli.options.value_types import non_empty
from almajob.errors import Refused


class Params(Command):
    """Print the parameters with which a job was started last from here, ready to be edited.

    They are printed as Alma's 'Run a job' wizard shows them, under a line that names the job;
    --json prints a plain object. Save them in a file, edit it, and give it to run --params.
    Alma itself lists no job's parameters: of a job that was never started from here, with
    parameters, nothing is known (exit code 5).

    Examples:
      almajob --env sandbox params M44
      almajob --env sandbox params 'Export Bibliographic records' --json
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("job", metavar="JOB", type=non_empty, help="the job's exact name, or its id")
        parser.add_argument("--json", action="store_true", help="print a plain object instead of XML")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        job, parameters = self.context.runs.last_payload(parsed_args.job)
        if parameters is None:
            raise Refused(
                f"No parameters of {job.name!r} ({job.id}) are known here.",
                reason="Alma lists none; those of the last start from here are kept.",
                hint="Alma shows them once: Admin > Run a Job, last step, panel API Information.\n"
                "Save its URL line and its XML in a file, then: almajob run --params FILE",
            )
        # As in the panel of Alma's wizard.
        panel = f"POST /almaws/v1/conf/jobs/{job.id}?op=run\n{to_xml(parameters)}"
        text = to_plain_json(parameters) if parsed_args.json else panel
        self.app.stdout.write(text.rstrip("\n") + "\n")
