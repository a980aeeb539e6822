"""``almajob quota``: the API calls that are left, as Alma told last."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from almajob.cli.command import Lister, Result
from almajob.cli.options.value_types import calls_or_percent
from almajob.output.columns import Sentence, Time, Tone, Word, WordList

_TONES = {
    "enough": Tone.GOOD,
    "low": Tone.WARNING,
    "slowed": Tone.WARNING,
    "used up": Tone.BAD,
    "down": Tone.BAD,
}

_BRIEF: tuple[str, ...] = ("environments", "state", "calls_left", "as_of")
# Shown to people only where there is something to show.
_SHOWN_IF_KNOWN = ("percent_left", "next_call", "resets_at", "why")


class Quota(Lister):
    """Show the remaining API quota (makes no API call).

    Alma counts the calls of all programs of an institution, sandbox and production together: so many a
    second, and so many a day. What it said last is kept for all almajob processes of this user. All
    institutions of the configuration file are shown, unless --env names an environment.

    Exit code 0: shown. With --fail-below: 3: fewer calls are left. 5: it is not known how many are
    left, or of how many.

    Examples:
      almajob quota
      almajob --env production quota -f json
      almajob --env production quota --fail-below 5000 -q
      almajob --env production quota --fail-below 10%
    """

    environments = "each"
    columns = (
        *("environments", "state", "calls_left", "as_of", "next_call", "resets_at"),
        *("calls_per_second", "burst", "quota_floor", "why", "calls_a_day", "percent_left"),
    )
    brief = _BRIEF
    least_needed = ("next_call", "resets_at", "as_of", "why", "percent_left", "calls_left")

    @property
    def words_for_people(self) -> tuple[Sequence[str], str]:
        # Of several environments each has a row of its own.
        return [name for name in self.brief if name != "environments"], self.note_if_empty

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--fail-below",
            metavar="N|N%",
            type=calls_or_percent,
            help="end with exit code 3 where fewer calls are left for the day; a share such as 10%% needs a "
            "gateway that says how many a day has",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        from almajob.alma.rate_limit.quota import check_floor

        self.note_if_empty = "There is no quota to show: the demo has none."
        quotas = self.context.quotas()
        rows = [
            (
                *(WordList(quota.environments), Word(quota.state, _TONES), quota.calls_left),
                *(Time(quota.as_of), Time(quota.next_call), Time(quota.resets_at)),
                *(quota.calls_per_second, quota.burst, quota.quota_floor, Sentence(quota.reason)),
                *(quota.calls_a_day, quota.percent_left),
            )
            for quota in quotas
        ]
        known = {
            "percent_left": any(quota.percent_left is not None for quota in quotas),
            "next_call": any(quota.next_call for quota in quotas),
            "resets_at": any(quota.resets_at for quota in quotas),
            "why": any(quota.reason for quota in quotas),
        }
        self.brief = (*_BRIEF, *(name for name in _SHOWN_IF_KNOWN if known[name]))
        if parsed_args.fail_below is not None:
            self.verdict = check_floor(quotas, parsed_args.fail_below)
        return self.columns, rows
