"""``almajob schedule list``: which saved runs are started when, and by what."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.output.columns import Identifier, Length, Sentence, Text, Time, Tone

_NOTHING = "Nothing is scheduled. almajob schedule install SAVED --at TIMES schedules a saved run."


class ScheduleList(Lister):
    """List the schedules, their next time and what has changed.

    A row for each saved run that has a schedule, or that systemd or cron starts; with --env, of
    that environment only. drift says how what is installed differs from the saved run: almajob
    schedule install makes it agree. last_result is what systemd says of the last start; for
    cron, and where systemd does not run, what the ledger knows of the start that was due last.

    Examples:
      almajob schedule list
      almajob --env production schedule list -f json
    """

    columns = (
        *("name", "environment", "by", "at", "timezone", "splay_seconds", "next_time", "last_time"),
        *("last_result", "drift"),
    )
    brief = ("name", "environment", "by", "at", "next_time", "last_result", "drift")
    least_needed = ("by", "environment", "at")
    note_if_empty = _NOTHING

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.schedule.listing import list_schedules

        rows = []
        for found in list_schedules(self.context, self.context.named_environment):
            schedule = found.schedule
            rows.append(
                (
                    *(Identifier(found.name), Identifier(found.environment), Text(found.by)),
                    *(
                        Text(schedule.at if schedule else ""),
                        Text(schedule.times.timezone if schedule else ""),
                    ),
                    *(Length(schedule.splay if schedule else None), Time(found.next_time)),
                    *(Time(found.last_time), Sentence(found.last_result)),
                    Sentence(found.drift, Tone.WARNING if found.drift else None),
                )
            )
        return self.columns, rows
