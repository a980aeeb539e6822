"""One command in several environments: one result with the column ``environment``, and one exit code."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from typing import Any

from almajob.cli.command import Lister, Result, ShowOne
from almajob.cli.many.outcome import Outcome, Part, combine_outcomes
from almajob.cli.many.run_ids import find_last_runs
from almajob.errors import AlmajobError, StillRunning, UsageError
from almajob.output.columns import ErrorFields, Identifier
from almajob.output.formats import ARRAY_FORMATS
from almajob.system.signals import defer_signals

LOG = logging.getLogger(__name__)

_ENVIRONMENT, _ERROR = "environment", "error"


class InEach(Lister):
    """A command whose results in several environments are printed as one.

    Args:
        command: that is done in each of them.
        again: returns the command line that is typed again to go on with it; takes the Process IDs of the
            runs that ``@last`` stands for.
    """

    _last: Sequence[str] = ()

    def __init__(self, command: Lister | ShowOne, again: Callable[[Sequence[str]], str]) -> None:
        super().__init__(command.app, None, command.cmd_name)  # type: ignore[arg-type]  # cliff's App
        self._command = command
        self._again = again
        self._formatter_plugins = command._formatter_plugins
        self.context = command.context
        if isinstance(command, Lister):
            self.least_needed = command.least_needed

    def take_action(self, parsed_args: argparse.Namespace) -> Result:
        if self._command.can_resume:
            self._last = find_last_runs(parsed_args, self.contexts)
        try:
            outcomes = self._command.take_in_each(parsed_args, self.contexts)
        except AlmajobError:
            # What is wrong with the words; nothing was done.
            raise
        except BaseException:
            with defer_signals():
                self._name_unended()
            raise
        self.verdict = self._advise_on(outcomes, combine_outcomes(outcomes))
        parts = [each.value for each in outcomes if each.value is not None]
        found = [part.columns for part in parts] or [self._command.columns_of(parsed_args)]
        columns = self._add_own(_merge(found), parsed_args)
        brief = [name for name in _merge([part.brief for part in parts]) if name in columns]
        self.brief = _with_environment(brief) if brief else ()
        self.note_if_empty = next((part.note_if_empty for part in parts), self.note_if_empty)
        is_for_programs = parsed_args.formatter in ARRAY_FORMATS
        return columns, [row for each in outcomes for row in _list_rows(each, columns, is_for_programs)]

    def _advise_on(
        self, outcomes: Sequence[Outcome[Part]], verdict: AlmajobError | None
    ) -> AlmajobError | None:
        """Return the verdict with the one command that goes on with all that had not ended in time."""
        going_on = [each.context for each in outcomes if isinstance(each.error, StillRunning)]
        if verdict is None or len(going_on) < 2:
            return verdict
        resume = self._again(self._last) if self._command.can_resume else self.context.word_resume(going_on)
        return verdict.replace(hint=f"Resume: {resume}") if resume else verdict

    def _name_unended(self) -> None:
        """Name what goes on, whatever ends the work on it: all of it at once."""
        if not self.context.name_starts() and self._command.can_resume:
            LOG.warning("The runs go on. Resume: %s", self._again(self._last))

    def columns_of(self, parsed_args: argparse.Namespace) -> Sequence[str]:
        found = self._command.columns_of(parsed_args)
        return self._add_own(found, parsed_args) if found else ()

    def _add_own(self, columns: Sequence[str], parsed_args: argparse.Namespace) -> Sequence[str]:
        is_short = parsed_args.formatter not in ARRAY_FORMATS or _ERROR in columns
        return [*_with_environment(columns), *([] if is_short else [_ERROR])]

    def refuse(self, parsed_args: argparse.Namespace) -> None:
        if self.context.settings.ignores_quota:
            raise UsageError("--ignore-quota makes one call in one environment.", hint="Name one.")
        # What shows one thing has neither.
        for name in ("sort_columns", "sort_direction"):
            if not hasattr(parsed_args, name):
                setattr(parsed_args, name, [] if name == "sort_columns" else None)
        self._command.refuse(parsed_args)

    def _check_format(self, parsed_args: argparse.Namespace) -> None:
        if not hasattr(self._formatter_plugins[parsed_args.formatter].obj, "emit_list"):
            raise UsageError(
                f"-f {parsed_args.formatter} has a form for one environment only.",
                hint="Use -f json, or name one environment.",
            )


def _with_environment(columns: Sequence[str]) -> list[str]:
    """Put the environment first; where it has its place already, programs find it there."""
    return [*([] if _ENVIRONMENT in columns else [_ENVIRONMENT]), *columns]


def _merge(found: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for columns in found for name in columns))


def _list_rows(outcome: Outcome[Part], columns: Sequence[str], is_for_programs: bool) -> list[Sequence[Any]]:
    """Return the rows of an environment; for programs there is one where all there is is an error."""
    part = outcome.value
    own: dict[str, Any] = {_ENVIRONMENT: Identifier(outcome.environment)}
    if _ERROR in columns:
        own[_ERROR] = ErrorFields(outcome.error)
    rows = [dict(zip(part.columns, row, strict=True)) for row in part.rows] if part else []
    if not rows and outcome.error is not None and is_for_programs:
        rows = [{}]
    return [[{**own, **row}.get(name) for name in columns] for row in rows]
