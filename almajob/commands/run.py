"""``almajob run``: start a job, once; or keep under a name how it is started."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from almajob.cli.command import Result, ShowSome
from almajob.cli.console.progress import display
from almajob.cli.options.ids_options import own_set_of
from almajob.cli.options.option_conflicts import is_bare_start, refuse_start_conflicts
from almajob.cli.options.run_arguments import (
    StartArguments,
    add_run_arguments,
    settings_of,
    start_arguments_of,
    wait_as_splayed,
    with_job,
)
from almajob.cli.options.run_options import wait_options_of
from almajob.errors import AlmajobError
from almajob.output.columns import GivenParameters, RequestBody, Text, WordList
from almajob.output.formats import ARRAY_FORMATS, report_lost_result
from almajob.output.run_views import START_COLUMNS, not_started, start_values
from almajob.output.saved_views import (
    NOTHING_SAVED,
    SAVED_BRIEF,
    SAVED_COLUMNS,
    SAVED_LEAST_NEEDED,
    saved_values,
)
from almajob.runs.parameters.parameters import SET_ID, Given
from almajob.runs.parameters.set_check import TO_COME
from almajob.runs.run import Run as StartedRun
from almajob.runs.run_service import log_report
from almajob.runs.start.plan import Plan
from almajob.runs.start_request import OwnSet
from almajob.system.terminal import asker, confirmer, fit_message
from almajob.text.sanitize import sanitize

if TYPE_CHECKING:
    from almajob.cli.context import Context
    from almajob.cli.many.outcome import Outcome, Part

LOG = logging.getLogger(__name__)

_ENDED_FIELDS = (
    *("job_name", "environment", "instance_id", "status", "description", "seconds", "counters", "alerts"),
)
"""Of a run that was waited for, what people are shown."""
PLAN_COLUMNS = (
    *("action", "environment", "job_id", "job_name", "run_key", "tag", "instance_id"),
    *("method", "url", "authorization", "body", "set", "ids", "set_calls", "parameters", "overrides"),
)
PLAN_BRIEF = ("action", "job_id", "job_name", "set")
"""Of PLAN_COLUMNS what a table of several environments shows."""


class Run(ShowSome):
    """Start a job once, and show its run.

    A run key never starts a job twice: the same command again shows the same run, even after a
    crash. Without a run key, an interrupted run is found again within an hour.

    Manual jobs need parameters. --params reads what Alma shows in the last step of its 'Run a
    job' wizard, in the panel API Information. Parameters are compared with those of the job's
    earlier runs; the set must exist, suit the job and have members.

    With --ids the set is made for this run alone, named after its run key: the same command goes
    on where it stopped, makes no second set, and starts once. --delete-set deletes it, once the
    end of the run was seen.

    In production you are asked to type the job's id before anything is started. Use --yes where
    nobody can answer, as in cron. A saved run is a command like this one that was saved with
    --save.

    Exit codes: 0 started; with --wait: ended well, or with warnings. 3 ended badly. 4, 5, 6, 7,
    10 nothing was started. 8 still running after --timeout. 9 unknown whether it was started;
    the same command again only looks for it.

    Examples:
      almajob --env sandbox run 'ERP export using profile FINANCE'
      almajob --env sandbox run S9563600010000561 --wait -f json
      almajob --env sandbox run S9563600010000561 --run-key invoices-of-may --wait
      almajob --env sandbox run S9563600010000561 --if-running attach
      almajob --env sandbox run S9563600010000561 --dry-run
      almajob --env sandbox run M44 --set 'Theses without a call number'
      almajob --env sandbox run M44 --ids mms-ids.txt --wait --delete-set good
      almajob --env production run S9570600010000561 --once-per day --yes
      almajob --env sandbox run S9563600010000561 --once-per day --save invoices
      almajob --env sandbox run invoices
    """

    environments = "each"
    columns = START_COLUMNS
    brief = SAVED_BRIEF
    least_needed = SAVED_LEAST_NEEDED
    answer = ""
    """What people are told instead of a table; empty where they are shown one."""
    next_step = ""
    """What they may type then."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        self._parser = super().get_parser(prog_name)
        add_run_arguments(self._parser)
        return self._parser

    def is_one(self, parsed_args: argparse.Namespace) -> bool:
        return not parsed_args.list_saved

    def is_object(self, parsed_args: argparse.Namespace) -> bool:
        return not parsed_args.list_saved

    def fields_of(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        return _ENDED_FIELDS if self.columns_of(parsed_args) is START_COLUMNS else ()

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        refuse_start_conflicts(self._parser, parsed_args)
        if self.context.several:
            from almajob.cli.many.starts import refuse_of_one

            refuse_of_one(parsed_args)

    def take_in_each(
        self, parsed_args: argparse.Namespace, contexts: Sequence[Context]
    ) -> list[Outcome[Part]]:
        from almajob.cli.many.starts import refuse_saved_ids, start_in_each

        if parsed_args.dry_run:
            refuse_saved_ids(parsed_args, contexts)
            return super().take_in_each(parsed_args, contexts)

        return start_in_each(parsed_args, contexts)

    @property
    def words_for_people(self) -> tuple[Sequence[str], str]:
        return PLAN_BRIEF, self.note_if_empty

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
            return columns, [self._plan(parsed_args)]
        is_answered = _is_for_people(parsed_args) and not parsed_args.wait
        report = self._keep_answer if is_answered else log_report
        try:
            is_older = self.app.options.has_older_spelling and is_bare_start(self._parser, parsed_args)
            arguments = start_arguments_of(parsed_args, self.context, is_older=is_older)
            wait_as_splayed(parsed_args, arguments, self.context)
            with ExitStack() as closing:
                start = partial(
                    self._choose_start(arguments, closing),
                    parameters=arguments.parameters,
                    options=arguments.options,
                    ask=asker(),
                    confirm=confirmer(),
                    look=not parsed_args.wait,
                    report=report,
                )
                # What was agreed to is what was named, and a digit is typed wrong easily.
                unconfirmed = replace(arguments.options, is_confirmed=False)
                start_chosen = partial(start, options=unconfirmed)
                run = with_job(parsed_args, arguments, self.context, start, start_chosen=start_chosen)
        except AlmajobError as error:
            return columns, [self._show_failure(error, parsed_args)]
        if parsed_args.wait:
            wait, policy = wait_options_of(parsed_args), arguments.options.policy
            run = self.context.runs.follow(run, wait, policy=policy, display=display)
            self.verdict = run.verdict
        elif is_answered and not run.instance.has_ended:
            program = self.context.program(run.environment)
            self.next_step = f"To wait for its end: {program} wait {run.instance.id}"
        if arguments.ids is not None:
            self._settle_set(run, arguments)
        return columns, [start_values(run)]

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        if not self.answer:
            return super().produce_output(parsed_args, column_names, data)
        with report_lost_result(self.app.stdout):
            self.app.stdout.write(f"{fit_message(self.answer, self.app.stdout)}\n")
            self.app.stdout.flush()
        if self.next_step:
            LOG.info("%s", self.next_step)
        return 0

    def _choose_start(self, arguments: StartArguments, closing: ExitStack) -> Callable[..., StartedRun]:
        """Return what starts the job: on what its parameters name, or on a set that is made for it."""
        if arguments.ids is None:
            return self.context.runs.start
        from almajob.sets.id_file import read_ids
        from almajob.sets.run_with_ids import start_on_ids

        given, own = arguments.ids, own_set_of(arguments.ids)
        ids = closing.enter_context(read_ids(given.path, column=given.column, id_type=given.id_type))
        return partial(start_on_ids, ids=ids, own=own, shop=self.context.workshop)

    def _plan(self, parsed_args: argparse.Namespace) -> Iterable[Any]:
        """Return the values of what would be done."""
        arguments = start_arguments_of(parsed_args, self.context)
        given, options = arguments.parameters, arguments.options
        if arguments.ids is None:
            plan = with_job(
                *(parsed_args, arguments, self.context),
                lambda job: self.context.runs.plan(job, given, options),
            )
            return _plan_values(plan, arguments, _describe_set(plan))
        from almajob.sets.id_file import read_ids
        from almajob.sets.run_with_ids import plan_on_ids

        file, own = arguments.ids, own_set_of(arguments.ids)
        with read_ids(file.path, column=file.column, id_type=file.id_type) as ids:
            make_plan = partial(plan_on_ids, parameters=given, options=options, ids=ids, own=own)
            found = with_job(
                *(parsed_args, arguments, self.context), partial(make_plan, shop=self.context.workshop)
            )
            described = found.describe_set()
            return _plan_values(found.start, arguments, described, ids=ids.count, set_calls=found.calls)

    def _settle_set(self, run: StartedRun, arguments: StartArguments) -> None:
        """Delete the set of the run if that has ended as demanded, or say who will."""
        from almajob.sets.run_with_ids import describe_owed, settle_set

        runs, shop = self.context.runs, self.context.workshop
        settle_set(runs.follower(policy=arguments.options.policy).judge(run), shop)
        if later := describe_owed(run, shop):
            LOG.info("%s", later)

    def _keep_answer(self, sentence: str) -> None:
        self.answer = sentence

    def _list_saved(self) -> Iterable[Any]:
        context = self.context
        self.note_if_empty = NOTHING_SAVED
        return [saved_values(*each) for each in context.saved_runs.list_all(context.named_environment)]

    def _save(self, parsed_args: argparse.Namespace) -> Iterable[Any]:
        arguments = start_arguments_of(parsed_args, self.context)
        parameters, options = arguments.parameters, arguments.options
        if arguments.ids is not None:
            # It is checked as a start is, whose set is still to be made.
            parameters = parameters.override([Given(SET_ID, TO_COME, "--ids")])
            options = replace(options, own_set=OwnSet("", 0))
        save = partial(
            self.context.saved_runs.save,
            parsed_args.save,
            parameters=parameters,
            options=options,
            written=arguments.written,
            others=settings_of(parsed_args, arguments.expands),
            replaces=parsed_args.replace,
        )
        saved = with_job(parsed_args, arguments, self.context, save)
        environment = self.context.environment.name
        if _is_for_people(parsed_args):
            self.answer = f"Saved {saved.name} for {environment} in {sanitize(str(saved.path))}"
            self.next_step = f"To start it: {self.context.program(environment)} run {saved.name}"
        return saved_values(saved, environment)

    def _show_failure(self, error: AlmajobError, parsed_args: argparse.Namespace) -> Iterable[Any]:
        """Show what is known of a start that led to no run; the error is told after it.

        Programs get their answer in every case; people read the error.
        """
        if parsed_args.formatter not in ARRAY_FORMATS:
            raise error
        self.verdict = self.context.recall(error, parsed_args.run_key or "")
        return not_started(self.context.environment_name, self.verdict, parsed_args.run_key or "")


def _is_for_people(parsed_args: argparse.Namespace) -> bool:
    """Whether the result is a table of which nobody has named the columns."""
    return parsed_args.formatter == "table" and not parsed_args.columns


def _plan_values(
    plan: Plan,
    arguments: StartArguments,
    described_set: str,
    *,
    ids: int | None = None,
    set_calls: int | None = None,
) -> Iterable[Any]:
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
        Text(described_set),
        ids,
        set_calls,
        GivenParameters(plan.ready.given.given if plan.ready else arguments.parameters.given),
        WordList(arguments.overrides),
    )


def _describe_set(plan: Plan) -> str:
    found = plan.ready.set if plan.ready else None
    if found is None:
        return ""
    count = "" if found.members is None else f", {found.members} members"
    return f"{found.name} ({found.id}){count}"
