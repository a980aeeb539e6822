"""The report as a page: one HTML file that needs nothing else, made with Jinja2."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import groupby
from statistics import median
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from almajob import __version__
from almajob.alma.models import Job
from almajob.output.columns import StartState
from almajob.report import timeline
from almajob.report.facts import EnvironmentFacts, Failure, JobFacts
from almajob.report.outcomes import OUTCOMES, Listed, Outcome, count_outcomes
from almajob.report.summary import WORDS, count_things, format_share, word_concerns, word_headline
from almajob.report.timeline import show_moment
from almajob.report.zones import name_zone
from almajob.text.redaction import redact_lines
from almajob.text.sanitize import is_simple, sanitize
from almajob.text.time_format import format_duration

MOST_RUNS = 10_000
"""With more runs than these, a page has a row for all runs of a job in a day, a week or a month."""
_MOST_FAILED_JOBS = 100
_MOST_OF_A_JOB = 5
_MOST_OPEN = 12
_MOST_ROWS = 12_000
_MOST_COUNTERS = 8
_MOST_TIMES = 5
_BARS = 24
_LONGEST_NAME = 300
_NONE = "\N{EN DASH}"
_TITLES = {
    Outcome.GOOD: "Ended well",
    Outcome.WARNING: "With warnings",
    Outcome.BAD: "Did not end well",
    Outcome.RUNNING: "Going on",
}


class Lane(NamedTuple):
    """A job in the timeline.

    Attributes:
        bars: by outcome.
        marks: of runs that did not simply end well: outcome, place and what they are.
    """

    name: str
    summary: str
    bars: Mapping[Outcome, Sequence[timeline.Bar]]
    marks: Sequence[tuple[Outcome, float, str]]


class Group(NamedTuple):
    """The runs of a job within a day, a week or a month, where there are too many for a row each."""

    label: str
    counts: Mapping[Outcome, int]
    median: str


def render(environments: Sequence[EnvironmentFacts]) -> str:
    """Return the page of a report; a secret that this process knows is blanked out of it."""
    is_grouped = sum(len(facts.runs) for facts in environments) > MOST_RUNS
    names = ", ".join(_clean(facts.name) for facts in environments)
    headline = word_headline(environments)
    views = [_view(number, facts, is_grouped=is_grouped) for number, facts in enumerate(environments)]
    style = _read_style()
    page = (
        _templates()
        .get_template("page.html")
        .render(
            title=f"Alma jobs in {names}: {headline.rstrip('.')}",
            headline=headline,
            concerns=word_concerns(environments),
            environments=views,
            is_grouped=is_grouped,
            style=style,
            policy=_make_policy(style),
            version=__version__,
        )
    )
    return redact_lines(page)


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("almajob.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        clean=_clean, percent=_show_percent, share=_show_share, lasted=_show_length, moment=_to_moment
    )
    made.globals.update(OUTCOMES=OUTCOMES, WORDS=WORDS, TITLES=_TITLES)
    return made


def _read_style() -> str:
    templates = _templates()
    assert templates.loader is not None
    return templates.loader.get_source(templates, "style.css")[0]


def _make_policy(style: str) -> str:
    """Return the policy that lets a browser do nothing with the page but show it."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _view(number: int, facts: EnvironmentFacts, *, is_grouped: bool) -> dict[str, Any]:
    def show(moment: datetime | str | None) -> str:
        if isinstance(moment, datetime):
            return show_moment(moment, facts.zone, facts.now)
        return _clean(moment or "")

    scale = timeline.make_scale(facts.period, facts.runs, facts.now)
    step = _choose_step(facts, scale) if is_grouped else 0
    failed = _group_failures(facts)
    return {
        "id": f"e{number}",
        "facts": facts,
        "show": show,
        "zone": name_zone(facts.zone, facts.now),
        "period": _word_period(facts, show),
        "failed_jobs": failed[:_MOST_FAILED_JOBS],
        "more_failed_jobs": max(len(failed) - _MOST_FAILED_JOBS, 0),
        "describe_counters": _list_counters,
        "missing": [(each, _list_times(each.expected, show)) for each in facts.missing],
        "start_words": StartState.WORDS,
        "lanes": [_make_lane(job, scale, facts, show, is_grouped=is_grouped) for job in facts.jobs],
        "ticks": timeline.list_ticks(scale, facts.zone),
        "trend_bars": _list_trend_bars,
        "describe_trend": _word_trend,
        "groups": lambda job: _group_runs(job, facts, step),
    }


def _word_period(facts: EnvironmentFacts, show: Callable[[datetime | str | None], str]) -> str:
    since, until = facts.period.since, facts.period.until or facts.now
    return f"{show(since)} to {show(until)}" if since else f"until {show(until)}"


class FailedJob(NamedTuple):
    """A job with runs that did not end well.

    Attributes:
        failures: the newest ones, the last first.
        total: how many failures it has.
        has_recovered: whether its last run ended well.
        is_open: whether its newest failure is shown at once.
    """

    job: Job
    failures: Sequence[Failure]
    total: int
    has_recovered: bool
    is_open: bool


