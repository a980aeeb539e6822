"""Why a run ended badly, by its report, and what to type next: for somebody who has nothing but this text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from almajob.alma.job_instances import Counter, Instance
from almajob.alma.status_codes import Meaning, meaning
from almajob.errors import one_line

REPORT = "Its report is in Alma, Admin > Monitor Jobs, History."
COUNTERS = "Counters: "
"""How the line begins that has the counters in it."""
_MOST_COUNTERS = 3
# In codes words are joined by full stops, underscores or capitals; "notified" is not "not".
_TROUBLE = re.compile(
    r"(?<![a-z])(?:fail|err(?:or)?s?(?![a-z])|reject|refus|invalid|unpublish|unable|unsuccess|skip|miss(?:ed|ing)|"
    r"problem|exception|abort|discard|den(?:y|ied)|not(?![a-z])|cannot|could.?n.t)",
    re.IGNORECASE,
)
_NO_TROUBLE = re.compile(r"(?<![a-z])(?:no|without)[\W_]+(?:any[\W_]+)?(?:error|fail|problem)", re.IGNORECASE)


def list_reasons(instance: Instance) -> list[str]:
    """List what a report gives as reasons: its alerts in one line, in another the counters of what failed."""
    alerts = " ".join(alert.desc or alert.value for alert in instance.alerts)
    counters = "; ".join(map(_show_counter, find_failures((*instance.counters, *instance.populations))))
    lines = (f"Alerts: {alerts}" if alerts.strip() else "", f"{COUNTERS}{counters}" if counters else "")
    return [one_line(line) for line in lines if line]


def find_failures(counters: Sequence[Counter]) -> list[Counter]:
    """Find up to three counters that speak of what failed: messages first, then the largest numbers."""
    found = [counter for counter in counters if _counts_trouble(counter)]
    return sorted(found, key=lambda counter: -_amount(counter.value))[:_MOST_COUNTERS]


def list_next_steps(
    instance: Instance, *, program: str, has_key: bool, is_rejected: bool = True
) -> list[str]:
    """List what helps after a bad end, the most telling first.

    Args:
        program: how almajob is called for the run's environment.
        has_key: whether it was started from here under a run key, and only ``--rerun-failed`` does so anew.
    """
    # Hardly a run needs it, and what reads reports takes a while to import.
    from almajob.jobs.run_reports import has_events, has_matches

    code, job = instance.status.value, instance.job
    steps = []
    if job is not None and has_events(job):
        steps.append(f"What it rejected: {program} events {instance.id}")
    elif job is not None and has_matches(job):
        steps.append(f"What it matched: {program} matches {instance.id} --population single (or multi)")
    steps.append(f"Its report: {program} status {instance.id}, or Alma, Admin > Monitor Jobs, History")
    if has_key:
        steps.append("To start it again, repeat its run command with --rerun-failed.")
    if meaning(code) is Meaning.ERRORS or code == "SKIPPED":
        steps.append(f"If that end is good enough for you, add --accept {code}.")
    return steps


def _counts_trouble(counter: Counter) -> bool:
    """Whether a counter speaks of a failure, by its words or its code, and is not zero."""
    named = (counter.type.desc, counter.type.value)
    is_told = any(_TROUBLE.search(_split(name)) and not _NO_TROUBLE.search(_split(name)) for name in named)
    return is_told and _amount(counter.value) != 0


def _split(name: str) -> str:
    """Part the words of a code that only capitals part."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)


def _amount(value: str) -> float:
    """Return a counter's number; more than any where it is words."""
    try:
        return float(value.replace(",", ""))
    except ValueError:
        return float("inf")


def _show_counter(counter: Counter) -> str:
    """Write a counter; a message that stands in its name needs no colon behind its full stop."""
    name = (counter.type.desc or counter.type.value).strip()
    if not counter.value.strip():
        return name
    return f"{name.rstrip('.')}: {counter.value.strip()}"
