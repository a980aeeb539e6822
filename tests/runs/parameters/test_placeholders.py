"""What ``--expand`` fills in, what it refuses, and what stays the same run."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almajob.alma.models import Parameter
from almajob.errors import Refused
from almajob.runs.parameters.parameters import Parameters
from almajob.runs.parameters.placeholders import expand

NOW = datetime(2026, 11, 22, 5, 15, 30, 250_000, tzinfo=timezone(timedelta(hours=1)))
ENVIRON = {"SET": "9563", "BRACES": "{date:%Y}", "EMPTY": "", "BAD": "a\x1bb", "STRANGE": "\udcff"}


def _of(value: str) -> Parameters:
    return Parameters.of([Parameter("x", value)], "x.xml, line 4")


def _filled(value: str, now: datetime = NOW) -> str | None:
    return expand(_of(value), now, ENVIRON).get("x")


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("{date:%Y-%m-%d}", "2026-11-22"),
        ("Theses of {date:%d.%m.%Y %H:%M}, weekly", "Theses of 22.11.2026 05:15, weekly"),
        ("{date:100%% of %Y}", "100% of 2026"),
        ("{epoch_ms}", "1795320930250"),
        ("{env:SET}", "9563"),
        ("{env:EMPTY}", ""),
        ("{env:BRACES}", "{date:%Y}"),
        ("{{date:%Y}}", "{date:%Y}"),
        ("{{{env:SET}}}", "{9563}"),
        ("no braces, 100 %", "no braces, 100 %"),
        ("", ""),
        ("Null", "Null"),
    ],
)
def test_what_is_written_becomes_what_is_sent(written: str, becomes: str) -> None:
    """By the local time of the start and the variables; what a variable holds is not read again."""
    assert _filled(written) == becomes


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("{dat:%Y}", "it has '{dat:%Y}' in it"),
        ("{}", "it has '{}' in it"),
        ("{ epoch_ms }", "it has '{ epoch_ms }' in it"),
        ("{", "it has '{' in it"),
        ("a } b", "it has '}' in it"),
        ("{date:}", "is no form of a date"),
        ("{date:today}", "is no form of a date"),
        ("{date:%Q}", "is no form of a date"),
        ("{date:%Y %}", "is no form of a date"),
        ("{env:MISSING}", "the variable 'MISSING' is not set"),
        ("{env:}", "the variable '' is not set"),
        ("{date:%Y{env:STRANGE}}", "which Alma cannot keep"),
        ("{" * 2000, "it has too many braces"),
        ("{date:" + "%c" * 60_000 + "}", "it becomes too long"),
        ("{env:BAD}", "which Alma cannot keep"),
    ],
)
def test_anything_else_in_braces_is_refused(written: str, why: str) -> None:
    """With the file and line of the value, and what there is."""
    with pytest.raises(Refused, match=r"x\.xml, line 4: the value of x cannot be expanded") as caught:
        _filled(written)
    assert why in caught.value.message
    assert "{date:FORMAT}" in caught.value.hint


@given(value=st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])))
def test_a_value_whose_braces_are_doubled_is_sent_as_it_was(value: str) -> None:
    """So any value can be written."""
    assert _filled(value.replace("{", "{{").replace("}", "}}")) == value


def test_the_time_is_no_part_of_what_makes_a_run_the_same() -> None:
    """What a variable holds is, and so is what is written around the time."""
    later = NOW + timedelta(days=3)
    for written in ("{epoch_ms}", "{date:%Y-%m-%d} of {env:SET}"):
        one, other = (expand(_of(written), now, ENVIRON) for now in (NOW, later))
        assert one.sent != other.sent
        assert one.fingerprint == other.fingerprint
    other = expand(_of("{date:%Y-%m-%d} of {env:SET}"), NOW, {"SET": "1"})
    assert other.fingerprint != one.fingerprint
    assert expand(_of("{env:SET}"), NOW, ENVIRON).fingerprint == _of("9563").fingerprint
    # Braces that are meant have no time in them.
    assert expand(_of("{{epoch_ms}}"), NOW, ENVIRON).fingerprint == _of("{epoch_ms}").fingerprint
    # Sent as it stands, it is another payload.
    assert expand(_of("{date:%Y}"), NOW, ENVIRON).fingerprint != _of("{date:%Y}").fingerprint
