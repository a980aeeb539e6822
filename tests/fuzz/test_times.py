"""Any text where a time is expected is a time that can be used, or is told to be none."""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Callable
from datetime import UTC, datetime

from almajob.alma.http.response import Answer, clock_of
from almajob.alma.http.session import retry_pause
from almajob.alma.job_instances import Submission, parse_time
from almajob.cli.options import value_types
from almajob.errors import BrokenOff, NotAlma, Refused
from almajob.runs import run_key
from almajob.runs.evidence.start_outcome import judge
from almajob.runs.parameters.parameters import Given, Parameters
from almajob.runs.parameters.placeholders import expand
from almajob.store.ledger import run_key_forms
from almajob.store.ledger.record import State
from almajob.text import time_format
from tests.fuzz.choices import NASTY, Choices
from tests.fuzz.trials import tried

_PIECES = (
    *("2025-10-05", "2026-10-25", "9999-12-31", "0001-01-01", "10000-01-01", "2025-02-30", "20251005"),
    *("2025-W40-7", "T", " ", "t", "09:11:32", "02:30:00", "24:00", "23:59:60", ".592", ",5", ".1234567"),
    *("Z", "z", "+00:00", "+14:00", "-14:00", "+99:99", "+00:00:01", "-", ":", "Sun, 05 Oct 2025"),
    *("05 Oct 25", "Oct", " GMT", " +0100", " -9999", " EST", "(", ")", "90", "s", "m", "h", "d", "w", "1.5"),
    *(".", "1e9", "9" * 20, "0", "120", "triggered on ", "{date:%Y-%m-%d}", "{date:%", "{date:%s}"),
    *("{epoch_ms}", "{env:X}", "{env:Y}", "{{", "}}", "%", "%Q", "%Z", "%%", "{"),
    *NASTY,
)
_NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
_TAKEN: tuple[Callable[[str], object], ...] = (
    *(value_types.duration, value_types.seconds, value_types.interval),
    *(value_types.moment, functools.partial(value_types.moment, ends_day=True)),
)


def _text(choices: Choices) -> str:
    return choices.rest.decode("utf-8", "replace") if choices.below(8) == 0 else choices.text(_PIECES, 8)


@tried()
def test_any_text_of_almas_is_a_time_or_stays_text(data: bytes) -> None:
    """Of a run, of the sentence in an answer to a start; what is a time knows its zone, and can be shown."""
    text = _text(Choices(data))
    found = parse_time(text)
    if isinstance(found, datetime):
        assert found.utcoffset() is not None
        assert time_format.format_utc(found).endswith("Z")
        assert time_format.format_time(found, now=_NOW.timestamp())
        assert time_format.format_time(found, now=_NOW.timestamp(), utc=True)
    else:
        assert found == (text or None)
    outcome = judge("M44", Submission("77", "M44", f"Job no. 77 triggered on {text}"))
    assert outcome.state is State.STARTED
    assert outcome.submit_time is None or time_format.format_utc(outcome.submit_time)


@tried(3000)
def test_any_header_is_a_time_or_none(data: bytes) -> None:
    """Date gives a clock or nothing; Retry-After a pause of a minute at most."""
    text = _text(Choices(data))
    clock, error = clock_of(text, 0.25)
    assert clock is None or (math.isfinite(clock) and error == 0.75)
    for status in (503, 400):
        pause = retry_pause(1, NotAlma("x"), Answer(status, b"", retry_after=text))
        assert pause is None if status == 400 else pause is not None and 0 <= pause <= 60
    assert retry_pause(1, BrokenOff("x"), None) is not None


@tried(3000)
def test_any_length_or_time_that_is_typed_is_one_or_is_refused(data: bytes) -> None:
    """A length is a number of seconds up to ten years, a time knows its zone."""
    choices = Choices(data)
    taken = choices.one_of(_TAKEN)
    try:
        found = taken(_text(choices))
    except argparse.ArgumentTypeError as refused:
        assert str(refused)
        return
    if isinstance(found, datetime):
        assert found.utcoffset() is not None
    else:
        assert isinstance(found, float)
        assert 0 <= found <= 10 * 366 * 86400
        assert time_format.format_duration(found)
        assert time_format.format_ago(found)


@tried(3000)
def test_any_value_is_expanded_or_refused(data: bytes) -> None:
    """What is not known is refused; what is filled in is the same at the same moment."""
    choices = Choices(data)
    given = Parameters((Given("x", _text(choices)),))
    try:
        first, second = (expand(given, _NOW, {"X": "{1}", "Y": "\0"}) for _ in range(2))
    except Refused as refused:
        assert "cannot be expanded" in str(refused)
        return
    assert first == second
    assert "\0" not in first.given[0].value


@tried(1000)
def test_any_parts_make_a_key_that_can_be_a_key(data: bytes) -> None:
    """Of a period, and given by somebody; and a tag that is found by its form."""
    choices = Choices(data)
    text = _text(choices)
    key = run_key.make_period_key(choices.one_of(run_key_forms.PERIODS), "lab", "M44", text, _NOW)
    assert key == run_key.make_period_key(
        key.split(":")[0].removeprefix("once-per-"), "lab", "M44", text, _NOW
    )
    try:
        assert value_types.run_key(text) == text
    except argparse.ArgumentTypeError:
        return
    assert not run_key.find_key_problem(text)
    assert run_key.TAG.fullmatch(run_key.make_tag(text, 1 + choices.below(3), key))
