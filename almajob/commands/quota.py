"""``almajob quota``: what is known of the calls that Alma still takes."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.output.columns import Text, Time, WordList


class Quota(Lister):
    """Show what is known of the calls that Alma still takes; asks nothing of Alma.

    Alma counts the calls of all programs of an institution, sandbox and production together: so many a
    second, and so many a day. What it told last is kept for all almajob processes of this user. All
    institutions of the ini are shown, unless --env names an environment on the command line.

    Examples:
      almajob quota
      almajob --env production quota -f json
    """

    columns = (
        *("environments", "state", "calls_left", "as_of", "next_call", "counts_anew"),
        *("calls_per_second", "burst", "quota_floor", "why"),
    )

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        self.note_if_empty = "No calls are counted: the ini names no environment, or the demo is meant."
        return self.columns, [
            (
                *(WordList(quota.environments), quota.state, quota.calls_left),
                *(Time(quota.as_of), Time(quota.next_call), Time(quota.counts_anew)),
                *(quota.calls_per_second, quota.burst, quota.quota_floor, Text(quota.reason)),
            )
            for quota in self.context.quotas()
        ]
