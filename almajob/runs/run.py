"""One run of a job as Alma shows it, and how several of them are judged together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from almajob.alma.models import Instance
from almajob.errors import AlmajobError, JobEndedBadly, StillRunning
from almajob.store.record import Record

# What became of some runs matters more than that others go on: the whole has the first of these codes.
_WORST_FIRST = (3, 7, 10, 4, 5, 6, 9, 8)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job, as Alma shows it.

    Attributes:
        description: of its status, from Alma's code table.
        environment: the name of the environment that it runs in.
        verdict: why it is no good end: it ended badly, was still running, or could not be seen.
        remark: what a person should know of a good end; may be empty.
        record: what the ledger says of its start, where this invocation started it.
    """

    instance: Instance
    description: str
    environment: str
    verdict: AlmajobError | None = None
    remark: str = ""
    record: Record | None = None

    @property
    def passed(self) -> bool | None:
        """Whether it ended well; None as long as it has not ended."""
        return not isinstance(self.verdict, JobEndedBadly) if self.instance.has_ended else None


class _Several(AlmajobError):
    """Several runs that did not end well; each was told by itself."""

    def __init__(self, errors: Sequence[AlmajobError], count: int) -> None:
        self.exit_code = errors[0].exit_code  # type: ignore[misc]
        super().__init__(
            f"{len(errors)} of {count} runs have not ended well.",
            why=" ".join(error.what for error in errors[:10]),
            cure=errors[0].cure,
        )


def overall(runs: Sequence[Run], *, only_unseen: bool = False) -> AlmajobError | None:
    """Judge several runs together; None where all ended well.

    Args:
        runs: with their verdicts.
        only_unseen: pass over how they stand, and tell only those that could not be seen.
    """
    passed_over = (JobEndedBadly, StillRunning) if only_unseen else ()
    errors = [run.verdict for run in runs if run.verdict and not isinstance(run.verdict, passed_over)]
    errors.sort(key=lambda error: _WORST_FIRST.index(error.exit_code))
    if len(runs) == 1 or not errors:
        return errors[0] if errors else None
    return _Several(errors, len(runs))
