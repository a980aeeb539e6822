"""One run of a job as Alma shows it, and how several of them are judged together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from almajob.alma.job_instances import Instance, label_run
from almajob.errors import AlmajobError, JobEndedBadly, StillRunning, rank
from almajob.jobs.bad_end import COUNTERS
from almajob.jobs.counters import Counters
from almajob.store.ledger.record import Record

_SHOWN = 10
_MOST_LINES = 4


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job, as Alma shows it.

    Attributes:
        instance: what Alma shows of it.
        description: of its status, from Alma's code table.
        environment: the name of the environment that it runs in.
        verdict: why it is not a good end: it ended badly, was still running, or could not be seen.
        remark: what a person should know of a good end; may be empty.
        record: what the ledger says of its start, where this invocation started it, or found it to be there.
        is_nothing: whether there was nothing to do; None where that was not asked, or is not known.
        is_earlier: whether that was there before, so that this invocation has started nothing.
    """

    instance: Instance
    description: str
    environment: str
    verdict: AlmajobError | None = None
    remark: str = ""
    record: Record | None = None
    is_earlier: bool = False
    is_nothing: bool | None = None

    @property
    def label(self) -> str:
        """What it is called in messages: its job, as far as it is known, and its Process ID."""
        name = self.instance.job.name if self.instance.job else ""
        return label_run(self.instance.id, name or (self.record.job_name if self.record else ""))

    @property
    def counters(self) -> Mapping[str, int | float | str]:
        """The counters of its report, found by name as ``--fail-if`` does; empty until it has one."""
        return Counters(self.instance)

    @property
    def passed(self) -> bool | None:
        """Whether it ended well; None as long as it has not ended."""
        return not isinstance(self.verdict, JobEndedBadly) if self.instance.has_ended else None


class End(NamedTuple):
    """The end of a run as it was seen.

    Attributes:
        run: with its verdict.
        usual: how long runs of its job take, in seconds; None where nobody knows.
    """

    run: Run
    usual: float | None = None


def combine_errors(runs: Sequence[Run], errors: Mapping[str, AlmajobError], resume: str) -> AlmajobError:
    """Make one error of those of several runs: of the worst kind, with what is known of all.

    Args:
        runs: all of them.
        errors: the verdicts that count, by the labels of their runs.
        resume: how to go on waiting for those that go on; empty where none does.
    """
    worst = min(errors.values(), key=rank)
    told = _group(errors)
    if len(told) == 1 and len(errors) > 1:
        of_all = "" if len(errors) == len(runs) else f"Of {len(runs)} runs, "
        message, reasons = f"{of_all}{told[0]}", [error.reason for error in errors.values()]
    else:
        more = len(told) - _MOST_LINES
        shown = [*told[:_MOST_LINES], f"and {more} more"] if more > 0 else told
        message, reasons = f"Of {len(runs)} runs: {_count(errors.values())}.", shown
    # Why one ended badly belongs into its own line; what to type is worth showing for the worst one only.
    hints = worst.hint.splitlines()[:1] if isinstance(worst, JobEndedBadly) else worst.hint.splitlines()
    return worst.replace(
        message=message,
        reason=("\n" if isinstance(worst, JobEndedBadly) else " ").join(dict.fromkeys(filter(None, reasons))),
        hint="\n".join([*([] if isinstance(worst, StillRunning) else hints), *filter(None, [resume])]),
        alma=" | ".join(error.alma for error in list(errors.values())[:_SHOWN] if error.alma),
    )


def _count(errors: Collection[AlmajobError]) -> str:
    """Count the kinds of verdicts."""
    bad = sum(isinstance(error, JobEndedBadly) for error in errors)
    running = sum(isinstance(error, StillRunning) for error in errors)
    counted = {"ended badly": bad, f"ha{'s' if running == 1 else 've'} not ended": running}
    counted["could not be seen"] = len(errors) - bad - running
    return ", ".join(f"{count} {what}" for what, count in counted.items() if count)


def _group(errors: Mapping[str, AlmajobError]) -> list[str]:
    """Write a sentence for each run that ended badly, then one for all others of which the same is true."""
    found: dict[str, list[str]] = {}
    bad = []
    for label, error in errors.items():
        if isinstance(error, JobEndedBadly):
            why = error.reason.splitlines() or [""]
            # Alerts are much the same of each run; the counters tell more.
            best = next((line for line in why if line.startswith(COUNTERS)), why[0])
            bad.append(f"{error.message} {best}".strip())
        elif error.message.startswith(label):
            found.setdefault(error.message.removeprefix(label).strip(), []).append(label)
        else:
            found.setdefault(error.message, [])
    others = [_tell_of(labels, predicate) for predicate, labels in found.items()]
    return [*bad, *others]


def _tell_of(labels: Sequence[str], predicate: str) -> str:
    if not labels:
        return predicate
    if len(labels) == 1:
        return f"{labels[0]} {predicate}"
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    return f"{len(labels)} runs {predicate.removesuffix('.')}: {', '.join(labels[:_SHOWN])}{more}."
