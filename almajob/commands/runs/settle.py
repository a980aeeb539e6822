"""``almajob runs settle``: look again for starts whose outcome is in doubt."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from almajob.cli.command import Lister, Result
from almajob.cli.context import Context
from almajob.cli.options.global_options import add_run_argument
from almajob.errors import AlmajobError, OutcomeUnknown
from almajob.output.run_views import LEDGER_COLUMNS, ledger_values
from almajob.runs.evidence.unknown_outcome import is_twice, outcome_unknown
from almajob.runs.ledger_queries import list_runs
from almajob.runs.run_reference import find_record
from almajob.store.ledger_record import Record

LOG = logging.getLogger(__name__)


class RunsSettle(Lister):
    """Look again for starts whose outcome is in doubt; starts nothing, and is safe in cron.

    Without RUN, all that are in doubt, in every environment, unless --env names one.
    Exit code 0: none of them is in doubt any more. 9: some are.

    Examples:
      almajob runs settle
      almajob --env production runs settle
    """

    columns = LEDGER_COLUMNS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_run_argument(parser, is_required=False)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        named = self.context.named_environment
        if parsed_args.run:
            records = [find_record(self.context.ledger, parsed_args.run, environment=named)]
        else:
            records = list_runs(self.context.ledger, environment=named, only_open=True)
        self.note_if_empty = "No run is in doubt."
        recovered = [_recover(self.context, record) for record in records]
        self.verdict = _judge(recovered)
        return LEDGER_COLUMNS, [ledger_values(record) for record in recovered]


def _judge(records: Sequence[Record]) -> OutcomeUnknown | None:
    """Judge all that were looked for: the outcome of some is unknown, or they were made twice."""
    for record in records:
        if is_twice(record):
            LOG.warning("%s", outcome_unknown(record))
    still = [record for record in records if record.is_open or is_twice(record)]
    if not still:
        return None
    return OutcomeUnknown(
        f"{len(still)} of {len(records)} starts are in doubt, or were made twice.",
        reason="; ".join(f"{record.id} {record.state}" for record in still[:10]),
        hint="almajob runs show RUN tells more; almajob runs resolve RUN settles it by your word.",
    )


def _recover(context: Context, record: Record) -> Record:
    """Look again for one start; what keeps one from being looked for does not keep the others."""
    try:
        return context.called_for(record).runs.recover(record)
    except AlmajobError as error:
        LOG.warning("%s (%s) cannot be looked for: %s", record.id, record.environment, error)
        return record