def _group_failures(facts: EnvironmentFacts) -> list[FailedJob]:
    """Put the failures of a job together: first the jobs whose last run is one, then those that recovered."""
    found: dict[tuple[str, str], list[Failure]] = {}
    for failure in facts.failures:
        found.setdefault((failure.listed.job.id, failure.listed.job.name), []).append(failure)
    recovered = {
        (each.job.id, each.job.name): each.last is not None and each.last.outcome is not Outcome.BAD
        for each in facts.jobs
    }
    groups = sorted(found, key=lambda key: recovered[key])
    return [
        FailedJob(
            found[key][0].listed.job,
            found[key][:_MOST_OF_A_JOB],
            len(found[key]),
            recovered[key],
            is_open=place < _MOST_OPEN and not recovered[key],
        )
        for place, key in enumerate(groups)
    ]


def _list_counters(listed: Listed) -> list[tuple[str, str]]:
    """Return the lines of a run's report, without more than a reader takes in."""
    found = [
        (_clean(counter.text or counter.code), _clean(counter.value)) for counter in listed.instance.counters
    ]
    more = len(found) - _MOST_COUNTERS
    return [*found[:_MOST_COUNTERS], (f"and {more} more", "")] if more > 0 else found


def _list_times(times: Sequence[datetime], show: Callable[[datetime | str | None], str]) -> str:
    more = len(times) - _MOST_TIMES
    shown = [show(each) for each in reversed(times[-_MOST_TIMES:])]
    return ", ".join([*shown, *([f"and {more:,} more"] if more > 0 else [])])


def _make_lane(
    job: JobFacts,
    scale: timeline.Scale,
    facts: EnvironmentFacts,
    show: Callable[[datetime | str | None], str],
    *,
    is_grouped: bool,
) -> Lane:
    name = job.job.name or job.job.id
    words = [f"{count:,} {WORDS[outcome]}" for outcome, count in job.counts.items() if count]
    summary = f"{count_things(len(job.runs), 'run')}: {', '.join(words)}"
    if is_grouped:
        return Lane(name, summary, timeline.merge_bars(job.runs, scale), ())
    bars: dict[Outcome, list[timeline.Bar]] = {}
    marks = []
    for listed, bar in timeline.list_bars(job.runs, scale, facts.now):
        bars.setdefault(listed.outcome, []).append(bar)
        if listed.outcome is not Outcome.GOOD:
            what = f"{show(listed.submitted)}, {listed.instance.status.value}"
            marks.append((listed.outcome, bar.start + bar.width / 2, what))
    return Lane(name, summary, bars, marks)


def _list_trend_bars(job: JobFacts) -> tuple[dict[Outcome, str], int]:
    """Return, by outcome, the path of bars as high as a job's last runs took long; and the width of all."""
    ended = [each for each in job.runs if each.seconds is not None][:_BARS][::-1]
    seconds = [each.seconds or 0.0 for each in ended]
    longest = max(seconds, default=0.0) or 1.0
    paths: dict[Outcome, str] = {}
    for number, (each, length) in enumerate(zip(ended, seconds, strict=True)):
        height = max(round(18 * length / longest), 2)
        bar = f"M{number * 4} 20v-{height}h3v{height}z"
        paths[each.outcome] = paths.get(each.outcome, "") + bar
    return paths, len(ended) * 4


def _word_trend(job: JobFacts) -> str:
    if job.trend is None:
        return ""
    if job.trend.word == "steady":
        return "steady"
    return f"{abs(job.trend.change):.0%} {job.trend.word}"


def _choose_step(facts: EnvironmentFacts, scale: timeline.Scale) -> int:
    """Return how many days a row of a job stands for, so that there are not too many rows."""
    days = max((scale.last - scale.first) / 86400, 1.0)
    return next((step for step in (1, 7) if len(facts.jobs) * days / step <= _MOST_ROWS), 31)


def _group_runs(job: JobFacts, facts: EnvironmentFacts, step: int) -> Iterator[Group]:
    def find_label(listed: Listed) -> str:
        if listed.submitted is None:
            return "time unknown"
        return _label_days(listed.submitted.astimezone(facts.zone).date(), step)

    for label, found in groupby(job.runs, key=find_label):
        runs = list(found)
        seconds = [each.seconds for each in runs if each.seconds is not None]
        yield Group(label, count_outcomes(runs), _show_length(median(seconds) if seconds else None))


def _label_days(day: date, step: int) -> str:
    if step == 1:
        return day.isoformat()
    if step == 7:
        return f"week of {(day - timedelta(days=day.weekday())).isoformat()}"
    return f"{day:%Y-%m}"


def _clean(text: str) -> str:
    """Spell out what steers a reader or the reading order, and cut what is too long to read."""
    cut = text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
    return cut if is_simple(cut) else sanitize(" ".join(cut.split()) if "\n" in cut else cut)


def _show_percent(share: float | None) -> str:
    return _NONE if share is None else format_share(share)


def _show_share(count: int, total: int) -> str:
    """Return how wide the part of a whole is, in per cent."""
    return f"{100 * count / total:.2f}" if total else "0"


def _show_length(seconds: float | None) -> str:
    return _NONE if seconds is None else format_duration(seconds)


def _to_moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
