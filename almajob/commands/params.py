"""``almajob params``: the last known payload of a job, ready to be edited."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from almajob.alma.request_body import to_plain_json, to_xml
from almajob.cli.command import Command
from almajob.cli.options.global_options import pace_of
from almajob.cli.options.name_options import add_job_argument, find_job
from almajob.errors import Refused

if TYPE_CHECKING:
    from almajob.alma.models import Job, Parameter
    from almajob.cli.context import Context
    from almajob.cli.many.outcome import Outcome


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

    environments = "all"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_job_argument(parser)
        form = partial(parser.add_argument, dest="form", default="xml")
        form("-f", "--format", choices=("xml", "json"), help="form of the payload (default: xml)")
        form("--json", action="store_const", const="json", help="the same as -f json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        if not self.context.several:
            text = _word_payload(*_find_payload(parsed_args, self.context), parsed_args.form)
            self.app.stdout.write(f"{text}\n")
            return
        from almajob.cli.many.each import do_in_each
        from almajob.cli.many.outcome import combine_outcomes

        outcomes = do_in_each(
            self.contexts, lambda context: (_find_payload(parsed_args, context), None), pace_of(parsed_args)
        )
        self.verdict = combine_outcomes(outcomes)
        if parsed_args.form == "json":
            rows = [_to_row(each) for each in outcomes]
            self.app.stdout.write(f"{json.dumps(rows, indent=2)}\n")
            return
        for each in outcomes:
            if each.value is not None:
                self.app.stdout.write(f"{each.environment}:\n{_word_payload(*each.value, 'xml')}\n\n")


def _find_payload(parsed_args: argparse.Namespace, context: Context) -> tuple[Job, tuple[Parameter, ...]]:
    """Find a job, and with which parameters it was started from here last.

    Raises:
        Refused: nobody knows them.
    """
    job, parameters = find_job(parsed_args, context, context.runs.last_payload)
    if parameters is None:
        raise Refused(
            f"No parameters of {job.name!r} ({job.id}) are known here.",
            reason="Alma does not list them. almajob knows only those of the last start from here.",
            hint="Alma shows them once: Admin > Run a Job, last step, panel API Information.\n"
            "Save its URL line and its XML in a file, then: almajob run --params FILE",
        )
    return job, parameters


def _word_payload(job: Job, parameters: Sequence[Parameter], form: str) -> str:
    if form == "json":
        return to_plain_json(parameters).rstrip("\n")
    # As in the panel of Alma's wizard.
    return f"POST /almaws/v1/conf/jobs/{job.id}?op=run\n{to_xml(parameters)}".rstrip("\n")


def _to_row(outcome: Outcome[tuple[Job, tuple[Parameter, ...]]]) -> dict[str, Any]:
    job, parameters = outcome.value or (None, ())
    return {
        "environment": outcome.environment,
        "job_id": job.id if job else None,
        "job_name": job.name if job else None,
        "parameters": json.loads(to_plain_json(parameters)) if job else None,
        "error": outcome.error.to_json() if outcome.error else None,
    }
