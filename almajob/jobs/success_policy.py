"""What counts as a good end: Alma's status first, then what the user accepts, then the counters."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from almajob.alma import status_codes
from almajob.alma.job_instances import Instance
from almajob.alma.status_codes import STATUSES, Meaning
from almajob.errors import JobEndedBadly
from almajob.jobs.counter_conditions import CannotJudge, Condition

_REPORT = "Its report is in Alma, Admin > Monitor Jobs, History."


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a run that has ended is judged.

    Attributes:
        error: why it is not good enough; None where it is.
        remark: what a person should know although it is good enough; may be empty.
        is_certain: whether all that was asked about it could be answered.
    """

    error: JobEndedBadly | None = None
    remark: str = ""
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """What passes.

    Attributes:
        accept: statuses that pass besides those that always do.
        accept_of: the same for certain jobs, by id or exact name, instead of ``accept``.
        fail_if: conditions on counters, of which none may be true.
        is_of_ini: whether what it accepts is what the ini says, so that no option need repeat it.
    """

    accept: frozenset[str] = frozenset()
    accept_of: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fail_if: tuple[Condition, ...] = ()
    is_of_ini: bool = False

    def accepted_statuses(self, instance: Instance) -> frozenset[str]:
        """Return the statuses that pass besides, for the job of a run."""
        names = (instance.job.id, instance.job.name) if instance.job else ()
        return next((self.accept_of[name] for name in names if name in self.accept_of), self.accept)

    def judge(self, instance: Instance, description: str = "") -> Judgement:
        """Judge a run that has ended, never by its progress or end time; the description is its status's."""
        code = instance.status.value
        shown = f"{code or 'no status'}{f' ({description})' if description else ''}"
        is_good = status_codes.is_good(code)
        if not is_good and code not in self.accepted_statuses(instance):
            alerts = " ".join(alert.desc or alert.value for alert in instance.alerts)
            why = f"{alerts} {_unknown(self.accepted_statuses(instance))}".strip()
            return Judgement(
                JobEndedBadly(f"Run {instance.id} ended with {shown}.", reason=why, hint=_REPORT)
            )
        for condition in self.fail_if:
            found = _judge_condition(condition, instance, shown)
            if found is not None:
                return found
        if not is_good:
            return Judgement(remark=f"Run {instance.id} ended with {shown}, which is accepted here.")
        if status_codes.meaning(code) is Meaning.WARNING:
            return Judgement(remark=f"Run {instance.id} ended with warnings: see its report in Alma.")
        return Judgement()

    def words(self) -> str:
        """Return the options that say the same on a command line; what the ini says needs none."""
        words = [word for condition in self.fail_if for word in ("--fail-if", str(condition))]
        if self.accept and not self.is_of_ini:
            words += ["--accept", *sorted(self.accept)]
        return shlex.join(words)


def _unknown(accepted: frozenset[str]) -> str:
    """Name what is accepted and is no status that almajob knows: it may be a slip."""
    unknown = sorted(accepted - set(STATUSES))
    return f"Accepted, but no status that almajob knows: {', '.join(unknown)}." if unknown else ""


def _judge_condition(condition: Condition, instance: Instance, shown: str) -> Judgement | None:
    """Judge a good status by a condition; None where it has nothing against it."""
    ended = f"Run {instance.id} ended with {shown}, but"
    try:
        if not condition.holds(instance.counters):
            return None
    except CannotJudge as problem:
        error = JobEndedBadly(
            f"{ended} --fail-if '{condition}' cannot be judged.",
            reason=f"The condition does not fit: {problem}.",
            hint="Correct the condition; the job itself need not run again.",
        )
        return Judgement(error, is_certain=False)
    why = f"--fail-if '{condition}' says that this is no success."
    return Judgement(JobEndedBadly(f"{ended} {condition}.", reason=why, hint=_REPORT))
