"""How the runs of a report ended, and which of them took longer than usual."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from almajob.alma.job_instances import Instance
from almajob.alma.models import Job
from almajob.alma.status_codes import Meaning, meaning
from almajob.runs.run import Run


class Outcome(enum.StrEnum):
    """How a run ended, for a colour and a shape."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    RUNNING = "running"


OUTCOMES = tuple(Outcome)
_GOOD = frozenset({Meaning.SUCCESS, Meaning.NOTHING_TO_DO})


@dataclass(frozen=True, slots=True)
class Listed:
    """A run of a report.

    Attributes:
        seconds: how long it ran; None where that is not known, or not yet.
        usual: how long runs of its job took before, in seconds, where it takes or took much longer.
    """

    run: Run
    outcome: Outcome
    seconds: float | None = None
    usual: float | None = None

    @property
    def instance(self) -> Instance:
        """What Alma shows of it."""
        return self.run.instance

    @property
    def job(self) -> Job:
        """Its job; one without a name or an id where Alma says too little."""
        return self.instance.job or Job("", self.instance.name)

    @property
    def submitted(self) -> datetime | None:
        """When it was submitted; None where Alma sent no readable time."""
        when = self.instance.submit_time
        return when if isinstance(when, datetime) else None

    def measure_age(self, now: datetime) -> float | None:
        """Return for how many seconds it has run or ran; None where that is not known."""
        if self.outcome is not Outcome.RUNNING:
            return self.seconds
        began = self.instance.start_time
        began = began if isinstance(began, datetime) else self.submitted
        return None if began is None else max((now - began).total_seconds(), 0.0)


def classify(run: Run) -> Outcome:
    """Return how a run ended, as it is judged in its environment."""
    if run.passed is None:
        return Outcome.RUNNING
    if not run.passed:
        return Outcome.BAD
    return Outcome.GOOD if meaning(run.instance.status.value) in _GOOD else Outcome.WARNING


def count_outcomes(runs: Iterable[Listed]) -> Mapping[Outcome, int]:
    """Count runs by outcome; each outcome is there."""
    found = Counter(each.outcome for each in runs)
    return {outcome: found[outcome] for outcome in OUTCOMES}


def get_submit_time(run: Run) -> float:
    """Return when a run was submitted, in seconds since the epoch; 0 where nobody knows."""
    when = run.instance.submit_time
    return when.timestamp() if isinstance(when, datetime) else 0.0
