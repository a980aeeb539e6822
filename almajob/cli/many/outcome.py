"""What came of the same work in several environments: a result or an error each, one exit code for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from almajob.cli.context import Context
from almajob.errors import AlmajobError, LeftOut, StillRunning, one_line, rank

_MOST_NAMED = 12

_T = TypeVar("_T")


class Part(NamedTuple):
    """The result of a command in one environment.

    Attributes:
        columns: their names.
        rows: their values.
        brief: the columns that a table shows; empty for all.
        note_if_empty: what a person reads where there are no rows anywhere.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    brief: Sequence[str] = ()
    note_if_empty: str = ""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_T]):
    """What came of the work in one environment.

    Attributes:
        context: that of the environment.
        value: the result; None where there is none.
        error: why there is none, or what is wrong all the same.
    """

    context: Context
    value: _T | None = None
    error: AlmajobError | None = None

    @property
    def environment(self) -> str:
        """The environment's name."""
        return self.context.environment_name


def word_briefly(error: AlmajobError) -> str:
    """Return an error in one line: what happened, and the first of its reasons."""
    return " ".join(filter(None, (one_line(error.message), one_line(error.reason.partition("\n")[0]))))


def combine_outcomes(outcomes: Sequence[Outcome[_T]]) -> AlmajobError | None:
    """Make one error of those of several environments, of the worst kind; None where there is none."""
    failed = [each for each in outcomes if each.error is not None and not isinstance(each.error, LeftOut)]
    errors = [each.error for each in failed if each.error is not None]
    if not errors:
        return None
    worst = min(errors, key=rank)
    if len(outcomes) == 1:
        return worst
    where = next(each.environment for each in failed if each.error is worst)
    if len(errors) > 1 and all(error is worst for error in errors):
        # It was said of all of them together.
        return worst
    left_out = [each for each in outcomes if isinstance(each.error, LeftOut)]
    reasons = [f"{where}: {word_briefly(worst)}"]
    if left_out:
        names = name_some([each.environment for each in left_out])
        why = left_out[0].error.reason if left_out[0].error else ""
        reasons.append(f"Nothing was done in {names}. {why}")
    is_all_unended = all(isinstance(error, StillRunning) for error in errors)
    return worst.replace(
        message=f"{len(errors)} of {len(outcomes)} environments "
        f"{'have runs that have not ended' if is_all_unended else 'failed'}: "
        f"{name_some([each.environment for each in failed])}.",
        reason=" ".join(reasons),
        alma=worst.alma if len(errors) == 1 else "",
    )


def name_some(names: Sequence[str]) -> str:
    """List names; of many the first ones, and how many there are."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_MOST_NAMED])} and {more} more"
