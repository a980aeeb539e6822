"""``almajob runs list``: what was started from here, and whose outcome is unknown."""

from __future__ import annotations

import argparse
import logging
import math
from functools import partial

from almajob.cli.command import Lister, Result
from almajob.cli.options.global_options import add_limit_option
from almajob.cli.options.name_options import add_jobs_argument, jobs_of
from almajob.cli.options.value_types import moment
from almajob.errors import UsageError
from almajob.output.run_views import LEDGER_COLUMNS, LEDGER_LEAST_NEEDED, ledger_values
from almajob.runs.ledger_queries import Wanted, count_runs, list_runs
from almajob.store.ledger.record import OPEN, State

LOG = logging.getLogger(__name__)
_OPEN = "open"
_STATES: dict[str | None, frozenset[State]] = {
    None: frozenset(),
    _OPEN: OPEN,
    **{state.value.lower().replace("_", "-"): frozenset({state}) for state in State},
}


class RunsList(Lister):
    """List what was started from here (makes no API call).

    Runs with an unknown outcome come first, then the newest. How a run ended is shown if almajob
    has seen it; almajob status RUN asks Alma. All environments are shown, unless --env names one
    on the command line.

    Examples:
      almajob runs list
      almajob runs list --open
      almajob runs list --since 7d --state not-started
      almajob --env production runs list S9570600010000561 --limit all -f json
    """

    columns = LEDGER_COLUMNS
    least_needed = LEDGER_LEAST_NEEDED

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--open", action="store_true", help="only runs with an unknown outcome")
        parser.add_argument(
            "--state",
            choices=[name for name in _STATES if name],
            type=_normalise_state,
            metavar="STATE",
            help="only runs in this state: %(choices)s",
        )
        parser.add_argument(
            "--since",
            metavar="WHEN",
            type=moment,
            help="made since then: 7d or 12h ago, a day (2026-11-01, local time) or a time",
        )
        parser.add_argument(
            "--until",
            metavar="WHEN",
            type=partial(moment, ends_day=True),
            help="made until then; a day is included",
        )
        add_jobs_argument(parser)
        add_limit_option(parser)
        return parser

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        first, last = parsed_args.since, parsed_args.until
        if first and last and first >= last:
            raise UsageError("--since is not before --until.", hint="Swap the two.")
        if parsed_args.open and parsed_args.state not in (None, _OPEN):
            raise UsageError(f"--open and --state {parsed_args.state} exclude each other.", hint="Keep one.")

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        first, last = parsed_args.since, parsed_args.until
        wanted = Wanted(
            environment=self.context.named_environment,
            jobs=tuple(jobs_of(parsed_args, may_be_none=True)),
            states=_STATES[_OPEN if parsed_args.open else parsed_args.state],
            since=first.timestamp() if first else 0.0,
            until=last.timestamp() if last else math.inf,
        )
        self.note_if_empty = self._word_nothing(wanted)
        ledger, limit = self.context.ledger, parsed_args.limit
        if not limit:
            return LEDGER_COLUMNS, (ledger_values(record) for record in list_runs(ledger, wanted))
        # One more, to know whether there are more.
        found = list(list_runs(ledger, wanted, limit=limit + 1))
        shown = found[: max(limit, sum(record.is_open for record in found))]
        if len(found) > len(shown):
            total = f" of {count_runs(ledger, wanted.environment):,} runs" if wanted.is_all else ""
            LOG.info("These are the newest %s%s; --limit 0 shows all.", f"{len(shown):,}", total)
        return LEDGER_COLUMNS, [ledger_values(record) for record in shown]

    def _word_nothing(self, wanted: Wanted) -> str:
        what = "No run of these jobs" if wanted.jobs else "No run"
        if wanted.states == OPEN:
            return f"{what} has an unknown outcome."
        if wanted.states or wanted.since or wanted.until < math.inf:
            return f"{what} is like that."
        return f"{what} was started from here yet."


def _normalise_state(text: str) -> str:
    """Take a state as programs get it, too."""
    return text.strip().lower().replace("_", "-")
