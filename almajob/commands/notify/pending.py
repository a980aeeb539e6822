"""``almajob notify pending``: which notifications have not been sent yet."""

from __future__ import annotations

import argparse
from datetime import datetime

from almajob.cli.command import Lister, Result
from almajob.notify.notification import classify
from almajob.output.columns import Identifier, Sentence, Text, Time
from almajob.runs.observers.events import decode_event

_OBSERVER = ("almajob", "notify")


class NotifyPending(Lister):
    """List the notifications that have not been sent yet.

    One that could not be sent is tried again by the next command that works with runs, such as
    this one, for a day. What is sent in this moment is listed, too.

    Examples:
      almajob notify pending
      almajob notify pending -f json
    """

    columns = ("kind", "job_name", "environment", "instance_id", "run_id", "at", "failures", "problem")
    brief = ("kind", "job_name", "environment", "at", "failures", "problem")
    least_needed = ("failures", "environment")
    note_if_empty = "Nothing is pending."

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        rows = []
        for announcement in self.context.ledger.list_all_announcements(":".join(_OBSERVER)):
            message = announcement.message
            event = decode_event(message["kind"], message["event"])
            run = event.run
            names = (Identifier(classify(event)), Text(run.job_name), Identifier(event.environment.name))
            at: datetime = event.at
            state = (Time(at), message.get("failures", 0), Sentence(message.get("reason", "")))
            rows.append((*names, Identifier(run.instance_id), Identifier(run.id), *state))
        return self.columns, rows
