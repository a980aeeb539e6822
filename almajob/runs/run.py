"""One run of a job as Alma shows it, and how several of them are judged together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from almajob.alma.job_instances import Instance
from almajob.errors import AlmajobError, JobEndedBadly, StillRunning
from almajob.store.ledger_record import Record

# What became of some runs matters more than that others go on: the whole has the first of these codes.
_RANKS = {code: rank for rank, code in enumerate((3, 7, 10, 4, 5, 6, 9, 8))}
_SHOWN = 10


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


def combine_errors(runs: Sequence[Run], errors: Sequence[AlmajobError], resume: str) -> AlmajobError:
    """Make one error of those of several runs: of the worst kind, with what is known of all.

    Args:
        errors: the verdicts that count.
        resume: how to go on waiting for those that go on; empty where none does.
    """
    worst = min(errors, key=lambda error: _RANKS.get(error.exit_code, len(_RANKS)))
    counted = {
        "ended badly": sum(isinstance(error, JobEndedBadly) for error in errors),
        "not ended": sum(isinstance(error, StillRunning) for error in errors),
    }
    counted["could not be seen"] = len(errors) - sum(counted.values())
    counts = ", ".join(f"{count} {what}" for what, count in counted.items() if count)
    return worst.replace(
        message=f"Of {len(runs)} runs: {counts.replace('1 not ended', '1 has not ended')}.",
        reason=" ".join(error.message for error in errors[:_SHOWN]),
        hint="\n".join(filter(None, ("" if isinstance(worst, StillRunning) else worst.hint, resume))),
        alma=" | ".join(error.alma for error in errors[:_SHOWN] if error.alma),
    )
