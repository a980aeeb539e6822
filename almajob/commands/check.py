"""``almajob check``: is something not well with what was started from here? Made for cron."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.config.environments import DEMO
from almajob.errors import AlmajobError, JobEndedBadly
from almajob.output.columns import Identifier, Length, Sentence, Text, Tone, Word
from almajob.runs.wait.missed_starts import MissedStart, announce_missed, list_missed
from almajob.runs.wait.run_check import ENDED_BADLY, LATE_RUN, OLDEST, UNKNOWN, UNSEEN, Finding
from almajob.system import clock as clocks
from almajob.text.time_format import format_time

_TONES = {ENDED_BADLY: Tone.BAD, UNKNOWN: Tone.BAD, LATE_RUN: Tone.WARNING, UNSEEN: Tone.WARNING}
_MOST_NAMED = 3


class Check(Lister):
    """List runs that are late or ended badly; made for cron.

    Each run that has no end yet, and is less than a week old, is looked at once. One that has
    ended is judged and remembered, and observers and notifications are called, as if a command
    had waited for it. A run is late when it takes longer than late_after says, and is listed as
    long as it goes on. A bad end is listed once. Runs that a process of this machine waits for
    are left to it. Notifications that could not be sent are tried again.

    A saved run with a schedule (almajob schedule) is late, too, when it has not started ten
    minutes after its time: that is notified of once, and listed until it has started, or until
    its next time.

    Where all is well, nothing is printed. Without --env, all environments are checked.

    Exit codes: 0 all is well. 3 something is not. 6 Alma could not be reached.

    Examples:
      almajob check
      almajob --env sandbox check -f json
    """

    columns = ("environment", "job_name", "instance_id", "run_id", "problem", "seconds", "detail")
    brief = ("environment", "job_name", "instance_id", "problem", "seconds", "detail")
    least_needed = ("seconds", "environment")
    # cron mails whatever is written.
    note_if_empty = ""

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        findings: list[Finding] = []
        missed: list[MissedStart] = []
        errors: list[AlmajobError] = []
        for name in self._list_environments():
            try:
                findings += self.context.of(name).runs.check_unended()
            except AlmajobError as error:
                errors.append(error)
        try:
            missed = list_missed(
                self.context.settings, self.context.ledger, self.context.named_environment, self.context.now()
            )
            announce_missed(self.context.ledger, missed)
        except AlmajobError as error:
            errors.append(error)
        bad = [found for found in findings if found.what != UNSEEN]
        errors += [found.error for found in findings if found.what == UNSEEN and found.error]
        named = [f"{found.record.job_name} ({found.record.environment}) {found.what}" for found in bad]
        named += [f"{each.name} ({each.environment}) {LATE_RUN}" for each in missed]
        self.verdict = _judge(named) if named else next(iter(errors), None)
        return self.columns, [*map(_values, findings), *map(_missed_values, missed)]

    def _list_environments(self) -> list[str]:
        """List the environments with starts that are not settled, or recent."""
        if self.context.named_environment:
            return [self.context.environment.name]
        with self.context.ledger.read() as view:
            records = [*view.list_open(), *view.list_since(clocks.system().now() - OLDEST)]
        known = self.context.settings.environment_names()
        found = dict.fromkeys(record.environment for record in records)
        # Each process has a demo of its own.
        return [name for name in found if name in known and name != DEMO]


def _judge(named: list[str]) -> AlmajobError:
    more = f", and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    count = "One run needs" if len(named) == 1 else f"{len(named)} runs need"
    return JobEndedBadly(
        f"{count} attention.",
        reason=f"{', '.join(named[:_MOST_NAMED])}{more}.",
        hint="almajob runs show ID has the details of a start, almajob status RUN those of a run.",
    )


def _values(found: Finding) -> tuple[object, ...]:
    record, error = found.record, found.error
    detail = f"{error.message} {error.reason}".strip() if error else ""
    return (
        *(Identifier(record.environment), Text(record.job_name), Identifier(record.instance_id)),
        *(Identifier(record.id), Word(found.what, _TONES), Length(found.seconds), Sentence(detail)),
    )


def _missed_values(missed: MissedStart) -> tuple[object, ...]:
    due = format_time(missed.due, now=clocks.system().now())
    detail = f"The saved run {missed.name} was due at {due}. No start of it is known here."
    return (
        *(Identifier(missed.environment), Text(missed.job_name), Identifier(""), Identifier("")),
        *(Word(LATE_RUN, _TONES), Length(missed.seconds), Sentence(detail)),
    )
