"""The report in a few lines of plain text: its headline, and what a mail has besides the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from almajob.errors import one_line
from almajob.report.facts import EnvironmentFacts
from almajob.report.outcomes import Outcome, count_outcomes
from almajob.report.timeline import show_moment
from almajob.text.redaction import redact

WORDS = {
    Outcome.GOOD: "ended well",
    Outcome.WARNING: "with warnings",
    Outcome.BAD: "did not end well",
    Outcome.RUNNING: "going on",
}
"""What is said of a number of runs."""
_MOST_LINES = 10


def word_headline(environments: Sequence[EnvironmentFacts]) -> str:
    """Return the sentence that a director reads first."""
    return _word_runs(count_outcomes(run for facts in environments for run in facts.runs))


def word_concerns(environments: Sequence[EnvironmentFacts]) -> str:
    """Return what else needs a look, in a sentence; empty where nothing does."""
    unknown = sum(len(facts.open_starts) for facts in environments)
    missing = sum(len(facts.missing) for facts in environments)
    unread_jobs = sum(len(facts.unread) for facts in environments)
    unread = sum(facts.error is not None for facts in environments)
    found = []
    if missing:
        found.append(f"{count_things(missing, 'job')} did not run as usual")
    if unknown:
        found.append(f"{count_things(unknown, 'start')} without a known outcome")
    if unread_jobs:
        found.append(f"the runs of {count_things(unread_jobs, 'job')} could not be read")
    if unread:
        found.append(f"{count_things(unread, 'environment')} could not be read")
    return f"{', '.join(found)}.".removeprefix(".")


def _word_runs(counts: Mapping[Outcome, int]) -> str:
    total, bad = sum(counts.values()), counts[Outcome.BAD]
    ended = total - counts[Outcome.RUNNING]
    if not total:
        return "Nothing ran."
    if bad:
        return f"{bad:,} of {count_things(total, 'run')} did not end well."
    if not ended:
        return f"{count_things(total, 'run')} going on."
    return f"All {count_things(ended, 'run')} ended well." if ended > 1 else "The one run ended well."


def count_things(number: int, what: str) -> str:
    """Write a number of things: ``1 run``, ``2 runs``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def format_share(share: float) -> str:
    """Write a share in per cent; only all is 100 %."""
    return "100 %" if share == 1 else f"{min(share * 100, 99.9):.1f} %"


def write_summary(environments: Sequence[EnvironmentFacts]) -> str:
    """Return what matters most, for somebody who does not open the page; secrets are blanked out."""
    lines = [f"{word_headline(environments)} {word_concerns(environments)}".rstrip()]
    for facts in environments:
        lines += ["", *_list_lines(facts)]
    return redact("\n".join(lines))


def _list_lines(facts: EnvironmentFacts) -> Iterator[str]:
    if facts.error is not None:
        yield f"{one_line(facts.name)}: could not be read. {one_line(facts.error.message)}"
        return
    counts = ", ".join(f"{count:,} {WORDS[outcome]}" for outcome, count in facts.counts.items() if count)
    yield f"{one_line(facts.name)}: {counts or 'no run'}"
    failed = [
        f"  {_show_time(facts, failure.listed.submitted)}  {one_line(failure.listed.job.name)} "
        f"({failure.listed.instance.status.value}, {failure.listed.instance.id})"
        for failure in facts.failures
    ]
    missed = [
        f"  {_show_time(facts, each.expected[-1])}  {one_line(each.job.name or each.job.id)} did not run"
        for each in facts.missing
    ]
    unread = [f"  {one_line(job.name or job.id)} could not be read" for job in facts.unread]
    for lines in (failed, missed, unread):
        yield from lines[:_MOST_LINES]
        if len(lines) > _MOST_LINES:
            yield f"  and {len(lines) - _MOST_LINES:,} more"


def _show_time(facts: EnvironmentFacts, moment: datetime | None) -> str:
    return show_moment(moment, facts.zone, facts.now) if moment else ""
