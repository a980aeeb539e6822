"""``almajob run``: start a job, once; or keep under a name how it is started."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from almajob.cli.command import Result, ShowSome
from almajob.cli.console.progress import display
from almajob.cli.options.option_conflicts import is_bare_start, refuse_start_conflicts
from almajob.cli.options.run_options import wait_options_of
from almajob.cli.options.start_options import (
    StartArguments,
    add_start_options,
    settings_of,
    start_arguments_of,
    wait_as_splayed,
)
from almajob.config.environments import text_of
from almajob.config.saved_runs import Saved
from almajob.errors import AlmajobError
from almajob.output.columns import GivenParameters, RequestBody, Text, WordList
from almajob.output.run_views import START_COLUMNS, not_started, start_values
from almajob.runs.start.plan import Plan
from almajob.system.terminal import asker, confirmer

PLAN_COLUMNS = (
    *("action", "environment", "job_id", "job_name", "run_key", "tag", "instance_id"),
    *("method", "url", "authorization", "body", "set", "parameters", "overrides"),
)
SAVED_COLUMNS = ("name", "environment", "job", "params", "set", "once_per", "confirm", "file")


class Run(ShowSome):
    """Start a job, once, and show its run.

    The same run key never starts a job twice: the same command again shows the same run, also
    after a crash. Without a key, a run that was cut short is found again for an hour.

    Manual jobs need parameters: --params takes what Alma shows in its 'Run a job' wizard, last
    step, panel API Information. They are compared with the last ones of the job, and the set
    must be there, fit and have members. In production a person types the job's id, or --yes
    stands in the command. SAVED is a command line of this kind that was kept with --save.

    Exit code 0: started; with --wait: ended well, or with warnings. 3: ended, and not well.
    4, 5, 6, 7, 10: nothing was started. 8: still running after --timeout. 9: it cannot be told
    whether it was started; the same command again only looks.

    Examples:
      almajob --env sandbox run --job 'ERP export using profile FINANCE'
      almajob --env sandbox run --job S9563600010000561 --wait -f json
      almajob --env sandbox run --job S9563600010000561 --run-key invoices-of-may --wait
      almajob --env sandbox run --job S9563600010000561 --once-per day --if-running attach
      almajob --env sandbox run --job S9563600010000561 --dry-run
      almajob --env sandbox run --job M44 --set 'Theses without a call number'
      almajob --env production run --job 'ERP export using profile FINANCE' --once-per day --yes
      almajob --env sandbox run --job S9563600010000561 --once-per day --save invoices
      almajob run --list-saved
    """

    columns = START_COLUMNS
    # Of what was saved; a start is one thing, and shown whole.
    brief = ("name", "environment", "job", "set", "once_per", "confirm")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        self._parser = super().get_parser(prog_name)
        add_start_options(self._parser)
        return self._parser

    def is_one(self, parsed_args: argparse.Namespace) -> bool:
        return not parsed_args.list_saved

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        refuse_start_conflicts(self._parser, parsed_args)

    def columns_of(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        if parsed_args.save or parsed_args.list_saved:
            return SAVED_COLUMNS
        return PLAN_COLUMNS if parsed_args.dry_run else START_COLUMNS

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        columns = self.columns_of(parsed_args)
        if parsed_args.list_saved:
            return columns, self._list_saved()
        if parsed_args.save:
            return columns, [self._save(parsed_args)]
        if parsed_args.dry_run:
            arguments = start_arguments_of(parsed_args, self.context)
            plan = self.context.runs.plan(arguments.job, arguments.parameters, arguments.options)
            return columns, [_plan_values(plan, arguments)]
        ask, confirm = (None, None) if parsed_args.no_input else (asker(), confirmer())
        try:
            is_older = self.app.options.has_older_spelling and is_bare_start(self._parser, parsed_args)
            arguments = start_arguments_of(parsed_args, self.context, is_older=is_older)
            wait_as_splayed(parsed_args, arguments, self.context)
            run = self.context.runs.start(
                *(arguments.job, arguments.parameters, arguments.options),
                ask=ask,
                confirm=confirm,
                look=not parsed_args.wait,
            )
        except AlmajobError as error:
            return columns, [self._show_failure(error, parsed_args)]
        if parsed_args.wait:
            wait, policy = wait_options_of(parsed_args), arguments.options.policy
            run = self.context.runs.follow(run, wait, policy=policy, display=display)
            self.verdict = run.verdict
        return columns, [start_values(run)]

    def _list_saved(self) -> Iterable[Any]:
        context = self.context
        self.note_if_empty = "Nothing is saved; run --save NAME keeps a start under a name."
        return [_saved_values(*each) for each in context.saved_runs.list_all(context.named_environment)]

    def _save(self, parsed_args: argparse.Namespace) -> Iterable[Any]:
        arguments = start_arguments_of(parsed_args, self.context)
        saved = self.context.saved_runs.save(
            parsed_args.save,
            arguments.job,
            arguments.parameters,
            arguments.options,
            written=arguments.written,
            others=settings_of(parsed_args, arguments.expands),
        )
        return _saved_values(saved, self.context.environment.name)

    def _show_failure(self, error: AlmajobError, parsed_args: argparse.Namespace) -> Iterable[Any]:
        """Show what is known of a start that led to no run; the error is told after it.

        Programs get their answer in every case; people read the error.
        """
        if parsed_args.formatter not in {"json", "yaml"}:
            raise error
        self.verdict = self.context.recall(error, parsed_args.run_key or "")
        return not_started(self.context.environment_name, self.verdict, parsed_args.run_key or "")


def _saved_values(saved: Saved, environment: str) -> Iterable[Any]:
    settings = saved.of(environment)
    shown = (text_of(settings, name) for name in ("job", "params", "set", "once_per"))
    confirm = text_of(settings, "confirm", "yes")
    return (saved.name, environment, *map(Text, (*shown, confirm, str(saved.path))))


def _plan_values(plan: Plan, arguments: StartArguments) -> Iterable[Any]:
    record, request = plan.record, plan.request
    return (
        plan.action,
        record.environment,
        Text(record.job_id),
        Text(record.job_name),
        Text(record.run_key),
        record.tag,
        Text(record.instance_id),
        request.method if request else "",
        request.url if request else "",
        "apikey (hidden)" if request else "",
        RequestBody(request.body) if request else "",
        Text(_describe_set(plan)),
        GivenParameters(plan.ready.given.given if plan.ready else arguments.parameters.given),
        WordList(arguments.overrides),
    )


def _describe_set(plan: Plan) -> str:
    found = plan.ready.set if plan.ready else None
    if found is None:
        return ""
    count = "" if found.members is None else f", {found.members} members"
    return f"{found.name} ({found.id}){count}"
