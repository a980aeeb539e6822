"""The page of a report, read as a program reads it; ``tests/browser`` looks at it as people do."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest

from almajob.jobs.history import Period
from almajob.report import page
from almajob.report.facts import EnvironmentFacts, build_facts
from almajob.report.outcomes import Outcome
from almajob.report.summary import write_summary
from almajob.report.timeline import list_ticks, make_scale, show_moment
from almajob.report.zones import name_zone
from tests.support.reported_runs import ARABIC, HEBREW, HOSTILE, NAMES, NOW, SCRIPT, make_facts

KIB = 1024
ZURICH = ZoneInfo("Europe/Zurich")


class _Reader(HTMLParser):
    """Reads a page: the elements, and the text of each of some kinds."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def _list_bars(html: str) -> Counter[str]:
    """Count the bars of the timeline, by outcome."""
    found: Counter[str] = Counter()
    for outcome, bars in re.findall(r'<g class="(\w+)">(<rect .*?)</g>', html):
        found[outcome] += bars.count("<rect ")
    return found


def _list_rows(html: str) -> list[str]:
    """Return the Process IDs of all runs in the tables."""
    return re.findall(r"<tr><td>(\d+)<td>", html)


def test_the_page_has_the_facts() -> None:
    """Each run has its row and its bar, each failure its alerts, counters and next step."""
    facts = make_facts()
    html = page.render([facts])
    ids = [each.instance.id for each in facts.runs]
    assert sorted(_list_rows(html)) == sorted(ids)
    assert _list_bars(html) == {outcome.value: count for outcome, count in facts.counts.items() if count}
    text = " ".join(_Reader(html).text.split())
    for failure in facts.failures:
        run = failure.listed.instance
        assert f"{run.status.value} {show_moment(failure.listed.submitted or NOW, facts.zone, NOW)}" in text
        assert f"Process ID {run.id}" in text
        assert f"Records that failed{run.counters[2].value} " in text
    assert text.count("or contact Support using the process ID") == len(facts.failures)
    assert text.count("What to do next") == len({each.listed.job for each in facts.failures}) + 1
    for job in facts.jobs:
        assert f"{job.job.name} {job.job.id}" in text
    assert "Runs565 Ended well534 With warnings11 Did not end well18 Going on2" in text
    assert "98,211 of 150,000 calls are left for the day (enough)" in text
    assert "run key invoices-2026-11-30. Alma's answer was lost." in text
    assert "The saved run invoices is scheduled for 05:15. No run at: 30 Nov 06:15" in text
    assert "Times: Europe/Zurich, UTC+01:00." in text


def test_it_is_alone() -> None:
    """No script, no address, nothing but one style, which the policy knows by its digest."""
    html = page.render([make_facts(names=(*NAMES, *HOSTILE))])
    elements = _Reader(html).elements
    assert {tag for tag, _ in elements} & {"script", "img", "iframe", "object", "form", "base"} == set()
    for tag, attributes in elements:
        assert not {name for name in attributes if name.startswith("on") or name == "style"}, tag
        for name in ("href", "src"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), tag
    policy = next(a["content"] for tag, a in elements if a.get("http-equiv") == "Content-Security-Policy")
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert style.isascii()
    assert "url(" not in style
    assert "@import" not in style


def test_names_are_text() -> None:
    """Whatever they are; and what cannot be seen is spelled out."""
    html = page.render([make_facts(60, (*HOSTILE, HEBREW, ARABIC))])
    text = _Reader(html).text
    for name in (SCRIPT, HOSTILE[1], HOSTILE[3], HEBREW, ARABIC, r"Invoices \u202etxt.exe\u202c \u2066x"):
        assert text.count(name) >= 2
    assert f"<bdi>{HEBREW}</bdi>" in html
    assert not set("\u202e\u202c\u2066\x1b\x00") & set(html)


