"""What a report says is what its runs are: nothing is lost, counted twice or made up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almajob.alma.job_instances import Instance
from almajob.alma.models import Code, Job
from almajob.alma.status_codes import STATUSES
from almajob.config.environments import LateAfter
from almajob.jobs.history import Period
from almajob.report.facts import EnvironmentFacts, build_facts, find_trend
from almajob.report.outcomes import Outcome
from almajob.report.summary import word_concerns, word_headline, write_summary
from almajob.report.views import REPORT_COLUMNS, report_values
from almajob.runs.run import Run
from tests.support.reported_runs import NOW, describe, make_facts

_TIMES = st.datetimes(datetime(2026, 10, 1), datetime(2026, 11, 30, 14)).map(
    lambda each: each.replace(tzinfo=UTC)
)


@st.composite
def _runs(draw: st.DrawFn) -> list[Run]:
    found = []
    for number in range(draw(st.integers(0, 30))):
        submitted, status = draw(_TIMES), draw(st.sampled_from([*STATUSES, "NEW_WORD"]))
        began = submitted + timedelta(seconds=draw(st.integers(-60, 600)))
        took = draw(st.none() | st.integers(-10, 90_000))
        instance = Instance(
            id=str(number),
            name="x",
            status=Code(status),
            submit_time=draw(st.sampled_from([submitted, submitted, submitted, "soon", None])),
            start_time=began,
            end_time=None if took is None else began + timedelta(seconds=took),
            job=draw(st.sampled_from([Job("S1", "One"), Job("S2", "Two"), Job("M3", "One"), None])),
        )
        found.append(describe(instance))
    return found


def _build(runs: list[Run], **more: object) -> EnvironmentFacts:
    given_: dict[str, object] = {
        "name": "sandbox",
        "kind": "sandbox",
        "now": NOW,
        "zone": UTC,
        "period": Period(NOW - timedelta(days=60)),
        "runs": runs,
    }
    return build_facts(**{**given_, **more})  # type: ignore[arg-type]


def _row(facts: EnvironmentFacts) -> dict[str, object]:
    values = (getattr(each, "machine_readable", lambda each=each: each)() for each in report_values(facts))
    return dict(zip(REPORT_COLUMNS, values, strict=True))


@settings(max_examples=40)
@given(_runs())
def test_the_facts_are_those_of_the_runs(runs: list[Run]) -> None:
    """Each run is there once, in its order, in its job and in one total; and JSON has the same."""
    facts = _build(runs)
    assert [each.run for each in facts.runs] == runs
    assert sorted(each.instance.id for job in facts.jobs for each in job.runs) == sorted(
        run.instance.id for run in runs
    )
    assert sum(facts.counts.values()) == len(runs) == sum(len(job.runs) for job in facts.jobs)
    bad = [run.instance.id for run in runs if run.passed is False]
    assert [each.listed.instance.id for each in facts.failures] == bad
    assert facts.counts[Outcome.RUNNING] == sum(run.passed is None for run in runs)
    ended = sum(run.passed is not None for run in runs)
    assert facts.success_rate == (None if not ended else (ended - len(bad)) / ended)
    for job in facts.jobs:
        good = [each.instance.seconds for each in job.runs if each.run.passed]
        known = [each for each in good if each is not None]
        assert (job.median, job.longest) == (median(known) if known else None, max(known, default=None))
    row = _row(facts)
    assert [each["instance_id"] for each in row["runs"]] == [run.instance.id for run in runs]  # type: ignore[attr-defined]
    assert [each["instance_id"] for each in row["failures"]] == bad  # type: ignore[attr-defined]
    assert row["total"] == len(runs)
    assert [row[outcome.value] for outcome in Outcome] == list(facts.counts.values())


def test_runs_that_were_left_out_are_not_judged() -> None:
    """With a filter nothing is said of rates and of what did not run."""
    facts = make_facts(filters=("--passed no",))
    assert (facts.success_rate, facts.missing) == (None, ())
    assert {job.success_rate for job in facts.jobs} == {None}


def _daily(seconds: Sequence[float], running: float | None = None) -> list[Run]:
    job, found = Job("S1", "Nightly"), []
    for number, each in enumerate(seconds):
        begun = NOW - timedelta(days=len(seconds) - number, hours=1)
        found.append(
            Instance(
                id=str(number),
                status=Code("COMPLETED_SUCCESS"),
                submit_time=begun,
                start_time=begun,
                end_time=begun + timedelta(seconds=each),
                job=job,
            )
        )
    if running is not None:
        begun = NOW - timedelta(seconds=running)
        found.append(Instance(id="now", status=Code("RUNNING"), submit_time=begun, start_time=begun, job=job))
    return [describe(each) for each in reversed(found)]


def test_what_takes_longer_than_usual_is_said() -> None:
    """As where a run is waited for: after twice the usual time of five runs, or as the settings say."""
    (job,) = _build(_daily([600] * 6 + [1500])).jobs
    assert (job.is_late, job.runs[0].usual) == (True, 600)
    (job,) = _build(_daily([600] * 4 + [1500])).jobs
    assert not job.is_late
    late = _build(_daily([600] * 6, running=1300))
    assert [each.instance.id for each in late.late] == ["now"]
    assert not _build(_daily([600] * 6, running=1100)).late
    never = _build(_daily([600] * 6, running=9000), late_after=lambda *_: LateAfter(times=None))
    assert not never.late


@pytest.mark.parametrize(
    ("seconds", "word"),
    [
        ([600] * 4 + [900] * 4, "slower"),
        ([900] * 4 + [600] * 4, "faster"),
        ([600] * 8, "steady"),
        ([10] * 4 + [20] * 4, "steady"),
        ([0] * 8, "steady"),
        ([600] * 7, None),
    ],
)
def test_a_trend_is_that_of_the_halves(seconds: list[float], word: str | None) -> None:
    """A few seconds more are no trend, and neither are a few runs."""
    found = find_trend(seconds)
    assert (found.word if found else None) == word


@pytest.mark.parametrize(
    ("runs", "headline"),
    [
        ([], "Nothing ran."),
        (_daily([60]), "The one run ended well."),
        (_daily([60, 60]), "All 2 runs ended well."),
        (_daily([], running=5), "1 run going on."),
    ],
)
def test_the_headline_is_a_sentence(runs: list[Run], headline: str) -> None:
    """Of what was there; what else needs a look stands behind it."""
    facts = _build(runs)
    assert (word_headline([facts]), word_concerns([facts])) == (headline, "")
    assert write_summary([facts]).startswith(f"{headline}\n")


def test_a_summary_has_what_matters() -> None:
    """Failures with their Process IDs, what did not run, and what is unknown, in few lines."""
    text = write_summary([make_facts()])
    assert text.startswith("18 of 565 runs did not end well. 2 jobs did not run as usual, 1 start without a")
    assert "Electronic Portfolio loader - Springer (FAILED, 9563643010000288)" in text
    assert "  and 8 more\n" in text
    assert "Monthly statistics did not run" in text
    assert max(map(len, text.splitlines())) < 140
