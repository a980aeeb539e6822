"""``almajob top``: what runs now, in a page that keeps itself up to date."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from almajob.cli.command import Lister, Result
from almajob.cli.options.name_options import (
    add_job_filter_options,
    add_jobs_argument,
    choose_jobs,
    jobs_of,
    refuse_two_choices,
)
from almajob.errors import AlmajobError, ConfigurationError
from almajob.output.columns import Time
from almajob.output.run_views import TOP_COLUMNS, ended_values, going_on_values, unclear_values
from almajob.system.terminal import has_keyboard, is_capable

if TYPE_CHECKING:
    from almajob.alma.models import Job
    from almajob.cli.context import Context
    from almajob.runs.top.page import Page
    from almajob.runs.top.watch import Watch

LOG = logging.getLogger(__name__)


class Top(Lister):
    """Show what runs now, in a page that keeps itself up to date.

    Runs are shown no matter who started them: how far they are, for how long they have been going
    on and how long runs of their job usually take, and who submitted them. Below are the starts
    from here whose outcome is not known, and what has ended within the last hour or since then.
    q leaves the page, and so does Ctrl-C. The jobs go on.

    Alma lists the runs of one job in each call. All jobs are asked for once at first, then those
    with a run as often as almajob wait would look at it, and the others in turn, one every five
    seconds. Name jobs, or choose them with --name, --category or --type, to see what is new of
    them sooner and to use fewer calls. While Alma cannot be reached, the page stays as it was and
    says since when.

    Without a terminal, and with -f or -c, all is asked for once and printed as a table.
    The page needs the library Rich: pip install 'almajob[live]'

    Exit codes: 0 left with q, or printed. 130 left with Ctrl-C. 6 Alma could not be reached.
    7 the key, the configuration file, or Rich is missing or wrong.

    Examples:
      almajob --env sandbox top
      almajob --env sandbox top --type scheduled
      almajob --env sandbox top 'ERP export using profile FINANCE' M44
      almajob --env sandbox top --name export -f json
      almajob --env sandbox,production top
    """

    environments = "all"
    columns = TOP_COLUMNS
    brief: Sequence[str] = (
        *("phase", "job_name", "instance_id", "status", "progress", "seconds", "usual_seconds"),
        *("submit_time", "submitted_by"),
    )
    least_needed = ("submitted_by", "usual_seconds", "submit_time", "progress", "seconds")
    note_if_empty = "Nothing runs, and nothing has ended within the last hour."

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_jobs_argument(parser)
        add_job_filter_options(parser)
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        refuse_two_choices(parsed_args)

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        contexts = self.contexts
        if _is_live(parsed_args):
            self._show(self._watch_all(parsed_args))
            return self.columns, []
        if len(contexts) > 1:
            return self._look_in_each(parsed_args)
        page = _watch(contexts[0], parsed_args).look()
        if not page.jobs:
            self.note_if_empty = "No job matches."
        return self.columns, list(_list_rows(page))

    def _watch_all(self, parsed_args: argparse.Namespace) -> list[Watch]:
        """Return what watches each environment; of several, one that is not well configured is left out."""
        from almajob.cli.many.outcome import Outcome, combine_outcomes, word_briefly

        contexts = self.contexts
        outcomes: list[Outcome[Watch]] = []
        for context in contexts:
            try:
                outcomes.append(Outcome(context, _watch(context, parsed_args, is_sole=len(contexts) == 1)))
            except AlmajobError as error:
                outcomes.append(Outcome(context, error=error))
        watches = [each.value for each in outcomes if each.value is not None]
        self.verdict = combine_outcomes(outcomes)
        if self.verdict is not None and not watches:
            raise self.verdict
        for each in outcomes:
            if each.error is not None:
                LOG.warning("%s: %s", each.environment, word_briefly(each.error))
        return watches

    def _look_in_each(self, parsed_args: argparse.Namespace) -> Result:
        """Look once in several environments, as a command does that is done in each of them."""
        from almajob.cli.many.result import InEach

        in_each = InEach(self, lambda _last: self.cmd_name or "")
        found = in_each.take_action(parsed_args)
        self.verdict, self.brief, self.note_if_empty = in_each.verdict, in_each.brief, in_each.note_if_empty
        return found

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Any) -> int:
        if _is_live(parsed_args):
            # It has been seen.
            return 0
        return super().produce_output(parsed_args, column_names, data)

    def _show(self, watches: Sequence[Watch]) -> None:
        try:
            from almajob.cli.console.live_page import show
        except ModuleNotFoundError as missing:
            if (missing.name or "").partition(".")[0] != "rich":
                raise
            raise ConfigurationError(
                "The page needs the library rich, which is not installed.",
                hint="Type: pip install rich\nWithout it: almajob top -f json",
            ) from None
        show(watches, in_utc=Time.in_utc)


def _is_live(parsed_args: argparse.Namespace) -> bool:
    """Whether a person gets a page, and not a result once."""
    is_result = parsed_args.formatter != "table" or parsed_args.columns or parsed_args.sort_columns
    return not is_result and has_keyboard() and is_capable(sys.stdout)


def _watch(context: Context, parsed_args: argparse.Namespace, *, is_sole: bool = True) -> Watch:
    """Return what watches the jobs that are chosen in an environment.

    Args:
        is_sole: whether it is the only one, so that what is wrong with it ends the command.

    Raises:
        AlmajobError: a job is named that there is not, or the environment has no key.
    """
    from almajob.runs.top.watch import Watch

    texts = jobs_of(parsed_args, may_be_none=True)
    choose: Callable[[], Iterable[Job]] = partial(choose_jobs, parsed_args, context)
    if is_sole:
        # Without a key there is nothing to look at.
        context.connect()
        if texts:
            # Which of several is meant is asked before anything is drawn.
            choose = partial(list, choose())
    return Watch(
        context.runs.follower(),
        choose,
        is_all=not (texts or parsed_args.type or parsed_args.category or parsed_args.name),
        is_production=context.environment.is_production,
        is_sole=is_sole,
        count_calls_left=partial(_count_calls_left, context),
    )


def _count_calls_left(context: Context) -> int | None:
    name = context.environment.name
    return next((quota.calls_left for quota in context.quotas() if name in quota.environments), None)


def _list_rows(page: Page) -> Iterator[tuple[Any, ...]]:
    """Return a row for each run and each start of a page."""
    if page.ledger_problem:
        Top.log.warning("Starts from here are not listed: %s", page.ledger_problem)
    yield from map(going_on_values, page.going_on)
    yield from map(unclear_values, page.unclear)
    yield from map(ended_values, page.ended)
