"""Run keys, fingerprints and tags: the same for the same run, another for another."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.models import Code, Job, Parameter
from almajob.runs import run_key
from almajob.store.ledger import run_key_forms
from tests.store.ledger.test_record import new

NOW = datetime(2026, 11, 22, 5, 15, tzinfo=timezone(timedelta(hours=1)))


@given(st.text() | st.text(" ae\u0301\u00e9\u00a0\t\u212b\u0307\u0323\u0344\u0958"))
def test_a_normal_key_stays_as_it_is(text: str) -> None:
    """And all its forms are one."""
    normal = run_key_forms.normalize_key(text)
    assert run_key_forms.normalize_key(normal) == normal
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, f" {text}  ").replace(" ", "  ")
        assert run_key_forms.normalize_key(other) == normal


@given(key=st.text(max_size=20), attempt=st.integers(1, 5), fingerprint=st.text(max_size=20))
def test_a_tag_is_recognised(key: str, attempt: int, fingerprint: str) -> None:
    """Ten letters and digits that nobody mistakes, the same each time."""
    tag = run_key.make_tag(key, attempt, fingerprint)
    assert run_key.TAG.fullmatch(tag)
    assert tag == run_key.make_tag(key, attempt, fingerprint)


def test_a_tag_is_of_one_attempt_of_one_start() -> None:
    """Another key, attempt, kind, job or parameter: another tag."""
    starts = [
        new(run_key=key, attempt=attempt, kind=kind, job_id=job, parameters=parameters)
        for key in ("a", "b")
        for attempt in (1, 2)
        for kind in ("sandbox", "production")
        for job in ("M44", "M43")
        for parameters in ("0", "1")
    ]
    assert len({run_key.make_tags(start)[0] for start in starts}) == len(starts)


def test_a_tag_is_the_same_whatever_things_are_called() -> None:
    """The institution by Alma, the section in the ini; the one that was made before knows both."""
    first = new(
        run_key="once-per-day:sandbox:M44:0123456789:2026-11-22", institution="A", environment="sandbox"
    )
    second = replace(
        first,
        run_key=run_key_forms.move_key(first.run_key, "lab"),
        institution="B",
        environment="lab",
        id="r2",
    )
    assert run_key.make_tags(first)[0] == run_key.make_tags(second)[0]
    assert run_key.make_tags(first)[1] != run_key.make_tags(second)[1]
    assert run_key.make_tags(new())[1] == "[aj:WHQYLZQTXD]"


@pytest.mark.parametrize(
    ("period", "end"),
    [("hour", "2026-11-22T05+0100"), ("day", "2026-11-22"), ("week", "2026-W47"), ("month", "2026-11")],
)
def test_a_period_has_a_key(period: str, end: str) -> None:
    """Of environment, job, parameters and the period, by the local calendar."""
    key = run_key.make_period_key(period, "sandbox", "M44", "0123456789abcdef", NOW)
    assert key == f"once-per-{period}:sandbox:M44:0123456789:{end}"


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    """In the night when the clocks are set back."""
    zone = ZoneInfo("Europe/Berlin")
    first, second = (datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=zone) for fold in (0, 1))
    keys = {run_key.make_period_key("hour", "e", "M1", "0", moment) for moment in (first, second)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("period", "first"),
    [
        ("", date(2026, 11, 21)),
        ("day", date(2026, 11, 21)),
        ("week", date(2026, 11, 15)),
        ("month", date(2026, 10, 31)),
    ],
)
def test_a_run_is_looked_for_since_its_period_began(period: str, first: date) -> None:
    """And a day more, as Alma's time zone is not known."""
    assert run_key.find_first_day(period, date(2026, 11, 22)) == first


def test_only_manual_jobs_take_a_tag() -> None:
    """Scheduled ones take no parameters."""
    job = Job("M1", "Export", Code("MANUAL"))
    assert run_key.takes_tag(job)
    assert not run_key.takes_tag(Job("S1", "ERP", Code("SCHEDULED")))
    assert run_key.add_tag(job, [], "") == ()
    assert run_key.add_tag(job, [Parameter("job_name", "")], "[t]") == (Parameter("job_name", "[t]"),)


@pytest.mark.parametrize("key", ["", " ", "a\nb", "\x1b[2J", "x" * 201])
def test_some_keys_are_refused(key: str) -> None:
    """Empty, too long, or not to be shown."""
    assert run_key.find_key_problem(key)


def test_keys_made_here_are_good_and_never_the_same() -> None:
    """Random ones."""
    keys = {run_key.make_random_key("M44", NOW) for _ in range(100)}
    assert len(keys) == 100
    assert not any(map(run_key.find_key_problem, keys))
    assert run_key.find_key_problem("nightly invoices 2026-11-22 ü") == ""
