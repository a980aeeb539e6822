"""``almajob saved list``: which starts are saved under a name."""

from __future__ import annotations

import argparse

from almajob.cli.command import Lister, Result
from almajob.output.saved_views import (
    NOTHING_SAVED,
    SAVED_BRIEF,
    SAVED_COLUMNS,
    SAVED_LEAST_NEEDED,
    saved_values,
)


class SavedList(Lister):
    """List the saved runs.

    A saved run is a start that was saved under a name with almajob run --save NAME, or a
    section [run:NAME] in the configuration file. There is a row for each environment that it is
    saved for; with --env, only that environment is shown.

    Examples:
      almajob saved list
      almajob --env sandbox saved list -f json
    """

    columns = SAVED_COLUMNS
    brief = SAVED_BRIEF
    least_needed = SAVED_LEAST_NEEDED
    note_if_empty = NOTHING_SAVED

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        listed = self.context.saved_runs.list_all(self.context.named_environment)
        return self.columns, [saved_values(*each) for each in listed]
