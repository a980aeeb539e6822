"""``almajob runs settle``: look again for starts whose outcome is unknown."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from almajob.cli.command import Lister, Result
from almajob.cli.context import Context
from almajob.cli.options.name_options import add_run_argument, record_of
from almajob.errors import AlmajobError, OutcomeUnknown
from almajob.output.columns import StartState
from almajob.output.run_views import LEDGER_COLUMNS, LEDGER_LEAST_NEEDED, ledger_values
from almajob.runs.evidence.unknown_outcome import is_twice, outcome_unknown
from almajob.runs.ledger_queries import Wanted, list_runs
from almajob.store.ledger.record import OPEN, Record

LOG = logging.getLogger(__name__)


class RunsSettle(Lister):
    """Look again for runs with an unknown outcome.

    Starts nothing, and is safe in cron. Without RUN, all of them are looked for, in every
    environment unless --env names one.

    Exit codes: 0 all outcomes are known now. 9 some are still unknown.

    Examples:
      almajob runs settle
      almajob --env production runs settle
    """

    columns = LEDGER_COLUMNS
    least_needed = LEDGER_LEAST_NEEDED

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_run_argument(parser, is_needed=False)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        named = self.context.named_environment
        if parsed_args.run_id is not None:
            records = [record_of(parsed_args, self.context)]
        else:
            records = list(list_runs(self.context.ledger, Wanted(named, states=OPEN)))
        self.note_if_empty = "No run has an unknown outcome."
        recovered = [_recover(self.context, record) for record in records]
        self.verdict = _judge(recovered, self.context)
        return LEDGER_COLUMNS, [ledger_values(record) for record in recovered]


def _judge(records: Sequence[Record], context: Context) -> OutcomeUnknown | None:
    """Judge all that were looked for: the outcome of some is unknown, or they were made twice."""
    for record in records:
        if is_twice(record):
            LOG.warning("%s", outcome_unknown(record, context.program(record.environment)))
    still = [record for record in records if record.is_open or is_twice(record)]
    if not still:
        return None
    twice = ", or were made twice" if any(map(is_twice, still)) else ""
    return OutcomeUnknown(
        f"{len(still)} of {len(records)} starts have an unknown outcome{twice}.",
        reason="\n".join(map(_describe, still[:10])),
        hint="almajob runs show RUN shows what is known of one. If you know its outcome from Alma:\n"
        "almajob runs resolve RUN --adopt PROCESS_ID, or --not-started",
    )


def _describe(record: Record) -> str:
    outcome = "started twice" if is_twice(record) else StartState.WORDS[record.state]
    return f"{record.id}: {record.job_name} in {record.environment}, {outcome}"


def _recover(context: Context, record: Record) -> Record:
    """Look again for one start; what keeps one from being looked for does not keep the others."""
    try:
        return context.called_for(record).runs.recover(record)
    except AlmajobError as error:
        LOG.warning("%s (%s) cannot be looked for: %s", record.id, record.environment, error)
        return record