@pytest.mark.parametrize("count", [60, 566, 7000])
def test_a_run_takes_little_room(count: int) -> None:
    """Half a KiB at most, with all that is there for all; of few runs, what is there anyway counts."""
    size = len(page.render([make_facts(count, days=90 if count > 1000 else 30)]).encode())
    assert size <= {60: 60, 566: 280, 7000: 3 * KIB}[count] * KIB
    assert size <= max(count * KIB // 2, 60 * KIB)


def test_very_many_runs_are_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    """By day, week or month, so that the page stays readable; the numbers are those of all of them."""
    monkeypatch.setattr(page, "MOST_RUNS", 100)
    facts = make_facts(2000, days=30)
    html = page.render([facts])
    assert _list_rows(html) == []
    assert len(html) < 400 * KIB
    cells = re.findall(r"<tr><td>(\d{4}-\d\d-\d\d)((?:<td class=n>\d*)+)", html)
    rows = [[int(each or 0) for each in row.split("<td class=n>")[1:]][:4] for _day, row in cells]
    assert [sum(column) for column in zip(*rows, strict=True)] == list(facts.counts.values())
    for rows_at_most, label in ((200, "week of "), (1, "2026-11")):
        monkeypatch.setattr(page, "_MOST_ROWS", rows_at_most)
        assert f"<tr><td>{label}" in page.render([facts])


def test_more_failures_than_anybody_reads_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one job, so that it hides no other job, and those of many jobs; with what lists them all."""
    monkeypatch.setattr(page, "_MOST_OF_A_JOB", 1)
    facts = make_facts()
    failed = Counter(each.listed.job.id for each in facts.failures)
    text = _Reader(page.render([facts])).text
    for job_id, count in failed.items():
        if count > 1:
            assert f"{count - 1} earlier: almajob --env production history {job_id} --passed no" in text
    assert max(failed.values()) > 1
    monkeypatch.setattr(page, "_MOST_FAILED_JOBS", 1)
    more = f"And runs of {len(failed) - 1} other job"
    assert more in _Reader(page.render([facts])).text


def test_several_environments_are_apart() -> None:
    """Each under its own heading; one that could not be read says why."""
    from almajob.errors import Unreachable

    other = make_facts(60, name="sandbox")
    unread = EnvironmentFacts(
        "test", "", NOW, None, Period(NOW), error=Unreachable("No answer.", hint="Try again.")
    )
    html = page.render([make_facts(60), other, unread])
    labels = [a["aria-label"] for tag, a in _Reader(html).elements if tag == "section"]
    assert len(labels) == len(set(labels))
    assert "Timeline, sandbox" in labels
    text = " ".join(_Reader(html).text.split())
    assert "It could not be read: No answer." in text
    assert "1 environment could not be read" in text


def test_nothing_is_a_page_as_well() -> None:
    """With a sentence instead of empty tables."""
    empty = build_facts(
        name="sandbox", kind="sandbox", now=NOW, zone=None, period=Period(NOW - timedelta(1)), runs=()
    )
    html = page.render([empty])
    assert "No run was found in this time." in html
    assert "<table" not in html


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 11, 30, 4, 15, tzinfo=UTC), "30 Nov 05:15"),
        (datetime(2026, 7, 1, 4, 15, tzinfo=UTC), "1 Jul 06:15"),
        (datetime(2025, 12, 31, 23, 30, tzinfo=UTC), "1 Jan 00:30"),
        (datetime(2025, 12, 31, 22, 30, tzinfo=UTC), "31 Dec 2025 23:30"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25 Oct 02:30+0200"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25 Oct 02:30+0100"),
    ],
)
def test_times_are_those_of_the_zone(moment: datetime, shown: str) -> None:
    """And those that a clock shows twice can be told apart."""
    assert show_moment(moment, ZURICH, NOW) == shown


@pytest.mark.parametrize(
    ("zone", "name"), [(ZURICH, "Europe/Zurich, UTC+01:00"), (UTC, "UTC"), (None, "CET, UTC+01:00")]
)
def test_a_zone_has_a_name(berlin: None, zone: ZoneInfo | None, name: str) -> None:
    """Also that of the machine."""
    assert name_zone(zone, NOW) == name


@pytest.mark.parametrize(
    ("days", "first", "count"),
    [(1, "18:00", 4), (7, "24 Nov", 7), (30, "2 Nov", 5), (200, "Jun 2026", 6), (2000, "2022", 5)],
)
def test_the_scale_has_a_few_lines(days: int, first: str, count: int) -> None:
    """At hours, days, weeks, months or years."""
    ticks = list_ticks(make_scale(Period(NOW - timedelta(days=days)), (), NOW), ZURICH)
    assert (ticks[0].label, len(ticks)) == (first, count)
    assert [tick.place for tick in ticks] == sorted(tick.place for tick in ticks)
    assert all(0 <= tick.place <= 100 for tick in ticks)


def test_a_secret_is_blanked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though Alma names a job so."""
    from almajob.text.redaction import HIDDEN, Secret

    secret = Secret("l8xx-not-for-a-director-0123456789")
    html = page.render([make_facts(60, (f"Job {secret.reveal()}",))])
    assert secret.reveal() not in html
    assert HIDDEN in _Reader(html).text
    assert secret.reveal() not in write_summary([make_facts(60, (f"Job {secret.reveal()}",))])


def test_each_outcome_has_a_shape_of_its_own() -> None:
    """Who sees no colours sees them apart, in the legend as in the timeline."""
    html = page.render([make_facts()])
    for outcome in Outcome:
        assert html.count(f'id="{outcome.value}"') == 1
        assert f'<use href="#{outcome.value}" x="6" y="6"/>' in html
