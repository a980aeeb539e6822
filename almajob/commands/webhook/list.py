"""``almajob webhook list``: the runs of which messages have told."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.output.run_views import BRIEF_COLUMNS, LEAST_NEEDED, RUN_COLUMNS, run_values
from almajob.runs.run import Run


class WebhookList(Lister):
    """List runs that messages told of (makes no API call).

    Alma sends a message at the end of each run, whoever started it. The listener asks Alma
    about it once, and keeps what Alma says for eight days: a history that costs no calls. What
    ended while no listener ran is not in it; almajob history has that.

    Examples:
      almajob --env production webhook list
      almajob --env production webhook list -f json
    """

    columns = RUN_COLUMNS
    brief = BRIEF_COLUMNS
    least_needed = LEAST_NEEDED

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        environment, runs = self.context.environment.name, self.context.runs
        messages, policy = runs.messages, runs.policy
        self.note_if_empty = f"No message has told of a run of {environment} within the last eight days."
        found = []
        for instance in messages.list_ends() if messages else ():
            judged = policy.judge(instance, instance.status.desc, environment=environment)
            run = Run(instance, instance.status.desc, environment, judged.error, is_nothing=judged.is_nothing)
            found.append(run_values(run))
        return RUN_COLUMNS, found
