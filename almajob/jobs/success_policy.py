"""What counts as a good end: Alma's status first, then what the user accepts, then the counters."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from almajob.alma import status_codes
from almajob.alma.job_instances import Instance, label_run
from almajob.alma.status_codes import Meaning
from almajob.errors import JobEndedBadly
from almajob.jobs.bad_end import REPORT, list_reasons
from almajob.jobs.counter_conditions import CannotJudge, Condition

_Found = tuple[Condition, CannotJudge | None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a run that has ended is judged.

    Attributes:
        error: why it is not good enough; None where it is.
        remark: what a person should know although it is good enough; may be empty.
        is_nothing: whether there was nothing to do; None where nobody asked, and Alma does not say so.
        note: the sentence that says so to whoever asked; may be empty.
        is_certain: whether all that was asked about it could be answered.
    """

    error: JobEndedBadly | None = None
    remark: str = ""
    is_nothing: bool | None = None
    note: str = ""
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """What passes.

    Attributes:
        accept: statuses that pass besides those that always do.
        accept_of: the same for certain jobs, by id or exact name, instead of ``accept``.
        fail_if: conditions on counters, of which none may be true.
        is_of_ini: whether what it accepts is what the ini says, so that no option need repeat it.
        nothing_if: conditions of which one means that there was nothing to do: that passes, whatever
            ``fail_if`` says.
    """

    accept: frozenset[str] = frozenset()
    accept_of: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fail_if: tuple[Condition, ...] = ()
    is_of_ini: bool = False
    nothing_if: tuple[Condition, ...] = ()

    def accepted_statuses(self, instance: Instance) -> frozenset[str]:
        """Return the statuses that pass besides, for the job of a run."""
        names = (instance.job.id, instance.job.name) if instance.job else ()
        return next((self.accept_of[name] for name in names if name in self.accept_of), self.accept)

    def judge(self, instance: Instance, description: str = "", *, environment: str = "") -> Judgement:
        """Judge a run that has ended, never by its progress or end time.

        Args:
            description: of its status.
            environment: in which it ran, for the message.
        """
        code = instance.status.value
        shown = f"{code or 'no status'}{f' ({description})' if description else ''}"
        ended = f"{label_run(instance.id, instance.job.name if instance.job else '', environment)} ended with"
        is_good = status_codes.is_good(code)
        if not is_good and code not in self.accepted_statuses(instance):
            reason = "\n".join(list_reasons(instance))
            return Judgement(JobEndedBadly(f"{ended} {shown}.", reason=reason, hint=REPORT))
        meaning, note = status_codes.meaning(code), ""
        is_nothing = True if meaning is Meaning.NOTHING_TO_DO else None
        if self.nothing_if:
            found = _find_true(self.nothing_if, instance, of_all=True)
            cause = ""
            if found is not None and found[1] is None:
                cause = f", and {found[0]}"
            # Where Alma itself says that there was nothing to do, it may send no counters to judge by.
            elif found is not None and not is_nothing:
                return _word_failure("--nothing-if", found, f"{ended} {shown}, but")
            is_nothing = bool(is_nothing or found)
            note = f"Nothing to do: {ended} {shown}{cause}." if found else ""
        found = None if note else _find_true(self.fail_if, instance)
        if found is not None:
            failure = _word_failure("--fail-if", found, f"{ended} {shown}, but")
            return replace(failure, is_nothing=is_nothing)
        remark = "" if is_good else f"{ended} {shown}, which is accepted here."
        if meaning is Meaning.WARNING:
            remark = f"{ended} warnings: see its report in Alma."
        return Judgement(remark=remark, is_nothing=is_nothing, note=note)

    def words(self) -> str:
        """Return the options that say the same on a command line; what the ini says needs none."""
        words = [word for condition in self.fail_if for word in ("--fail-if", str(condition))]
        words += [word for condition in self.nothing_if for word in ("--nothing-if", str(condition))]
        if self.accept and not self.is_of_ini:
            words += ["--accept", ",".join(sorted(self.accept))]
        return shlex.join(words)


def _find_true(conditions: Sequence[Condition], report: Instance, *, of_all: bool = False) -> _Found | None:
    """Find a condition that is true of a report; else the first that cannot be judged, and why not.

    Args:
        of_all: of several lines of one counter, whether it must be true for all. What excuses a run must,
            as one line without records says nothing of the others.
    """
    unjudged: _Found | None = None
    for condition in chain.from_iterable(each.alternatives for each in conditions):
        try:
            if condition.holds(report, of_all=of_all):
                return condition, None
        except CannotJudge as problem:
            unjudged = unjudged or (condition, problem)
    return unjudged


def _word_failure(option: str, found: _Found, ended: str) -> Judgement:
    """Word what a condition has against a good status."""
    condition, problem = found
    if problem is None:
        why = f"{option} '{condition}' says that this is not a success."
        return Judgement(JobEndedBadly(f"{ended} {condition}.", reason=why, hint=REPORT))
    error = JobEndedBadly(
        f"{ended} {option} '{condition}' cannot be judged.",
        reason=f"The condition does not fit: {problem}.",
        hint="Correct the condition; the job itself need not run again.",
    )
    return Judgement(error, is_certain=False)
